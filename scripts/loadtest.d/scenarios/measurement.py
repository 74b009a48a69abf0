"""One scenario while it runs: controls its client processes, samples the server once a second, makes the result."""

import math
import time
from multiprocessing.connection import wait

from clients import http1
from clients.crew import Crew
from histogram import Histogram

SECOND = 1.0
TOO_LATE = 0.1


class Measurement:
    """`context` has the options that hold for all scenarios: see run.Context."""

    def __init__(self, context, server, name, parameters):
        self.context, self.server, self.name, self.parameters = context, server, name, parameters
        self.crews, self.series, self.errors, self.extra = [], [], {}, {}
        self.memory = self.balance = None
        self.cut = False
        self._base = self._finished = None
        self._baseline_sockets = server.tree.sockets() if server.tree else {}
        self.reloads, self.others_open = 0, 0
        self._next_sample = self._next_reload = math.inf

    # Time

    def begin(self, start=None):
        """The measurement starts now, or at `start`. What was before, such as a warm-up, does not count."""
        self.start = start or time.monotonic()
        self._next_sample, self._last_cpu = self.start, None
        self._next_reload = self.start + self.context.reload_every if self.context.reload_every else math.inf
        tree = self.server.tree
        self._cpu = tree.cpu_seconds() if tree else None
        self._switches = tree.context_switches() if tree else None

    def end(self):
        """The measurement ends now. What comes after, such as closing connections, does not count."""
        if self._finished is None:
            tree = self.server.tree
            self._finished = (time.monotonic() - self.start, tree.cpu_seconds() - self._cpu if tree else None,
                              self._switched() if tree else None)

    def watch(self, until=lambda: False, seconds=None):
        """Lets the clients work until `until()` is true, for `seconds` at most. Returns whether it is true.

        Ends earlier at the deadline of the whole command, and when the server has ended.
        """
        limit = self.context.deadline if seconds is None else min(self.context.deadline, time.monotonic() + seconds)
        while not until():
            now = time.monotonic()
            if now >= limit or self.cut:
                self.cut = self.cut or now >= self.context.deadline
                return until()
            if now >= self._next_sample:
                self._sample(now)
            if now >= self._next_reload:
                self.reload()
                self._next_reload = now + self.context.reload_every
            pipes = {pipe: (crew, index) for crew in self.crews for index, pipe in enumerate(crew.pipes)
                     if crew.results[index] is None}
            pause = max(0.0, min(limit, self._next_sample, self._next_reload, now + 0.1) - now)
            if not pipes:
                time.sleep(pause)
            for pipe in wait(list(pipes), pause) if pipes else ():
                crew, index = pipes[pipe]
                crew.receive(index)
        return True

    def _sample(self, now):
        self._next_sample = now + SECOND
        entry = {"t": round(now - self.start, 3), **{name: sum(crew.total(name) for crew in self.crews)
                                                     for name in ("open", "held", "answered", "errors")}}
        entry["open"] += self.others_open
        if tree := self.server.tree:
            cpu = tree.cpu_seconds()
            last, self._last_cpu = self._last_cpu, (now, cpu)
            entry["cpu"] = round((cpu - last[1]) / (now - last[0]), 3) if last else 0.0
            entry["pss"] = tree.pss_bytes()
            if not self.server.alive():
                self.errors["server ended"], self.cut = 1, True
        self.series.append(entry)
        self.context.progress.update(self.name, entry)

    # Clients

    def crew(self, role, processes=None, to=None, **config):
        """Starts client processes of a role. Values that `config` does not have come from the command line. `to`: what
        they connect to, if it is not the server's own (family, address)."""
        context = self.context
        config = {"start": time.monotonic() + 0.1, "timeout": context.timeout, "host": self.server.host_field,
                  "fields": context.fields, **config}
        many = max(config.get("count", 0), config.get("connections", 0))
        crew = Crew(role, processes or context.processes(many), to or self.server.target, self._sources, config)
        self.crews.append(crew)
        return crew

    def _sources(self, index):
        return self.context.sources(self.server.target, len(self.crews) * 64 + index)

    def request(self, path, method="GET", body=b"", **fill):
        """Returns the bytes of a request to one of the server's paths. `fill` has the values for the path's {names}."""
        target = self.server.paths[path]
        for name, value in fill.items():
            target = target.replace(f"{{{name}}}", str(value))
        return http1.request(method, target, self.server.host_field, self.context.fields, body)

    def stop(self, *crews):
        """Ends crews and waits for their results."""
        crews = crews or [crew for crew in self.crews if not crew.ended]
        for crew in crews:
            crew.tell("stop")
        limit = time.monotonic() + 20
        while not all(crew.ended for crew in crews) and time.monotonic() < limit:
            pipes = {pipe: (crew, index) for crew in crews for index, pipe in enumerate(crew.pipes)
                     if crew.results[index] is None}
            for pipe in wait(list(pipes), 0.5):
                crew, index = pipes[pipe]
                crew.receive(index)
        for crew in crews:
            crew.end()

    def await_answers(self, crew, seconds):
        """Waits until no request of the crew waits. After `seconds`, those that still wait count as errors."""
        if not self.watch(lambda: crew.total("held") <= 0, seconds) and not self.cut:
            self.errors["never answered"] = crew.total("held")

    def alone(self, crew):
        """Removes a crew from the scenario, so that its figures do not count there. Returns its figures."""
        if not crew.ended:
            self.stop(crew)
        self.crews.remove(crew)
        return crew.merged()

    def publish(self, waiting):
        """POSTs to the path that answers waiting requests. Returns the time from which their latency counts."""
        start = time.monotonic() + 0.2
        waiting.tell("publish", start)
        to, data = self.server.publishing(self.context.options.publish_body, self.context.fields)
        crew = self.crew("requests", 1, to, start=start, connections=1, rate=0, requests=1, fresh=False,
                         until=start + self.context.timeout, data=data)
        self.watch(lambda: crew.finished, self.context.timeout + 2.5)
        found = self.alone(crew)
        self.add_errors({f"publish {kind}": count for kind, count in found["errors"].items()})
        self.server.published += found["answered"]
        if found["histogram"].count:
            self.extra["publish_ms"] = round(found["histogram"].percentile(100) / 1000, 3)
        return start

    # The server

    def reload(self):
        self.server.reload()
        self.reloads += 1
        self.extra["reloads"] = self.reloads

    def settle(self, seconds=10):
        """Waits until the server uses no CPU time, while the clients go on."""
        last, limit = -1.0, time.monotonic() + seconds
        while self.server.tree and (now := self.server.tree.cpu_seconds()) - last > 0.011:
            last = now
            if time.monotonic() > limit or self.cut:
                return
            self.watch(seconds=0.5)

    def memory_before(self):
        if self.server.tree:
            self.settle()
            self._base = self.server.tree.pss_bytes(), self.server.tree.own_pss_bytes()

    def memory_with(self, connections):
        """Records the growth of the server's own PSS since memory_before() as the memory of so many connections. Not if
        there were more connections before, because the server uses their memory again."""
        if self.server.tree and self._base is not None:
            self.settle()
            grown = self.server.tree.own_pss_bytes() - self._base[1]
            first = connections > 10 * self.server.crowd
            self.server.crowd = max(self.server.crowd, connections)
            self.memory = {"base_bytes": self._base[0], "peak_bytes": self.server.tree.pss_bytes(),
                           "connections": connections,
                           "per_connection_bytes": round(grown / connections, 1) if first else None}

    def balance_now(self):
        """The number of connections of each process that has any, without the listening sockets that it had before."""
        if not self.server.tree:
            return
        grown = {pid: count - self._baseline_sockets.get(pid, 0) for pid, count in self.server.tree.sockets().items()}
        workers = {str(pid): count for pid, count in grown.items() if count > 0}
        if workers:
            self.balance = {"workers": workers,
                            "max_over_min": round(max(workers.values()) / min(workers.values()), 2)}

    def _switched(self):
        voluntary = involuntary = 0
        for task, counts in self.server.tree.context_switches().items():
            before = self._switches.get(task, (0, 0))
            voluntary, involuntary = voluntary + counts[0] - before[0], involuntary + counts[1] - before[1]
        return {"voluntary": voluntary, "involuntary": involuntary}

    # The result

    def result(self, requests=None, latency=None, throughput=None, bytes_read=None, corrected=False):
        """The scenario's dict. Values that are not given are sums over all crews. `latency` is a Histogram or a dict;
        `throughput` is per second, None to compute it from `requests`, or False if it has no meaning."""
        self.end()
        self.stop()
        merged = [crew.merged() for crew in self.crews]
        if behind := max((late for part in merged for late in part["extra"].get("behind", [])), default=None):
            self.extra["clients_behind_ms"] = round(behind * 1000, 3)
            if behind > TOO_LATE:
                self.context.note(f"{self.name}: the clients were up to {behind:.3f} s behind their schedule: it "
                                  "is they who were too slow; a lower rate or more --processes")
        if requests is None:
            requests = sum(part["answered"] for part in merged)
        for part in merged:
            self.add_errors(part["errors"])
            for name in ("asked_again", "closed_by_server"):
                if name in part["extra"]:
                    self.extra[name] = self.extra.get(name, 0) + sum(part["extra"][name])
        if latency is None:
            latency = Histogram()
            for part in merged:
                latency.merge(part["histogram"].encode())
        seconds, cpu, switches = self._finished
        if self.cut:
            self.extra["cut_short"] = 1
        if throughput is None:
            throughput = requests / seconds if seconds > 0 else None
        self._sample(time.monotonic())
        tree = self.server.tree
        if tree and self.memory is None and self.series:
            sampled = [entry["pss"] for entry in self.series if "pss" in entry]
            self.memory = {"base_bytes": sampled[0], "peak_bytes": max(sampled), "per_connection_bytes": None,
                           "connections": max(entry["open"] for entry in self.series)}
        return {
            "name": self.name, "parameters": self.parameters, "seconds": round(seconds, 3), "requests": requests,
            "errors": self.errors, "throughput": round(throughput, 1) if throughput else None,
            "bytes_read": sum(part["bytes_read"] for part in merged) if bytes_read is None else bytes_read,
            "latency": latency.to_result(corrected) if isinstance(latency, Histogram) else latency,
            "series": self.series, "cpu_seconds": None if cpu is None else round(cpu, 3),
            "cpu_per_request_us": round(cpu / requests * 1e6, 2) if cpu is not None and requests else None,
            "memory": self.memory, "context_switches": switches, "balance": self.balance, "extra": self.extra,
        }

    def add_errors(self, errors):
        for kind, count in errors.items():
            self.errors[kind] = self.errors.get(kind, 0) + count

    def abandon(self):
        for crew in list(self.crews):
            crew.end()
