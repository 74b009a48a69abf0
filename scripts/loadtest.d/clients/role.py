"""What every kind of client has in common: errors by kind, answers read and counted, requests that take too long."""

import array
import os
import time

from histogram import Histogram

from .http1 import Answer, Malformed, whole
from .loop import PIECE, kind_of


class Role:
    """Subclasses say what connections do. `config` is what the scenario chose, this process's share of it.

    config: `start` (of the clock time.monotonic), `timeout` (seconds an answer may take), and what the role adds.
    """

    def __init__(self, loop, config):
        self.loop, self.config = loop, config
        self.errors, self.answered, self.bytes_read, self.held = {}, 0, 0, 0
        self.histogram = Histogram()
        self.partial = {}
        # When a request was due, or NaN: by descriptor, as all that is kept of a connection.
        self.due = array.array("d")
        self.extra = {}
        self.done = False

    # For subclasses

    def begin(self):
        """Called once, before the loop runs."""

    def command(self, name, *arguments):
        """What the scenario asks for while it runs."""
        if name == "stop":
            self.finish()

    def answered_one(self, descriptor, status, stays):
        """A whole answer has come on this connection."""

    def failed(self, descriptor, kind):
        """The connection is no more, or of no use; it has been closed."""

    def gather(self):
        """Called once, when the loop has ended; for what is computed from the whole."""

    # Connections

    def count_error(self, kind):
        self.errors[kind] = self.errors.get(kind, 0) + 1

    def mark(self, descriptor, when):
        """A request is due from now on; NaN: none is."""
        if descriptor >= len(self.due):
            self.due.extend([float("nan")] * (descriptor + 1024 - len(self.due)))
        self.due[descriptor] = when

    def drop(self, descriptor, kind=None):
        """Closes the connection; `kind` is counted and makes it a failure."""
        self.partial.pop(descriptor, None)
        self.mark(descriptor, float("nan"))
        self.loop.close(descriptor)
        if kind:
            self.count_error(kind)
            self.failed(descriptor, kind)

    def on_readable(self, descriptor, events):
        """Reads an answer. Bytes that nobody asked for end the connection, as its end does."""
        try:
            data = os.read(descriptor, PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            self.broken(descriptor, kind_of(error))
            return
        self.bytes_read += len(data)
        waiting = self.due[descriptor] == self.due[descriptor]
        if not data:
            answer = self.partial.get(descriptor)
            if answer and answer.status is not None and answer.ended():
                self._whole(descriptor, answer.status, False)
            else:
                self.broken(descriptor, self.loop.error_of(descriptor, "short" if answer else "closed"))
            return
        if not waiting:
            self.drop(descriptor, "unasked bytes")
            return
        if descriptor not in self.partial:
            if found := whole(data):
                self._whole(descriptor, *found)
                return
            self.partial[descriptor] = Answer()
            self.first_byte(descriptor)
        answer = self.partial[descriptor]
        try:
            if answer.feed(data):
                self._whole(descriptor, answer.status, answer.stays)
        except Malformed:
            self.drop(descriptor, "malformed")

    def broken(self, descriptor, kind):
        """The peer ended the connection. One that owed no answer may be closed: keep-alive ends some time."""
        owed = self.due[descriptor] == self.due[descriptor]
        self.drop(descriptor, kind if owed else None)
        if not owed:
            self.idle_closed(descriptor)

    def idle_closed(self, descriptor):
        """The peer closed a connection that owed no answer."""

    def first_byte(self, descriptor):
        """The first piece of an answer that does not come at once."""

    def _whole(self, descriptor, status, stays):
        self.partial.pop(descriptor, None)
        self.answered += 1
        if status >= 400:
            self.count_error(f"status {status}")
        self.answered_one(descriptor, status, stays)

    def check_timeouts(self):
        """Once a second: an answer that has not come in time is an error, and its connection is closed."""
        now = time.monotonic()
        for descriptor, due in enumerate(self.due):
            if due < now - self.config["timeout"]:
                # It has taken that long at least: latency must not look as if it had not been sent.
                self.histogram.record((now - due) * 1e6)
                self.drop(descriptor, "timeout")
        self.loop.after(1.0, self.check_timeouts)

    # The end

    def finish(self):
        self.loop.running = False

    def sample(self):
        return {"open": self.loop.open, "held": self.held, "answered": self.answered,
                "errors": sum(self.errors.values()), "done": self.done}

    def result(self):
        self.gather()
        return {"errors": self.errors, "answered": self.answered, "bytes_read": self.bytes_read,
                "histogram": self.histogram.encode(), "extra": self.extra}
