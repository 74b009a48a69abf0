"""What the server has left for Python: words for a logger, requests that have ended, files that are to be opened anew.

Law: taken one after the other, in the order in which they came, at moments at which an app may run. This module is in
every worker, so it imports next to nothing.
"""
import _thread
import sys

import _evgateway

from . import state

LINE, REQUEST, REFUSED, REOPEN = range(4)


def drain():
    """Takes all there is, unless somebody does it already: then that one takes it."""
    if not _taking.acquire(False):
        return
    try:
        while True:
            entry = _evgateway.log_next()
            if entry is None:
                return
            take(*entry)
    finally:
        _taking.release()


def end():
    """The last words of a worker."""
    if _taking.acquire(True, 2):
        _taking.release()
    drain()


def take(kind, *entry):
    if kind == REOPEN:
        reopen()
    elif state.logger is not None:
        from . import pylog
        if kind == LINE:
            pylog.line(*entry)
        else:
            pylog.request(entry, kind == REQUEST)


def reopen(_=None):
    """After a rotation: the files of handlers, of the app's own too, as under gunicorn."""
    if state.logger is not None:
        from . import pylog
        pylog.reopen()
    elif "logging" in sys.modules:
        from . import errorlog
        errorlog.reopen_files()
    return b"n"


def capture(_):
    """Standard output is to be a file: what an app prints stands there at the end of each line."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
            stream.reconfigure(line_buffering=True)
        except (AttributeError, OSError, ValueError):
            pass    # it is closed, None, or the app's own
    return b"n"


_taking = _thread.allocate_lock()
