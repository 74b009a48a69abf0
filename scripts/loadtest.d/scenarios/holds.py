"""holds: N clients wait (GRIP, or whatever the paths lead to), and messages with numbers are published one after
another, `interval` seconds apart. how=stream: each has one answer that never ends (--stream-path); response: each asks
again when it has an answer (--wait-path); once: it does not. With `reloads`, HUP comes while messages are published.

A request is a message that has come to a client; latency counts from its publish. `last_ms` is the time until all have
a message (`worst_last_ms`: of the slowest). `fanout_us` is CPU time per message and client. Messages that do not come
to a client are "lost", those that come again "doubled"; who loses the connection while it waits counts as
"disconnected" and comes back (`reconnects`). `reload_seconds`: from HUP until all old workers have ended.
"""

import statistics
import time

from clients.holds import Holders
from clients.publisher import Publisher
from kinds import Refused
from process_tree import stat

from .parameters import Parameter, one_of, rate, seconds, whole

PARAMETERS = {
    "how": Parameter("stream", one_of("stream", "response", "once"), "what the clients ask for"),
    "count": Parameter(1000, whole(), "clients that wait"),
    "rate": Parameter(0.0, rate, "clients that connect per second; 0: as fast as they are held"),
    "messages": Parameter(5, whole(1, 4000), "messages that are published"),
    "interval": Parameter(1.0, seconds(0.001), "seconds between them; one comes when all have the one before"),
    "reloads": Parameter(0, whole(0, 100), "HUPs during that; the next comes when the old workers have ended"),
}
PATHS = ("publish",)
# The most messages that are published beyond `messages` until a reload is over, and the fewest clients that are held
# in a second where as many come as can.
MORE, PER_SECOND = 120, 1000


def connections(parameters):
    return parameters["count"]


def held_at_once(parameters):
    return parameters["count"]


def expected_seconds(parameters):
    return 5 + parameters["count"] / 5 / PER_SECOND + (parameters["messages"] + 2) * parameters["interval"]


