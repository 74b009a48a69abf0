"""Slow clients: they send heads or bodies byte by byte, or read answers in small pieces.

A server may close such a connection, and usually does after a time limit. The client then connects again.
"""

import os
import time

from .loop import kind_of
from .role import Role

RECEIVE_BUFFER = 4096


class Slow(Role):
    """config adds: `count`; `how`: head, body or reader; `interval`: seconds between two steps; `data`: what is sent at
    first; `drop`: what a sender sends at each step; `step`: how many bytes a reader reads at each step."""

    def begin(self):
        self.extra = {"ended_by_server": 0, "answers": 0}
        spread = self.config["interval"] / max(1, self.config["count"])
        for number in range(self.config["count"]):
            self.loop.at(self.config["start"] + number * spread, self.open_one)

    def open_one(self):
        try:
            descriptor = self.loop.connect(RECEIVE_BUFFER if self.config["how"] == "reader" else None)
        except OSError as error:
            self.count_error(kind_of(error))
            self.loop.after(1.0, self.open_one)
            return
        self.held += 1
        self.mark(descriptor, time.monotonic())
        self.loop.send(descriptor, self.config["data"], self.on_event, self.take_steps)

    def take_steps(self, descriptor):
        if self.config["how"] == "reader":
            # Bytes that have arrived stay in the kernel until this client's next step.
            self.loop.watch(descriptor, self.on_event, 0)
        self.loop.after(self.config["interval"], self.step, descriptor, self.due[descriptor])

    def step(self, descriptor, opened):
        if self.due[descriptor] != opened:
            return  # The connection has ended; another one may have its descriptor now.
        try:
            if self.config["how"] == "reader":
                piece = os.read(descriptor, self.config["step"])
                self.bytes_read += len(piece)
                if not piece:
                    self.over(descriptor)
                    return
            else:
                os.write(descriptor, self.config["drop"])
        except BlockingIOError:
            pass
        except OSError:
            self.over(descriptor)
            return
        self.loop.after(self.config["interval"], self.step, descriptor, opened)

    def on_event(self, descriptor, events):
        """A slow sender gets an answer only when the server closes its connection because of a time limit."""
        try:
            piece = os.read(descriptor, 65536)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if piece:
            self.extra["answers"] += 1
        else:
            self.over(descriptor)

    def over(self, descriptor):
        self.extra["ended_by_server"] += 1
        self.held -= 1
        self.drop(descriptor)
        self.loop.after(self.config["interval"], self.open_one)
