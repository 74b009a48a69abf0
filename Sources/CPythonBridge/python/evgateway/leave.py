"""evgateway.leaving: whether the worker of this process is leaving, so that an app can end in time what it holds.

Law: one object for the process, also in the environ or scope of every request. It can be imported where there is no
server: there, and in the master, it is never set. How it waits is the worker class's business.
"""
import _thread
import sys

_lock = _thread.allocate_lock()     # the real one, also where gevent patches; held for no longer than a list is changed


class Leaving:
    """Set when the worker begins to leave: after a stop, or when a reload or --max-requests replaces it. It accepts no
    more connections then, and waits --graceful-timeout for its requests. It stays set."""

    def __init__(self):
        self._callbacks = []
        self._is_open = self._is_told = False
        self._way = Threads()

    def is_set(self):
        """Returns True if the worker is leaving."""
        extension = sys.modules.get("_evgateway")
        return extension is not None and extension.leaving_is_set()

    def wait(self, timeout=None):
        """Waits until the worker is leaving, or for timeout seconds, and returns is_set(). Other greenlets run
        meanwhile; a thread is blocked; in class asgi it is to be awaited. RuntimeError on the loop of class inline."""
        return self._way.wait(timeout)

    def on_leave(self, callback):
        """callback() is called once when the worker begins to leave; at once if it is leaving already. It is called in
        a greenlet of its own, on the thread `evgateway-leave`, or on the loop of classes asgi and inline; what it
        returns in class asgi may be awaitable. TypeError if it is not callable."""
        if not callable(callback):
            raise TypeError(f"on_leave takes a callable without arguments, not {type(callback).__name__}")
        with _lock:
            is_told = self._is_told
            if not is_told:
                self._callbacks.append(callback)
        if is_told:
            self._way.call([callback])
        else:
            self._way.expect()

    def forget(self, callback):
        """Takes one on_leave(callback) back, if it is still to be called."""
        with _lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def _open(self, way):
        """Called in a worker when its class is known; the app may have been loaded before."""
        self._way, self._is_open = way, True
        if self._callbacks:
            way.expect()

    def _begin(self):
        """Called once, when the worker begins to leave."""
        with _lock:
            callbacks, self._callbacks, self._is_told = self._callbacks, [], True
        self._way.call(callbacks)

    def _end(self, seconds):
        """Called when nothing else holds the worker any more: callbacks may go on for so many seconds."""
        self._way.finish(seconds)

    def __repr__(self):
        return f"<evgateway.leaving: {self.is_set()}>"


def run(callback):
    """Returns what the callback returns; None after an exception, which is logged."""
    try:
        return callback()
    except BaseException as error:
        report(error)


def report(error):
    from . import host
    host.report(None, None, "in a callback of on_leave", error)


class Threads:
    """Threads wait in the extension, without Python's lock; one of them waits for all callbacks."""

    def __init__(self):
        self._thread = None

    def wait(self, timeout):
        extension = sys.modules.get("_evgateway")
        if extension is None:
            import time
            time.sleep(1e9 if timeout is None else max(0, timeout))     # outside of a server nothing leaves
            return False
        return extension.leaving_wait(timeout)

    def call(self, callbacks):
        for callback in callbacks:
            run(callback)

    def expect(self):
        """Called when there are callbacks."""
        with _lock:
            if self._thread is not None or not leaving._is_open:
                return
            import threading
            self._thread = threading.Thread(target=self._serve, name="evgateway-leave", daemon=True)
        self._thread.start()

    def _serve(self):
        self.wait(None)
        leaving._begin()

    def finish(self, seconds):
        if self._thread is not None and leaving.is_set():
            self._thread.join(seconds)


class Greenlets:
    """Greenlets wait for an event of the hub's; other threads as in class threads."""

    def __init__(self):
        from gevent import monkey
        self._identity = monkey.get_original("_thread", "get_ident")
        self._thread = self._identity()
        self._event = None
        self._greenlets = []

    def wait(self, timeout):
        if self._identity() != self._thread:
            return Threads().wait(timeout)
        if leaving._is_told or leaving.is_set():
            return True
        if self._event is None:
            from gevent.event import Event
            self._event = Event()
        self._event.wait(timeout)
        return leaving.is_set()

    def call(self, callbacks):
        if self._event is not None:
            self._event.set()
        import gevent
        self._greenlets += [gevent.spawn(run, callback) for callback in callbacks]

    def expect(self):
        pass

    def finish(self, seconds):
        greenlets, self._greenlets = self._greenlets, []
        if greenlets:
            import gevent
            gevent.joinall(greenlets, timeout=seconds)


class Tasks:
    """Tasks wait for futures of their own loop, which may be that of another thread."""

    def __init__(self, loop):
        self._loop = loop
        self._futures, self._tasks = set(), set()

    async def wait(self, timeout):
        import asyncio
        future = asyncio.get_running_loop().create_future()
        self._futures.add(future)
        try:
            if not leaving.is_set():
                await asyncio.wait([future], timeout=timeout)
        finally:
            self._futures.discard(future)
        return leaving.is_set()

    def call(self, callbacks):
        for future in list(self._futures):
            self._soon(future.get_loop(), _resolve, future)
        for callback in callbacks:
            self._soon(self._loop, self._run, callback)

    def finish(self, seconds):
        """Called when the loop does not run: callbacks have had their turn, and what they returned may go on."""
        tasks, self._tasks = self._tasks, set()
        if tasks:
            import asyncio
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=seconds))

    def _soon(self, loop, function, argument):
        try:
            loop.call_soon_threadsafe(function, argument)
        except RuntimeError:
            pass    # that loop is closed

    def _run(self, callback):
        import inspect
        result = run(callback)
        if inspect.isawaitable(result):
            task = self._loop.create_task(_awaited(result))
            self._tasks.add(task)   # the loop itself does not keep it
            task.add_done_callback(self._tasks.discard)

    def expect(self):
        pass


def _resolve(future):
    if not future.done():
        future.set_result(None)


async def _awaited(awaitable):
    try:
        await awaitable
    except Exception as error:
        report(error)


class Inline:
    """The app runs on the loop: while it waited, the worker could not be told to leave."""

    def __init__(self):
        self._thread = _thread.get_ident()

    def wait(self, timeout):
        if _thread.get_ident() != self._thread:
            return Threads().wait(timeout)
        if leaving.is_set() or timeout is not None and timeout <= 0:
            return leaving.is_set()
        raise RuntimeError("evgateway.leaving cannot wait in class inline, where the app stands on the worker's loop: "
                           "ask is_set() between the blocks of a response, or use another class")

    def call(self, callbacks):
        for callback in callbacks:
            run(callback)

    def expect(self):
        pass

    def finish(self, seconds):
        pass


def inline(_):
    leaving._open(Inline())
    return b"n"


class Replay(BaseException):
    """Raised by an app before its response begins: the request is run again from its first byte by a worker that stays,
    on the same connection. It is meant for requests that wait, when `leaving` is set. Where no worker takes it, the
    client gets 503 with Retry-After. It is no Exception, so that frameworks let it pass."""


leaving = Leaving()
