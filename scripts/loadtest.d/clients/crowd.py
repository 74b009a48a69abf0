"""Many connections with one request each, opened at a steady pace. Their requests are held (hold, fanout, mixed), or
answered at once, and the connections stay idle (idle)."""

import array
import time

from . import http1
from .loop import kind_of
from .role import Role

# The most connections that wait for an answer which is expected at once: more would only queue in the kernel.
MOST_UNANSWERED = 500
PACE = 0.005
EARLY = 0.25


class Crowd(Role):
    """config adds: `count`; `ramp` seconds to open them in; `target` with an optional {seconds}; `host`, `fields`;
    `until`: the time at which held requests ask to be answered, or None; else `seconds`: how long each asks to be held;
    `held`: whether answers are expected late; `again`: whether a client that is answered before the publish asks again,
    as long-polling clients do; else that is an error.

    Commands: "publish" TIME (answers are expected from now on, latency counts from TIME), "check", "close", "stop".
    Latency: how late the answer came, for held requests that ask for a time; from the publish, for those that wait for
    it; that of the request, for connections that then stay idle.
    """

    def begin(self):
        self.opened, self.unanswered, self.settled = 0, 0, 0
        self.published = None
        self.first, self.last = array.array("d"), array.array("d")
        self.connections, self.sending, self.idle = set(), set(), set()
        self.loop.at(self.config["start"], self.open_some)
        self.loop.after(1.0, self.check_timeouts)

    def open_some(self):
        """Opens the connections that are due by now."""
        config, now = self.config, time.monotonic()
        ramp = config["ramp"]
        due = config["count"] if ramp <= 0 else min(config["count"], int((now - config["start"]) / ramp
                                                                         * config["count"]) + 1)
        while self.opened < due and (config["held"] or self.unanswered < MOST_UNANSWERED):
            self.opened += 1
            self.open_one(time.monotonic())
        if self.opened < config["count"]:
            self.loop.after(PACE, self.open_some)

    def open_one(self, now):
        config = self.config
        try:
            descriptor = self.loop.connect()
        except OSError as error:
            self.count_error(kind_of(error))
            self.settled += 1
            return
        self.connections.add(descriptor)
        self.sending.add(descriptor)
        if config["held"]:
            seconds = config["seconds"] if config["until"] is None else max(0.0, config["until"] - now)
            # A request that asks for no time may take as long as the scenario, which ends it with a command.
            self.mark(descriptor, now + seconds if seconds is not None else float("inf"))
            target = config["target"].replace("{seconds}", f"{seconds or 0:.3f}")
        else:
            self.unanswered += 1
            self.mark(descriptor, now)
            target = config["target"]
        self.send(descriptor, target, self.sent)

    def sent(self, descriptor):
        self.sending.discard(descriptor)
        if self.config["held"]:
            self.held += 1
            self.settled += 1

    def first_byte(self, descriptor):
        self.first.append(time.monotonic())

    def answered_one(self, descriptor, status, stays):
        now, due = time.monotonic(), self.due[descriptor]
        self.mark(descriptor, float("nan"))
        if not self.config["held"]:
            self.unanswered -= 1
            self.histogram.record((now - due) * 1e6)
            if descriptor not in self.idle:
                self.idle.add(descriptor)
                self.settled += 1
        else:
            self.held -= 1
            if status < 400 and not self.was_held(now, due):
                if self.config.get("again") and due == float("inf"):
                    self.ask_again(descriptor, stays)
                    return
                self.count_error("early")
        if not stays:
            self.forget(descriptor)
            self.loop.close(descriptor)

    def was_held(self, now, due):
        """Records how late an answer came. Returns False if it came before its time."""
        if due == float("inf"):
            if self.published is None:
                return False
            self.last.append(now)
        elif now < due - EARLY:
            return False
        else:
            self.histogram.record((now - due) * 1e6)
        return True

    def ask_again(self, descriptor, stays):
        self.extra["asked_again"] = self.extra.get("asked_again", 0) + 1
        self.answered -= 1
        if stays:
            self.held += 1
            self.mark(descriptor, float("inf"))
            self.send(descriptor, self.config["target"])
        else:
            self.forget(descriptor)
            self.loop.close(descriptor)
            self.settled -= 1
            self.open_one(time.monotonic())

    def send(self, descriptor, target, sent=None):
        self.loop.send(descriptor, http1.request("GET", target, self.config["host"], self.config["fields"]),
                       self.on_readable, sent)

    def failed(self, descriptor, kind):
        if not self.config["held"]:
            self.unanswered -= 1
            self.settled += descriptor not in self.idle
        elif descriptor in self.sending:
            self.settled += 1
        else:
            self.held -= 1
        self.forget(descriptor)

    def idle_closed(self, descriptor):
        if descriptor in self.idle:
            self.extra["closed_by_server"] = self.extra.get("closed_by_server", 0) + 1
        self.forget(descriptor)

    def forget(self, descriptor):
        for group in (self.connections, self.sending, self.idle):
            group.discard(descriptor)

    def command(self, name, *arguments):
        if name == "publish":
            self.published = arguments[0]
        elif name == "check":
            now = time.monotonic()
            waiting = [descriptor for descriptor in self.connections if self.due[descriptor] != self.due[descriptor]]
            for descriptor in waiting:
                self.unanswered += 1
                self.mark(descriptor, now)
                self.send(descriptor, self.config["target"])
        elif name == "close":
            for descriptor in list(self.connections):
                self.partial.pop(descriptor, None)
                self.mark(descriptor, float("nan"))
                self.loop.close(descriptor)
            for group in (self.connections, self.sending, self.idle):
                group.clear()
            self.held = 0
        else:
            super().command(name, *arguments)

    def sample(self):
        return {**super().sample(), "held": len(self.idle) or self.held, "settled": self.settled,
                "unanswered": self.unanswered}

    def gather(self):
        if self.published is not None and self.last:
            for moment in self.last:
                self.histogram.record((moment - self.published) * 1e6)
            self.extra["first_byte_at"] = min([*self.first, *self.last])
            self.extra["last_byte_at"] = max(self.last)