class Holds:
    def __init__(self, measurement, parameters):
        self.measurement, self.parameters, self.server = measurement, parameters, measurement.server
        self.count, self.streams = parameters["count"], parameters["how"] == "stream"
        self.path = self.server.paths["stream" if self.streams else "wait"]
        if self.path is None:
            raise Refused(f"holds: {self.server.name} has no path that streams; --stream-path names one")
        self.published, self.during_reload = {}, set()
        self.old, self.reload_began, self.reloads_left = set(), None, parameters["reloads"]
        self.reload_seconds = []

    def holders(self, count):
        return Holders(self.server, self.path, count, self.streams, self.parameters["how"] != "once",
                       self.parameters["rate"], self.measurement.context.fields)

    def run(self):
        measurement = self.measurement
        with self.holders(max(1, min(self.count // 25, 400))) as few:
            self.until_all_wait(few, 30)
        measurement.memory_before()
        measurement.begin()
        context = measurement.context
        with self.holders(self.count) as crowd, Publisher(self.server, context.fields, context.timeout) as publisher:
            if self.until_all_wait(crowd, 30 + self.count / (self.parameters["rate"] or PER_SECOND)):
                measurement.extra["opened_seconds"] = round(time.monotonic() - measurement.start, 3)
                measurement.memory_with(self.count)
                measurement.balance_now()
                self.publish_to(crowd, publisher)
            measurement.end()
            return self.result(crowd.tell(), publisher)

    def publish_to(self, crowd, publisher):
        cpu = self.server.tree.cpu_seconds() if self.server.tree else None
        self.publish_all(crowd, publisher)
        self.until_all_have(crowd, self.published)
        if cpu is not None and not self.parameters["reloads"] and self.published:
            spent = self.server.tree.cpu_seconds() - cpu
            self.measurement.extra["fanout_us"] = round(spent / len(self.published) / self.count * 1e6, 3)

    def until_all_wait(self, crowd, seconds):
        """Returns false where they are not held in time, which is counted."""
        found = []

        def all_wait():
            found[:] = [crowd.tell()]
            self.measurement.others_open = found[0].held
            return found[0].held >= crowd.count
        if not self.measurement.watch(all_wait, seconds):
            self.measurement.add_errors({"never held": crowd.count - found[0].held})
            return False
        # Of responses only the request is known to have been sent.
        self.measurement.settle()
        return True

    def until_all_have(self, crowd, numbers):
        """Waits until each of the messages has come to all, but not for ever."""
        def all_have():
            told = crowd.tell()
            self.measurement.others_open = told.held
            self.watch_reload()
            return all(told.messages.get(number, [0])[0] >= self.count for number in numbers)
        self.measurement.watch(all_have, self.measurement.context.timeout)

    def publish_all(self, crowd, publisher):
        wanted, interval, due = self.parameters["messages"], self.parameters["interval"], time.monotonic()
        while len(self.published) < wanted or (
                (self.is_reloading or self.reloads_left) and len(self.published) < wanted + MORE):
            if self.measurement.cut:
                return
            number = self.server.published + 1
            self.published[number] = publisher.publish(number)
            if self.is_reloading:
                self.during_reload.add(number)
            due = max(due + interval, time.monotonic() if self.parameters["reloads"] else 0)
            if self.parameters["reloads"]:
                self.measurement.watch(self.watch_reload, due - time.monotonic())
                # The first message has shown that all is well.
                if len(self.published) > 1 and not self.is_reloading and self.reloads_left:
                    self.begin_reload()
            else:
                self.until_all_have(crowd, [number])
                self.measurement.watch(seconds=due - time.monotonic())

    # Reloads

    @property
    def is_reloading(self):
        return bool(self.old)

    def begin_reload(self):
        tree = self.server.tree
        self.old = {int(pid) for pid in (self.measurement.balance or {"workers": {}})["workers"]} & set(tree.pids())
        self.reload_began = time.monotonic()
        self.reloads_left -= 1
        self.measurement.reload()

    def watch_reload(self):
        """Notes the end of old workers. Returns false, for `watch`."""
        if self.old:
            self.old = {pid for pid in self.old if (fields := stat(pid)) and fields[0] != b"Z"}
            if not self.old:
                self.reload_seconds.append(time.monotonic() - self.reload_began)
                self.measurement.balance_now()
        return False

    # The result

    def result(self, told, publisher):
        measurement, extra = self.measurement, self.measurement.extra
        lasting = {number: (told.messages[number][2] / 1e9 - when) * 1e3 for number, when in self.published.items()
                   if number in told.messages}
        calm = [ms for number, ms in lasting.items() if number not in self.during_reload]
        extra["published"], extra["reconnects"] = len(self.published), told.reconnects
        if calm:
            extra["last_ms"], extra["worst_last_ms"] = (round(choose(calm), 1) for choose in (statistics.median, max))
        if self.parameters["reloads"]:
            moved = [ms for number, ms in lasting.items() if number in self.during_reload]
            extra["worst_last_ms_in_reload"] = round(max(moved), 1) if moved else None
            extra["reload_seconds"] = round(max(self.reload_seconds), 2) if self.reload_seconds else None
            if self.old:
                measurement.add_errors({"old worker still there": len(self.old)})
        extra["publish_ms"] = round(max(publisher.taken) * 1e3, 1) if publisher.taken else None
        missing = sum(max(0, self.count - told.messages.get(number, [0])[0]) for number in self.published)
        measurement.add_errors({**told.errors, **publisher.errors})
        measurement.add_errors({kind: count for kind, count in
                                (("lost", missing), ("doubled", told.doubled), ("disconnected", told.disconnected))
                                if count})
        return measurement.result(requests=told.received, latency=told.latency, throughput=False, bytes_read=0)


def run(measurement, parameters):
    return Holds(measurement, parameters).run()
