"""Runs scenarios on servers, one after another and with the same context, and makes the result."""

import math
import os
import socket
import sys
import time

import limits
from scenarios.measurement import Measurement

PER_ADDRESS = 250


class Context:
    """The options of the command line that hold for all scenarios of a run."""

    def __init__(self, options, progress):
        self.options, self.progress = options, progress
        self.timeout, self.reload_every, self.fields = options.timeout, options.reload_every, options.header
        self.deadline = math.inf
        self.descriptors = limits.machine()["descriptor_limit"] - limits.SPARE_DESCRIPTORS

    def note(self, text):
        self.progress.finish()
        print(f"loadtest: {text}", file=sys.stderr, flush=True)

    def processes(self, connections):
        """The number of client processes: one per processor, or more if the limit of descriptors requires it."""
        wanted = self.options.processes or min(len(os.sched_getaffinity(0)), max(1, connections // 16))
        return max(wanted, math.ceil(connections / self.descriptors))

    def sources(self, target, index):
        """The addresses that client process `index` connects from; none if the server is not on loopback."""
        family, address = target
        if family != socket.AF_INET or not address[0].startswith("127.") or self.options.sources == 1:
            return []
        count = self.options.sources or PER_ADDRESS
        return [f"127.{1 + index % 250}.{1 + number // 250}.{1 + number % 250}" for number in range(count)]


def measure(context, server, chosen):
    """Runs the scenarios; returns the list of their dicts."""
    found = []
    for scenario in chosen:
        # The server may still close connections of the last scenario; that must not count for the next one.
        server.settle()
        measurement = Measurement(context, server, scenario.name, dict(scenario.parameters))
        try:
            found.append(scenario.module.run(measurement, measurement.parameters))
        finally:
            measurement.abandon()
        if not server.alive():
            context.note(f"{server.name} ended:\n" + "".join(server.log[-20:]).rstrip())
            break
        if time.monotonic() >= context.deadline:
            context.note("--max-seconds is up")
            break
    return found


def result(server, scenarios, command, started):
    return {"format": 1, "started": started, "command": command, "machine": limits.machine(),
            "server": server.described(), "scenarios": scenarios}
