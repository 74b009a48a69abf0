"""Requests one after another: at a constant rate, which does not wait for answers, or as fast as answers come.

With a rate, latency counts from the time at which the request was due, also if no connection was free then. So if the
server stops for a second, all requests of that second have a higher latency (no coordinated omission).
"""

import collections
import math
import time

from .loop import kind_of
from .role import Role

MOST_AT_ONCE = 64

class Requests(Role):
    """config adds: `connections`; `rate` per second, or 0; `until`: the time at which sending stops; `requests`: the
    most to send, or None; `data`: the request's bytes; `fresh`: whether each request has a new connection."""

    def begin(self):
        self.free, self.waiting, self.sent_count, self.scheduled = [], collections.deque(), 0, 0
        self.busy, self.stopped = 0, False
        config = self.config
        if config["rate"]:
            # Slightly less, so that rounding does not add one request at the very end.
            self.planned = math.ceil((config["until"] - config["start"]) * config["rate"] - 1e-6)
            self.loop.at(config["start"], self.schedule)
        else:
            self.loop.at(config["start"], self.fill)
        self.loop.at(config["until"], self.stop_sending)
        self.loop.after(1.0, self.check_timeouts)

    # When

    def schedule(self):
        """Sends the requests that are due, and schedules itself for the next one."""
        config = self.config
        interval, start = 1.0 / config["rate"], config["start"]
        while self.scheduled < self.planned and not self.stopped:
            due, now = start + self.scheduled * interval, time.monotonic()
            if due > now:
                self.loop.at(due, self.schedule)
                return
            self.extra["behind"] = max(self.extra.get("behind", 0.0), now - due)
            self.scheduled += 1
            self.waiting.append(due)
            self.send_waiting()

    def fill(self):
        """Without a rate: every connection gets a request. New connections are made a few at a time, with a pause after
        one was refused."""
        made = 0
        while not self.stopped and self.busy < self.config["connections"]:
            made += not self.free
            if made > MOST_AT_ONCE or not self.send_one(time.monotonic()):
                self.loop.after(0.01, self.fill)
                return

    def send_waiting(self):
        while self.waiting and self.busy < self.config["connections"]:
            if not self.send_one(self.waiting.popleft()):
                return

    def stop_sending(self):
        if self.config["rate"] and not self.stopped:
            self.schedule()
        self.stopped = True
        # Requests that were due but not sent, as no connection was free. They count with the time they have waited.
        now = time.monotonic()
        for due in self.waiting:
            self.count_error("not sent")
            self.histogram.record((now - due) * 1e6)
        self.waiting.clear()
        self.end_if_quiet()

    def end_if_quiet(self):
        if self.stopped and not self.busy and not self.done:
            self.done = True
            for descriptor in self.free:
                self.loop.close(descriptor)
            self.free.clear()
            self.finish()

    # Requests

    def send_one(self, due):
        config = self.config
        if config["requests"] is not None and self.sent_count >= config["requests"]:
            self.stopped = True
            return False
        self.sent_count += 1
        try:
            descriptor = self.free.pop() if self.free else self.loop.connect()
        except OSError as error:
            self.count_error(kind_of(error))
            return False
        self.busy += 1
        self.mark(descriptor, due)
        self.loop.send(descriptor, config["data"], self.on_readable)
        return True

    def answered_one(self, descriptor, status, stays):
        now = time.monotonic()
        self.histogram.record((now - self.due[descriptor]) * 1e6)
        self.busy -= 1
        self.mark(descriptor, float("nan"))
        if stays and not self.config["fresh"]:
            self.free.append(descriptor)
        else:
            self.loop.close(descriptor)
        self.next()

    def failed(self, descriptor, kind):
        self.busy -= 1
        if self.config["rate"]:
            self.next()
        else:
            self.loop.after(0.01, self.next)

    def idle_closed(self, descriptor):
        self.free.remove(descriptor)

    def next(self):
        if not self.stopped:
            if self.config["rate"]:
                self.send_waiting()
            else:
                self.fill()
        self.end_if_quiet()
