"""Loads contestants with wrk or h2load in interleaved rounds: CPU time per request, and the median of its ratios."""

import http.client
import os
import pathlib
import statistics
import subprocess
import tempfile

import contestants
from run import Context
from scenarios.measurement import Measurement
from servers import Refused
from tables import Table, ratios

POST = pathlib.Path(__file__).with_name("post.lua")


class SideBySide:
    """Measures a workload on those of its contestants that are in `names`."""

    def __init__(self, workload, names, context):
        """`context`: a run.Context with the other options of the command line."""
        self.workload, self.names = workload, names
        self.context = Context(context.options, context.progress)
        self.context.fields = workload.fields

    def tables(self, rounds, seconds):
        """Measures. Returns the table of figures and the table of ratios."""
        servers = {}
        cpu, rate, size = ({name: [] for name in self.names} for _ in range(3))
        with tempfile.NamedTemporaryFile() as body:
            # Not all the same byte, so that nothing can compress it or treat it specially.
            body.write(os.urandom(self.workload.post or 0))
            body.flush()
            try:
                for name in self.names:
                    servers[name] = contestants.started(name, self.workload.app)
                    self.check(servers[name], body.name)
                    self.measured(servers[name], body.name, 1)
                for number in range(rounds):
                    # Every second round has the opposite order, so that no server always runs after the same one.
                    for name in self.names if number % 2 == 0 else reversed(self.names):
                        found = self.measured(servers[name], body.name, seconds)
                        cpu[name].append(found["cpu_per_request_us"])
                        rate[name].append(found["throughput"])
                        size[name].append(found["bytes_read"] / found["requests"])
            finally:
                for server in servers.values():
                    server.stop()
        return (self.figures(cpu, rate, size),
                ratios(f"CPU time per request, {self.workload.title}", self.workload.pairs, cpu))

    def check(self, server, body):
        """Sends one request and checks its answer, so that all contestants do the same work."""
        fields = dict(field.split(": ", 1) for field in self.workload.fields)
        if server.spec.http2:
            done = subprocess.run(["curl", "-fsS", "--http2-prior-knowledge", server.url], capture_output=True)
            if done.stdout != self.workload.answer:
                raise Refused(f"{server.name}: {self.workload.title}: {done.stdout[:100]!r} {done.stderr[:100]!r}")
            return
        connection = http.client.HTTPConnection(*server.target[1], timeout=30)
        connection.sock = server.connected(server.target[1], 30)
        with open(body, "rb") as file:
            connection.request(*("GET", "/") if self.workload.post is None else ("POST", "/", file.read()),
                               headers=fields)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status != 200 or answer != self.workload.answer:
            raise Refused(f"{server.name}: {self.workload.title}: {response.status} {answer[:100]!r}")

    def measured(self, server, body, seconds):
        """Measures one round. Any error ends the benchmark."""
        server.settle()
        measurement = Measurement(self.context, server, "throughput", {})
        script = () if self.workload.post is None else (POST, body)
        try:
            found = self.workload.load(measurement, {
                "seconds": seconds, "connections": self.workload.connections, "threads": 1}, script)
        finally:
            measurement.abandon()
        if found["errors"]:
            raise Refused(f"{server.name}: {self.workload.title}: {found['errors']}")
        return found

    def figures(self, cpu, rate, size):
        table = Table(f"{self.workload.title} ({self.workload.app}), {self.workload.client}",
                      "CPU us/request", "requests/s", "bytes on the wire")
        for name in self.names:
            table.add(name, f"{statistics.median(cpu[name]):.2f}", f"{statistics.median(rate[name]):.0f}",
                      f"{statistics.median(size[name]):.0f}")
        return table
