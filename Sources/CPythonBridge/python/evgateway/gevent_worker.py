"""Worker class gevent: the loop as a guest of gevent's hub, one greenlet for each request.

Law: nothing here runs inside a pump; the hub never waits; the standard library is patched before the app is imported.
"""
import os
import re

import _evgateway

from . import guest, leave, logqueue

OLDEST = (22, 10, 1)


def prepare(patch):
    """Imports gevent, and patches the standard library if patch is true. Returns None, or why gevent cannot be used."""
    try:
        import gevent
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "gevent":
            return "worker class 'gevent' needs gevent: install it beside the app (pip install gevent)"
        return f"worker class 'gevent' cannot import gevent: {error}"
    version = tuple(int(part) for part in re.findall(r"\d+", gevent.__version__)[:3])
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return f"worker class 'gevent' needs gevent {oldest} or newer, this is {gevent.__version__}"
    if patch:
        from gevent import monkey
        monkey.patch_all()
    return None


def open():
    """Makes the hub of this process. Returns its name for the log."""
    global hub
    import gevent
    gevent.reinit()  # a hub that was made before the fork shares its descriptors with the parent
    hub = gevent.get_hub()
    _define()
    guest.driver = drive
    leave.leaving._open(leave.Greenlets())
    kind = type(hub.loop).__module__.split(".")[1]
    return f"gevent {gevent.__version__} on {kind}"


def _define():
    """Defines what depends on gevent. It is not at the top of the module, which must load without gevent, too."""
    global GreenletExit, ClientDisconnected, DeadlineExceeded, RequestGreenlet, Event, getcurrent
    from gevent import Greenlet, GreenletExit, getcurrent
    from gevent.event import Event

    class ClientDisconnected(GreenletExit):
        """Raised in the greenlet of a request whose client has left (--cancel-on-disconnect)."""

    class DeadlineExceeded(GreenletExit):
        """Raised in the greenlet of a request whose deadline has passed."""

    class RequestGreenlet(Greenlet):
        """Runs one request. gevent keeps no stack of where it was spawned: that place is the same for all requests."""

        spawning_stack_limit = 0


def drive():
    """Serves until the worker ends, then ends the greenlets of requests that still run."""
    ended = Event()

    def pump():
        alive = _evgateway.gevent_pump()
        if not alive:
            watcher.stop()
        if alive is False:
            ended.set()

    def check():
        driver = hub.loop.fileno()
        _evgateway.guest_check(-1 if driver is None else driver)

    def first():
        """Now the hub's epoll set is known to hold the descriptor, before any code of the app could close it."""
        check()
        watcher.callback = pump
        pump()

    def second():
        pump()
        check()

    def forked():
        """In a process that the app has forked: its hub gets descriptors of its own, and serves no requests."""
        hub.loop.reinit()
        _evgateway.gevent_forked(getcurrent())

    watcher = hub.loop.io(_evgateway.guest_descriptor(), 1)
    watcher.start(first)
    os.register_at_fork(after_in_child=forked)
    # Whatever becomes of the descriptors, the pump goes on, and the worker looks at them once a second.
    seconds = hub.loop.timer(1, 1)
    seconds.start(second)
    hub.loop.run_callback(pump)  # the first pump adds the loop's descriptors to the epoll set that the hub watches
    while not ended.is_set():
        try:
            ended.wait()
        except BaseException as error:  # gevent throws SystemExit of any greenlet into the main greenlet
            check()
            from .host import report
            _evgateway.end_forked()     # nothing is left to do there (LoopExit)
            report(None, None, "in a greenlet", error)
    watcher.close()
    seconds.close()
    leave.leaving._end(1)
    running = _evgateway.gevent_running()
    if running:
        import gevent
        gevent.killall(running, timeout=1)


def drain_log():
    """Lets a greenlet log what the server has left: a handler may wait."""
    import gevent
    gevent.spawn(logqueue.drain)


def call_all(callbacks):
    """Calls each callback in a greenlet of its own, so that it may wait and may fail without effect on the others."""
    import gevent
    for callback in callbacks:
        gevent.spawn(callback)


class StreamedInput:
    """wsgi.input for a body that is still arriving. A read waits for its bytes while other greenlets run."""

    __slots__ = ("_request", "_pending", "_at", "_ended", "closed")

    def __init__(self, request):
        self._request, self._pending, self._at = request, b"", 0
        self._ended = self.closed = False

    def _fill(self):
        """Gets more bytes if all are read. Returns False at the end of the body."""
        if self.closed:
            raise ValueError("read of a closed wsgi.input")
        if self._at < len(self._pending):
            return True
        if self._ended:
            return False
        self._pending, self._at = _evgateway.gevent_take(self._request), 0
        self._ended = not self._pending
        return not self._ended

    def _take(self, count):
        start, stop = self._at, min(self._at + count, len(self._pending))
        self._at = stop
        return self._pending if stop - start == len(self._pending) else self._pending[start:stop]

    def read(self, size=-1):
        left = -1 if size is None or size < 0 else size
        parts = []
        while left and self._fill():
            part = self._take(len(self._pending) if left < 0 else left)
            parts.append(part)
            if left > 0:
                left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readline(self, size=-1):
        left = -1 if size is None or size < 0 else size
        parts = []
        while left and self._fill():
            end = self._pending.find(b"\n", self._at) + 1
            count = (end or len(self._pending)) - self._at
            part = self._take(count if left < 0 else min(count, left))
            parts.append(part)
            if left > 0:
                left -= len(part)
            if part.endswith(b"\n"):
                break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readlines(self, hint=-1):
        lines, total = [], 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self):
        return self

    def __next__(self):
        line = self.readline()
        if line:
            return line
        raise StopIteration

    def close(self):
        self.closed, self._pending = True, b""

    def readable(self):
        return True

    def writable(self):
        return False

    def seekable(self):
        return False
