"""Clients that wait for messages: as many processes of holds.c as the limit of descriptors requires."""

import contextlib
import math
import socket
import time

import limits
from histogram import Histogram
from kinds import Refused

from .crew import ClientFailure
from .program import Program

# The most seconds that a process may need to answer.
PATIENCE = 60


class Told:
    """What all processes have told together, since they have started."""

    def __init__(self, parts):
        for name in ("held", "answered", "received", "lost", "doubled", "disconnected", "reconnects"):
            setattr(self, name, sum(part[name] for part in parts))
        self.errors, self.latency, self.messages = {}, Histogram(), {}
        for part in parts:
            for kind, count in part["errors"].items():
                self.errors[kind] = self.errors.get(kind, 0) + count
            for us, count in part["latency"]:
                self.latency.record(us, count)
            for number, count, first, last in part["messages"]:
                known = self.messages.setdefault(number, [0, first, last])
                self.messages[number] = [known[0] + count, min(known[1], first), max(known[2], last)]


class Holders:
    """`count` clients of `path`, as a context. `streams`: whether the answers never end; `again`: whether a client that
    has its answer asks again; `rate`: how many connect per second, 0: as many as can. In the path, {published} is the
    number of the last message that a client knows; until one has come, of the last that was published before."""

    def __init__(self, server, path, count, streams, again=True, rate=0.0, fields=()):
        if server.target[0] != socket.AF_INET:
            raise Refused("holds: the clients connect by TCP only")
        processes = math.ceil(count / (limits.machine()["descriptor_limit"] - limits.SPARE_DESCRIPTORS))
        options = ["-l", server.published, "-r", rate / processes, *([] if again else ["-o"]),
                   *(word for field in fields for word in ("-f", field))]
        words = [*server.target[1][:2], server.host_field, path.replace("{published}", "{last}")]
        self.count, self._stack, self.members = count, contextlib.ExitStack(), []
        for index in range(processes):
            share = count // processes + (index < count % processes)
            self.members.append(self._stack.enter_context(Program("holds", [
                *options, "-s", index, *words, share, "stream" if streams else "response"])))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def tell(self):
        """What has come of all of them until now."""
        for member in self.members:
            member.order("tell")
        parts = [member.answer(PATIENCE) for member in self.members]
        if None in parts:
            raise ClientFailure("the client holds does not answer")
        return Told(parts)

    def all_wait(self, seconds):
        """Waits until all are held, so many seconds at most. Returns what they tell then."""
        limit = time.monotonic() + seconds
        while (told := self.tell()).held < self.count and time.monotonic() < limit:
            time.sleep(0.2)
        return told
