"""What all clients share: counting errors by kind, reading and counting answers, and time limits of requests."""

import array
import os
import time

from histogram import Histogram

from .http1 import Answer, Malformed, whole
from .loop import PIECE, kind_of


class Role:
    """Subclasses decide what connections do. `config` comes from the scenario; counts are this process's share.

    config: `start` (of the clock time.monotonic), `timeout` (seconds an answer may take), and what the role adds.
    """

    def __init__(self, loop, config):
        self.loop, self.config = loop, config
        self.errors, self.answered, self.bytes_read, self.held = {}, 0, 0, 0
        self.histogram = Histogram()
        self.partial = {}
        # By descriptor: the time at which the request was due, or NaN. Nothing else is stored for a connection.
        self.due = array.array("d")
        self.extra = {}
        self.done = False

    # For subclasses

    def begin(self):
        """Called once, before the loop runs."""

    def command(self, name, *arguments):
        """Carries out a command that the scenario sends while it runs."""
        if name == "stop":
            self.finish()

    def answered_one(self, descriptor, status, stays):
        """A whole answer has come on this connection."""

    def failed(self, descriptor, kind):
        """The connection has failed and has been closed."""

    def gather(self):
        """Called once when the loop has ended, to compute results."""

    # Connections

    def count_error(self, kind):
        self.errors[kind] = self.errors.get(kind, 0) + 1

    def mark(self, descriptor, when):
        """Stores the time from which a request is due; NaN if there is none."""
        if descriptor >= len(self.due):
            self.due.extend([float("nan")] * (descriptor + 1024 - len(self.due)))
        self.due[descriptor] = when

    def drop(self, descriptor, kind=None):
        """Closes the connection. With a `kind`, counts an error and calls `failed`."""
        self.partial.pop(descriptor, None)
        self.mark(descriptor, float("nan"))
        self.loop.close(descriptor)
        if kind:
            self.count_error(kind)
            self.failed(descriptor, kind)

    def on_readable(self, descriptor, events):
        """Reads an answer. A connection that sends bytes without a request is closed."""
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
        """The peer closed the connection. That is no error if no answer is missing: keep-alive has a time limit."""
        owed = self.due[descriptor] == self.due[descriptor]
        self.drop(descriptor, kind if owed else None)
        if not owed:
            self.idle_closed(descriptor)

    def idle_closed(self, descriptor):
        """The peer closed a connection on which no answer was missing."""

    def first_byte(self, descriptor):
        """Called for the first piece of an answer that arrives in several."""

    def _whole(self, descriptor, status, stays):
        self.partial.pop(descriptor, None)
        self.answered += 1
        if status >= 400:
            self.count_error(f"status {status}")
        self.answered_one(descriptor, status, stays)

    def check_timeouts(self):
        """Called once a second. If an answer has not come in time, counts an error and closes the connection."""
        now = time.monotonic()
        for descriptor, due in enumerate(self.due):
            if due < now - self.config["timeout"]:
                # The answer would have taken at least that long, so the time counts in the latency.
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
