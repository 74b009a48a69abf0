"""The plan, printed before anything starts: what will be done, and which limits are too low (descriptors, ports,
memory, requests that a worker class can hold). A count above a limit is lowered to the limit."""

import math
import os

import kinds
import limits
from kinds import Refused
from servers import no_reload

# The memory of a connection: two sockets in the kernel, a few arrays in the client, and the server's share.
BYTES_PER_CONNECTION = 12_000
SERVER_SPARE = 300


class Plan:
    """`spec` has its workers and connections filled in; `chosen` are the scenarios that can run."""

    def __init__(self, spec, chosen, options):
        self.spec, self.chosen, self.options = spec, chosen, options
        spec.websocket = any(scenario.name == "websocket" for scenario in chosen)
        self.cannot = []
        self.limit = limits.machine()["descriptor_limit"]
        self.most = max(scenario.connections for scenario in chosen)
        self._lower(self._most_allowed())
        if spec.url is None:
            self._fit_server()
        self._check_scenarios()

    def _most_allowed(self):
        """The most connections that the clients can have open."""
        per_process = self.limit - limits.SPARE_DESCRIPTORS
        if per_process < 1:
            raise Refused(f"the descriptor limit is {self.limit}; at least {limits.SPARE_DESCRIPTORS + 1} are needed")
        allowed = {"memory": int(limits.memory("MemAvailable") * 0.8 / BYTES_PER_CONNECTION)}
        processes = 1 if self.spec.websocket else self.options.processes
        if processes:
            allowed["descriptors"] = per_process * processes
        # Each client process has loopback addresses of its own, more than its descriptors need.
        if self.options.sources == 1 or self.spec.url and not self.spec.url.startswith(("http://127.", "unix:")):
            allowed["ports"] = limits.ports()
        if self.spec.url is None:
            allowed["descriptors of the server's workers"] = (self.limit - SERVER_SPARE) * self.spec.workers
        name = min(allowed, key=allowed.get)
        if allowed[name] < 1:
            raise Refused(f"no connection can be made: {name}; the descriptor limit is {self.limit} per process")
        if allowed[name] < self.most:
            more = {"memory": f"{limits.memory('MemAvailable') >> 20} MiB are free, a connection takes about "
                              f"{BYTES_PER_CONNECTION >> 10} KiB on both sides",
                    "descriptors": f"the limit is {self.limit} per process, {processes} of the clients",
                    "ports": f"{limits.ports()} per source address",
                    "descriptors of the server's workers": f"the limit is {self.limit} per process; "
                                                           f"--workers {self._workers_for(self.most)} would do"}[name]
            self.cannot.append(f"{self.most} connections at once: {name} allow {allowed[name]} ({more})"
                               .replace("memory allow", "memory allows"))
        return allowed[name]

    def _workers_for(self, count):
        return math.ceil(count / (self.limit - SERVER_SPARE))

    def _lower(self, allowed):
        for scenario in self.chosen:
            for name in ("count", "connections"):
                if scenario.parameters.get(name, 0) > allowed:
                    scenario.parameters[name] = allowed
        self.most = max(scenario.connections for scenario in self.chosen)

    def _fit_server(self):
        """Gives each worker enough connections, also if they are not divided evenly among the workers."""
        spec = self.spec
        if not self.options.connections and "connections=" not in spec.text:
            share = self.most if spec.workers == 1 else math.ceil(self.most / spec.workers * 1.5)
            spec.connections = max(1000, min(share + 200, self.limit - SERVER_SPARE + 100))

    def _check_scenarios(self):
        spec, options = self.spec, self.options
        for asked in [scenario.name for scenario in self.chosen
                      if scenario.name == "reload" or scenario.parameters.get("reloads")] + (
                ["--reload-every"] if options.reload_every else []):
            if why := no_reload(spec, options.pid):
                raise Refused(f"{asked}: {why}")
        if spec.url is not None:
            return
        paths = {**spec.kind.paths(spec), **{name: path for name in kinds.PATHS
                                             if (path := getattr(options, f"{name}_path"))}}
        for scenario in self.chosen:
            for name in scenario.module.PATHS:
                if paths[name] is None:
                    raise Refused(f"{scenario.name}: the app of {spec.name} has nothing to {name}; "
                                  f"--app and --{name}-path name one that has")
            if (scenario.name in ("fanout", "holds") and spec.workers > 1 and not spec.app
                    and spec.worker_class == "swift"):
                raise Refused(f"{scenario.name}: Examples/longpoll-chat knows who waits in one process only; with "
                              "several workers name an app that shares it (--app, --wait-path, --publish-path), or "
                              "--url")
        at_once = kinds.held_at_once(spec)
        for scenario in self.chosen:
            if at_once is not None and scenario.held > at_once * spec.workers:
                self.cannot.append(f"{scenario.name} of {scenario.held}: {spec.name} ({spec.worker_class}) holds "
                                   f"{at_once * spec.workers} requests at once; the others wait, then time out")

    def lines(self):
        spec, found = self.spec, []
        if spec.url is None:
            found.append(f"plan: start {kinds.typed(spec.kind.words(spec))}")
        else:
            found.append(f"plan: load {spec.url}")
        processes = self.options.processes or max(
            len(os.sched_getaffinity(0)), math.ceil(self.most / (self.limit - limits.SPARE_DESCRIPTORS)))
        for scenario in self.chosen:
            said = ", ".join(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"
                             for key, value in scenario.parameters.items() if value is not None)
            found.append(f"plan: {scenario.name}: {said}; about {scenario.seconds:.0f} s")
        found.append(f"plan: at most {self.most} connections from up to {processes} processes; "
                     f"{self.limit} descriptors per process; {limits.memory('MemAvailable') >> 20} MiB free")
        total = sum(scenario.seconds for scenario in self.chosen) * (
            self.options.rounds * 2 if self.options.compare else 1)
        if total > self.options.max_seconds:
            self.cannot.append(f"the end: it takes about {total:.0f} s, --max-seconds is {self.options.max_seconds:g}")
        return found + [f"cannot reach: {line}" for line in self.cannot]
