"""The table of messages to everyone who waits: what one costs on answers that are streamed, beside a bare loop of
`send`. Every contestant has its own clients, which stay while the contestants take turns."""

import contextlib
import statistics
import time

import contestants
from clients.holds import Holders
from clients.publisher import Publisher
from servers import Refused
from tables import Table, names, ratios

# Ours, the peer, the ratio of CPU time that must not be exceeded.
PAIRS = [
    ("evgateway-grip-inline", "bare-c-holds", 1.50),
    ("evgateway-grip-threads", "bare-c-holds", None),
    ("evgateway-grip-inline", "pushpin", None),
]
NAMES = names(PAIRS)
# The most seconds until all are there, or have a message.
PATIENCE = 120


class Held:
    """A contestant and those who wait for its messages, in a stack of contexts."""

    def __init__(self, name, count, stack):
        self.name, self.count, self.server = name, count, contestants.started(name)
        stack.callback(self.server.stop)
        self.crowd = stack.enter_context(Holders(self.server, self.server.paths["stream"], count, True))
        self.publisher = stack.enter_context(Publisher(self.server))
        if self.crowd.all_wait(PATIENCE).held < count:
            raise Refused(f"{name}: not all of {count} are held")

    def measured(self, seconds):
        """Publishes one message after another for so long. Returns CPU seconds per message, and the seconds of each
        until all have it."""
        self.server.settle()
        cpu, until, times = self.server.tree.cpu_seconds(), time.monotonic() + seconds, []
        while time.monotonic() < until:
            times.append(self.to_all())
        return (self.server.tree.cpu_seconds() - cpu) / len(times), times

    def to_all(self):
        number = self.server.published + 1
        when = self.publisher.publish(number)
        limit = when + PATIENCE
        while (told := self.crowd.tell()).messages.get(number, [0])[0] < self.count:
            if time.monotonic() > limit:
                raise Refused(f"{self.name}: not all have a message")
            time.sleep(0.02)
        if told.lost or told.doubled or told.errors or self.publisher.errors:
            raise Refused(f"{self.name}: {told.lost} lost, {told.doubled} doubled, {told.errors}, "
                          f"{self.publisher.errors}")
        return told.messages[number][2] / 1e9 - when


def tables(chosen, options, count):
    found = {name: [] for name in chosen}
    with contextlib.ExitStack() as stack:
        held = {name: Held(name, count, stack) for name in chosen}
        for one in held.values():
            one.measured(0.5)
        for number in range(options.rounds):
            # Every second round has the opposite order, so that no server always runs after the same one.
            for name in chosen if number % 2 == 0 else reversed(chosen):
                found[name].append(held[name].measured(options.duration))
    figures, cost = Table(f"a message to {count} streams", "ms until all have it", "CPU ms", "CPU us/stream"), {}
    for name, rounds in found.items():
        cost[name] = [cpu for cpu, _ in rounds]
        middle = statistics.median(cost[name])
        last = statistics.median(each for _, times in rounds for each in times)
        figures.add(name, f"{last * 1e3:.1f}", f"{middle * 1e3:.1f}", f"{middle * 1e6 / count:.2f}")
    return figures, ratios("CPU time, a message to all streams", PAIRS, cost)
