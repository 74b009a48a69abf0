"""Worker class threads: starts the pool's Python threads. The extension module contains what they do.

Law: a thread serves until the pool stops. Nothing waits for a thread to end, because an app may block it for ever.
"""
import faulthandler
import signal
import threading

import _evgateway

from . import host, leave

_notifier = None
_notifier_lock = threading.Lock()


def start(count, log):
    """Starts the threads that call the app. The stacks of all threads can be written to the descriptor `log`."""
    try:
        faulthandler.register(signal.SIGRTMAX - 1, file=log, all_threads=True)
    except (OSError, RuntimeError, ValueError):
        pass  # the log is no file that is open: the extension module says then that it cannot write the stacks
    leave.leaving._open(leave.Threads())
    for number in range(1, count + 1):
        _start(f"evgateway-{number}", _serve)


def start_notifier():
    """Starts the thread that runs the callbacks of on_disconnect, unless it runs already."""
    global _notifier
    if _notifier is None:
        with _notifier_lock:
            if _notifier is None:
                _notifier = _start("evgateway-disconnect", _notify)


def _start(name, target):
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _serve():
    while True:
        try:
            return _evgateway.threads_serve()
        except BaseException as error:  # whatever an app raises, the thread goes on, so the pool keeps its size
            host.report(None, None, "in a thread of the pool", error)


def _notify():
    while True:
        try:
            callbacks = _evgateway.threads_left()
            if callbacks is None:
                return
            for callback in callbacks:
                _call(callback)
        except BaseException as error:
            host.report(None, None, "telling of a client that left", error)


def _call(callback):
    try:
        callback()
    except BaseException as error:
        host.report(None, None, "in a callback of on_disconnect", error)
