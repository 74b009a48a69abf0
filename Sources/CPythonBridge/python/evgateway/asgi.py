"""Drives the worker's loop as the guest of asyncio or uvloop, and speaks the lifespan protocol.

Law: the worker accepts connections when the app's startup is complete. The app's shutdown begins when the requests have
ended. Tasks that still run then are cancelled and waited for, with a time limit.
"""
import asyncio
import os
import sys
import threading
import traceback
import types

import _evgateway

from . import guest, leave

_driver = None


def prepare(app, loop, lifespan, graceful_timeout):
    """Makes the loop and sets the driver. Returns the name of the loop for the log."""
    global _driver
    _driver = Driver(app, loop, lifespan, graceful_timeout)
    guest.driver = _driver.run
    return _driver.name


def make_loop(choice):
    if choice in ("auto", "uvloop"):
        try:
            import uvloop
            return uvloop.new_event_loop(), f"uvloop {uvloop.__version__}"
        except ImportError as error:
            if choice == "uvloop":
                raise ImportError(f"--asgi-loop uvloop: {error} (pip install uvloop)") from None
    return asyncio.new_event_loop(), "asyncio"


class Driver:
    def __init__(self, app, loop, lifespan, graceful_timeout):
        self.app = app
        self.loop, self.name = make_loop(loop)
        self.lifespan = Lifespan(app, lifespan, self.loop) if lifespan != "off" else None
        self.timeout = graceful_timeout
        asyncio.set_event_loop(self.loop)
        leave.leaving._open(leave.Tasks(self.loop))
        options = {"loop": self.loop, "name": "request"}
        eager = sys.version_info >= (3, 12)
        if eager:
            options["eager_start"] = True
        _evgateway.asgi_setup(self.loop, asyncio.Task, options, eager, self.loop.create_future, self.loop.stop,
                              asyncio.CancelledError, types.CoroutineType)

    def run(self):
        loop, self.thread = self.loop, threading.get_ident()
        descriptor = _evgateway.guest_descriptor()
        loop.add_reader(descriptor, _evgateway.asgi_pump)
        # The first pump registers the first watchers with the kernel. Before it, the descriptor is never ready.
        loop.call_soon(_evgateway.asgi_pump)
        loop.call_soon(self.check)
        self.timer = loop.call_later(1, self.second)
        os.register_at_fork(after_in_child=self.forked)
        starting = loop.create_task(self.start())
        try:
            loop.run_forever()
        except OSError:     # the loop cannot poll
            self.check()
            raise
        finally:
            self.timer.cancel()
            loop.remove_reader(descriptor)
            starting.cancel()
            self.end()

    def second(self):
        """Once a second, whatever has become of the descriptors: the worker looks at them."""
        _evgateway.asgi_pump()
        self.check()
        self.timer = self.loop.call_later(1, self.second)

    def check(self):
        selector = getattr(self.loop, "_selector", None)
        if selector is not None:
            driver = selector.fileno() if hasattr(selector, "fileno") else -1
        else:
            driver = self.loop._get_backend_id() if hasattr(self.loop, "_get_backend_id") else -1
        _evgateway.guest_check(driver)

    def forked(self):
        """In a process that the app has forked: the loop's descriptors are the parent's, so it must not go on."""
        if threading.get_ident() == self.thread:
            self.loop.call_soon(_evgateway.end_forked)

    async def start(self):
        message = details = ""
        if self.lifespan is not None:
            message, details = await self.lifespan.start()
            if self.lifespan.is_active:
                _evgateway.asgi_state(self.lifespan.state)
        _evgateway.asgi_started(_encoded(message), _encoded(details))

    def end(self):
        """Runs after the last turn of the worker's loop. It must end before the master kills the worker."""
        loop = self.loop
        # A pump that still waits for its turn would stop the loop again, in the midst of what follows.
        loop.call_soon(loop.stop)
        loop.run_forever()
        # The master waits 1.5 s longer than the worker's --graceful-timeout, which the requests may have used up.
        self.until = loop.time() + min(self.timeout, _evgateway.asgi_time_left()) + 1.0
        try:
            leave.leaving._end(self.patience())
            self.cancel(_evgateway.asgi_tasks())
            if self.lifespan is not None:
                loop.run_until_complete(self.lifespan.end(max(0.2, self.until - loop.time() - 0.3)))
            self.cancel(asyncio.all_tasks(loop))
            self.bounded(loop.shutdown_asyncgens())
            self.bounded(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def patience(self):
        """Returns the time limit, in seconds, for one step of the end."""
        return min(1.0, max(0.1, self.until - self.loop.time()))

    def cancel(self, tasks):
        tasks = [task for task in tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.wait(tasks, timeout=self.patience()))
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                _report("in a task that was cancelled", task.exception())

    def bounded(self, coroutine):
        async def wait():
            task = self.loop.create_task(coroutine)
            await asyncio.wait([task], timeout=self.patience())
            if not task.done():
                task.cancel()
        self.loop.run_until_complete(wait())


class Lifespan:
    """Tells the app when the worker starts and ends (ASGI, "Lifespan Protocol")."""

    def __init__(self, app, mode, loop):
        self.app, self.mode, self.loop = app, mode, loop
        self.state = {}
        self.is_active = False
        self.task = None
        self.received = 0
        self.failure = None
        self.startup, self.leaving, self.shutdown = loop.create_future(), loop.create_future(), loop.create_future()

    async def start(self):
        """Returns ("", "") if the app is ready, else (why not, in one line; traceback)."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self.task = self.loop.create_task(self.call(scope))
        await asyncio.wait([self.task, self.startup], return_when=asyncio.FIRST_COMPLETED)
        if self.startup.done():
            message = self.startup.result()
            if message is None:
                self.is_active = True
                self.task.add_done_callback(self.ended)
                return "", ""
            return "the app's lifespan startup failed", message or self.failure_text()
        if self.mode == "on":
            return "the app does not support lifespan (--lifespan on)", self.failure_text()
        if self.failure is not None:
            # An app that does not know the type of the scope raises before it receives anything. Whatever is raised
            # later may be a start that failed.
            last = traceback.format_exception_only(type(self.failure), self.failure)[-1].strip()
            _evgateway.asgi_note("The app does not support lifespan" + (f": {last}" if self.received else ""))
        return "", ""

    async def call(self, scope):
        try:
            await self.app(scope, self.receive, self.send)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.failure = error

    def failure_text(self):
        error = self.failure
        return "" if error is None else "".join(traceback.format_exception(type(error), error, error.__traceback__))

    def ended(self, task):
        """Called when the app's lifespan call has ended, with or without an exception."""
        if self.failure is not None:
            _report("in the app's lifespan", self.failure)

    async def receive(self):
        self.received += 1
        if self.received == 1:
            return {"type": "lifespan.startup"}
        await asyncio.shield(self.leaving)
        return {"type": "lifespan.shutdown"}

    async def send(self, message):
        kind = message["type"]
        if kind in ("lifespan.startup.complete", "lifespan.startup.failed"):
            future, failed = self.startup, kind.endswith("failed")
        elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            future, failed = self.shutdown, kind.endswith("failed")
        else:
            raise ValueError(f"unexpected message {kind!r}")
        if future.done():
            raise RuntimeError(f"{kind} after the end of that phase")
        future.set_result(message.get("message", "") if failed else None)

    async def end(self, timeout):
        if not self.is_active or self.task.done():
            return
        self.leaving.set_result(None)
        await asyncio.wait([self.task, self.shutdown], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if self.shutdown.done():
            message = self.shutdown.result()
            if message is not None:
                _evgateway.log_error("The app's lifespan shutdown failed")
                if message:
                    _evgateway.log_text(message if message.endswith("\n") else message + "\n")
            # The app may still do something after it has sent shutdown.complete.
            await asyncio.wait([self.task], timeout=min(0.2, timeout))
        elif not self.task.done():
            _evgateway.log_error(f"The app's lifespan shutdown took too long and is cancelled")


def _report(what, error):
    from . import host
    host.report(None, None, what, error)


def _encoded(text):
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace")
