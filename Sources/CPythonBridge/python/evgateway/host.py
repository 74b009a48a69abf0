"""What the extension module calls in Python: WSGI helpers, reports of exceptions, a worker's beginning and end."""
import atexit
import faulthandler
import gc
import os
import sys
import traceback

import _evgateway

from . import locator, loggers, logqueue, state, values


def _write(text):
    if state.logger is None:
        _evgateway.log_text(text)
    else:
        from . import pylog
        pylog.errors(text)


class ErrorStream:
    """wsgi.errors: writes each line to the error log when it is complete, and an incomplete line at flush()."""

    encoding = "utf-8"

    def __init__(self):
        self._pending = ""

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes str, not {type(text).__name__}")
        head, newline, tail = (self._pending + text).rpartition("\n")
        self._pending = tail
        if newline:
            _write(head + newline)
        return len(text)

    def writelines(self, lines):
        self.write("".join(lines))

    def flush(self):
        pending, self._pending = self._pending, ""
        if pending:
            _write(pending + "\n")

    def isatty(self):
        return False


errors = ErrorStream()


class FileWrapper:
    """wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File Handling"). The worker uses sendfile if it can."""

    def __init__(self, filelike, blksize=8192):
        self.filelike = filelike
        self.blksize = blksize

    def descriptor(self):
        """(descriptor, offset) of the file, or None when it has no descriptor of its own."""
        try:
            descriptor = self.filelike.fileno()
            return descriptor, self.filelike.tell()
        except (AttributeError, OSError, ValueError):
            return None

    def __iter__(self):
        return self

    def __next__(self):
        data = self.filelike.read(self.blksize)
        if data:
            return data
        raise StopIteration

    def close(self):
        close = getattr(self.filelike, "close", None)
        if close is not None:
            close()


CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}


def escaped(text):
    """Returns text as one printable line: control characters and non-ASCII characters become escapes."""
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)


def report(method, target, what, exception, request_id=None):
    """Logs an error: one line with the request and with what (where the error was raised), then the traceback. The
    words before the method are gunicorn's, for which people search their logs."""
    line = f"Error {what}" if method is None else \
        f"Error handling request {escaped(method)} {escaped(target)} ({what})"
    if request_id is not None:
        line += f" request_id={request_id}"
    if state.logger is not None:
        from . import pylog
        return pylog.report(line, exception)
    _evgateway.log_error(line)
    if exception is not None:
        lines = traceback.format_exception(type(exception), exception, exception.__traceback__)
        _evgateway.log_text("".join(lines).translate(CONTROLS))


_expected = ""


def expect(interface, trusted):
    """Stores how the worker calls apps, "wsgi" or "asgi". If trusted (the operator chose it), apps are not checked."""
    global _expected
    _expected = None if trusted else interface


app = None


def load(text, pythonpath, arguments, factory=False, _=""):
    """Returns (app, 0, b"", b""), or (None, exit code, why the app cannot be loaded, traceback)."""
    global app
    os.environ["SERVER_SOFTWARE"] = f"evgateway/{values.decode(_evgateway.tell('version'))}"
    loggers.prepare()
    if state.app is None:
        sys.argv = [text.partition(":")[0], *arguments]
    try:
        app = locator.load(text, pythonpath, _expected, factory)
        return app, 0, b"", b""
    except locator.LoadError as error:
        return None, error.exit_code, _encoded(error.message), _encoded(error.traceback)
    finally:
        reloading = sys.modules.get("evgateway.reloading")
        if reloading is not None:
            reloading.scan()


def _encoded(text):
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace")


def worker_started(descriptor):
    """Called in a worker after the fork. A worker that crashes, or is killed with ABRT, logs its threads' stacks."""
    os.register_at_fork(before=flush)   # a child of the app's would write what is buffered a second time
    try:
        faulthandler.enable(file=descriptor, all_threads=True)
    except (OSError, ValueError):
        pass  # the log is not an open file
    if state.logger is not None:
        from . import pylog
        pylog.worker_started()
    if state.hook("worker_abort") is not None:
        from . import arbiter
        arbiter.watch_abort(descriptor)


def write_stacks(argument):
    """Called in a worker, before its app is loaded: two signals write the stack of the thread that the loop is on, or
    those of all threads, to a pipe of the master's. An app that enables the fault handler, or disables it, does not
    change that."""
    of_loop, of_all, descriptor = values.decode(argument)
    for number in of_loop, of_all:
        try:
            faulthandler.register(number, file=descriptor, all_threads=number == of_all, chain=False)
        except (OSError, RuntimeError, ValueError):
            pass  # the master will have none
    return b"n"


def worker_ended(_):
    """A worker ends with _exit, so that exit handlers of the master do not run twice. Those of the app run here."""
    logqueue.end()  # before the exit handler of logging
    try:
        sys.modules["evgateway.leave"].leaving._end(1)
        atexit._run_exitfuncs()
    finally:
        flush()


def preloaded(_):
    """Called in the master that has loaded the app: what is there is no collector's business any more, neither here nor
    in the workers. A collector writes to each object that it looks at, and memory that is written to is not shared."""
    gc.collect()
    gc.freeze()
    return b"n"


def before_fork(_):
    """Flushes buffered output: otherwise each child would write it again."""
    flush()


def flush():
    errors.flush()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass  # the stream is closed or None
