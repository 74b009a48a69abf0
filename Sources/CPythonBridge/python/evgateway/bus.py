"""Messages between the processes of a server, and between servers: `bus.publish(channel, data)` and
`bus.subscribe(channel)`.

Law: works on every thread and in every worker class; a subscriber that is slow loses messages beyond its limit, learns
of it, and holds nobody up.
"""
import collections
import os
import select
import sys
import threading
import time

__all__ = ["Message", "Subscription", "publish", "subscribe"]


class Message(bytes):
    """The bytes of a message. missed says how many messages were lost before this one; 0 as a rule."""

    missed = 0


def publish(channel, data):
    """Sends data (bytes, or str as UTF-8) to all subscribers of the channel, in every process and on every server.

    It returns at once. ValueError if the channel's name or the data is too long, RuntimeError outside of a worker."""
    _extension().bus_publish(_bytes(channel, "channel"), _bytes(data, "data"))


def subscribe(channel, callback=None, limit=1000):
    """Returns a Subscription: an iterator that waits, an asynchronous iterator under asyncio, and a context manager of
    both kinds. With a callback, a thread of its own calls it with each message (a greenlet under gevent).

    limit says how many messages may wait; those that come then are lost, which Message.missed tells."""
    return Subscription(channel, callback, limit)


class Subscription:
    def __init__(self, channel, callback=None, limit=1000):
        self.channel = channel
        self._waiting = collections.deque()
        self._taking = threading.Lock()
        self._number, self._descriptor = _extension().bus_subscribe(_bytes(channel, "channel"), limit)
        self._future = self._loop = None
        if callback is not None:
            threading.Thread(target=self._call, args=(callback,), daemon=True, name=f"bus {channel}").start()

    def fileno(self):
        """A descriptor that is readable while something has come, for loops of one's own."""
        if self._number == 0:
            raise ValueError("the subscription is closed")
        return self._descriptor

    def get(self, timeout=None):
        """Returns the next message; None if none has come within so many seconds, or if the subscription is closed."""
        end = None if timeout is None else time.monotonic() + timeout
        while self._number:
            message = self._next()
            if message is not None:
                return message
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return None
            # In pieces, so that another thread may close it.
            self._wait(1.0 if left is None else min(left, 1.0))
        return None

    def close(self):
        number, self._number = self._number, 0
        if number:
            future = self._future
            if future is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(lambda: future.done() or future.set_result(None))
            _extension().bus_close(number)

    def _next(self):
        with self._taking:
            if not self._waiting and self._number:
                self._waiting.extend(_extension().bus_take(self._number))
            if not self._waiting:
                return None
            missed, payload = self._waiting.popleft()
        message = Message(payload)
        if missed:
            message.missed = missed
        return message

    def _wait(self, seconds):
        poll = getattr(select, "poll", None)
        if poll is None:     # gevent takes it away where it has replaced the rest
            select.select([self._descriptor], [], [], seconds)
            return
        waiting = poll()
        waiting.register(self._descriptor, select.POLLIN)
        waiting.poll(seconds * 1000)

    def _call(self, callback):
        for message in self:
            callback(message)

    def __iter__(self):
        return self

    def __next__(self):
        message = self.get()
        if message is None:
            raise StopIteration
        return message

    def __aiter__(self):
        return self

    async def __anext__(self):
        import asyncio
        while self._number:
            message = self._next()
            if message is not None:
                return message
            loop = self._loop = asyncio.get_running_loop()
            future = self._future = loop.create_future()
            # A copy, so that close() on another thread does not take the number away from under the loop.
            descriptor = os.dup(self._descriptor)
            loop.add_reader(descriptor, lambda: future.done() or future.set_result(None))
            try:
                await future
            finally:
                self._future = None
                loop.remove_reader(descriptor)
                os.close(descriptor)
        raise StopAsyncIteration

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exception):
        self.close()

    def __del__(self):
        if getattr(self, "_number", 0):
            self.close()


def _extension():
    extension = sys.modules.get("_evgateway")
    if extension is None:
        raise RuntimeError("evgateway.bus works in a worker of evgateway: nothing serves in this process")
    return extension


def _bytes(value, what):
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"{what} is to be bytes or str, not {type(value).__name__}")
