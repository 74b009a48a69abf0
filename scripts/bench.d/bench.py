"""Compares evgateway with its peers side by side: interleaved rounds, the median of the ratios, CPU time first.

Absolute figures mean little on a shared machine; the ratios of one run do. `--only` takes names of contestants and
of tables (speed, browser, post-1k, post-256k, download, flask, fastapi, tls, http2; memory, preload, sleepers, latency,
admin, handshakes, idle-wires, holds-fanout, sticky, bus; websocket-echo, websocket-idle, websocket-broadcast, which are
`websocket` together), separated by commas: `--only evgateway-inline,bjoern`, `--only memory`, `--only post-1k,bjoern`.
`--instructions` counts the instructions of a hello in place of all that, also of the contestants that `--only` names,
or of each request of the tables that it names (the first seven, and of an echo by websocket-echo).
"""

import argparse
import datetime
import pathlib
import platform
import shlex
import signal
import subprocess
import sys
import time
import types

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "loadtest.d"))

import bus_rates  # noqa: E402
import contestants  # noqa: E402
import handshakes  # noqa: E402
import holds_fanout  # noqa: E402
import idle_wires  # noqa: E402
import instructions  # noqa: E402
import limits  # noqa: E402
import plot  # noqa: E402
import run  # noqa: E402
import sticky_moves  # noqa: E402
import websocket_tables  # noqa: E402
from clients.crew import Crew  # noqa: E402
from progress import Progress  # noqa: E402
from scenarios import Chosen  # noqa: E402
from scenarios.measurement import Measurement  # noqa: E402
from servers import Refused  # noqa: E402
from side_by_side import SideBySide  # noqa: E402
from tables import Table, judged  # noqa: E402
from workloads import WORKLOADS  # noqa: E402

# Of other wires: what counts instructions speaks HTTP/1.1.
WIRES = {"tls", "http2"}
TABLES = [*WORKLOADS, "memory", "preload", "sleepers", "latency", "admin", "handshakes", "idle-wires", "holds-fanout",
          "sticky", "bus", *websocket_tables.TABLES]
# Name, the path that is held (None: the connection is idle), the most bytes that we want.
MEMORY = [
    ("evgateway-swift", None, 1024),
    ("evgateway-inline", None, 1024),
    ("evgateway-gevent", None, 1024),
    ("evgateway-asgi", None, 1024),
    ("bjoern", None, None),
    ("hummingbird", None, None),
    ("gunicorn-gevent", None, None),
    ("evgateway-chat", "/messages?since=0", 3072),
    ("evgateway-gevent-held", "/hold?seconds=86400", 10240),
    ("evgateway-asgi-held", "/wait", 4608),
    ("hummingbird", "/hold?seconds=86400", None),
    ("evgateway-grip-inline", "/poll", 700),
    ("evgateway-grip-threads", "/poll", 700),
    ("pushpin", "/poll", None),
]
# Who refuses what comes faster than so many a second.
MOST_PER_SECOND = {"pushpin": 150}
# Name. Four workers of a Django app and their master, when all have worked.
PRELOAD = ["evgateway-django-preload", "gunicorn-django-preload", "evgateway-django", "gunicorn-django"]
# Name; the most seconds until everyone of a crowd that sleeps for five has been answered.
SLEEPERS = [("evgateway-gevent-held", 7)]
# Name, the path that is held; how many times as long the 99th percentile beside the crowd may be.
LATENCY = [("evgateway-gevent-held", "/hold?seconds=86400", 2), ("evgateway-asgi-held", "/wait", 2)]
# Name; how many times as long the 99th percentile may be while the admin port has the worst clients.
ADMIN = [("evgateway-inline-admin", 1.25), ("evgateway-asgi-admin", 1.25)]
SCRAPES = 1000
REQUESTS = 2000


class Bench:
    def __init__(self, options, count):
        self.options, self.count, self.tables = options, count, []
        # The harness as its command line would have it without any option.
        self.context = run.Context(
            types.SimpleNamespace(timeout=30.0, reload_every=None, header=[], processes=None, sources=None,
                                  publish_body=""), Progress(None))

    def show(self, table):
        show(table, self.options)

    def measured(self, server, scenario):
        """One scenario on a server that runs; every error ends the benchmark."""
        found = run.measure(self.context, server, [Chosen(scenario, {})])[0]
        if found["errors"]:
            raise SystemExit(f"bench: {server.name}: {scenario}: {found['errors']}")
        return found

    def alone(self, name, scenario, **paths):
        """The same on a server of its own."""
        server = contestants.started(name, **paths)
        try:
            return self.measured(server, scenario)
        finally:
            server.stop()

    def side_by_side(self, workload, names):
        figures, ratios = SideBySide(workload, names, self.context).tables(self.options.rounds, self.options.duration)
        for table in (figures, ratios):
            if table.rows:
                self.show(table)
        if self.options.plot and workload is WORKLOADS["speed"]:
            self.plot(figures)

    def websocket(self, table, names):
        for found in websocket_tables.TABLES[table].made(names, self.options, self.count):
            if found.rows:
                self.show(found)

    def plot(self, figures):
        rows = [(label(name), float(cpu), name.startswith("evgateway")) for name, cpu, *_ in figures.rows]
        note = (f"a hello of 13 bytes, one worker, wrk -t1 -c64, {limits.machine()['cpus']} processors, "
                f"{datetime.date.today()}; less is better")
        pathlib.Path(self.options.plot).write_text(plot.svg("CPU time per request in microseconds", note, rows))

    def handshakes(self, rows):
        for table in handshakes.tables([name for name, in rows], self.options.rounds, self.options.duration):
            if table.rows:
                self.show(table)

    def idle_wires(self, rows):
        self.show(idle_wires.table([name for name, _ in rows], self.count))

    def holds_fanout(self, rows):
        for table in holds_fanout.tables([name for name, in rows], self.options, self.count):
            if table.rows:
                self.show(table)

    def sticky(self, rows):
        self.show(sticky_moves.table(self.measured, self.options.rounds, self.options.duration))

    def bus(self, rows):
        for table in bus_rates.tables([name for name, in rows], self.options.rounds, self.options.duration):
            self.show(table)

    def memory(self, rows):
        table = Table(f"PSS per connection, {self.count} of them", "bytes", "target")
        for name, path, limit in rows:
            if path is None:
                found = self.alone(name, f"idle:count={self.count},hold=0")
            else:
                ramp = f",ramp={self.count / MOST_PER_SECOND[name]}" if name in MOST_PER_SECOND else ""
                found = self.alone(name, f"hold:count={self.count},hold=1,release=close{ramp}", hold=path)
            growth = found["memory"]["per_connection_bytes"]
            table.add(name + (", idle keep-alive" if path is None else ", request held"), f"{growth:.0f}",
                      judged(growth, limit, "{:.0f}"))
        self.show(table)

    def preload(self, rows):
        table = Table(f"PSS of 4 workers with Django and their master, after {2 * REQUESTS} requests", "MB", "own MB")
        for name, in rows:
            server = contestants.started(name)
            try:
                self.requested(server, 2 * REQUESTS, connections=64)
                server.settle()
                table.add(name, *(f"{size / 1e6:.1f}" for size in (server.tree.pss_bytes(),
                                                                   server.tree.own_pss_bytes())))
            finally:
                server.stop()
        self.show(table)

    def sleepers(self, rows):
        """hold asks each to be answered ramp + hold + 1 seconds after it came."""
        table = Table(f"{self.count} requests that sleep for 5 s", "seconds", "target")
        for name, limit in rows:
            found = self.alone(name, f"hold:count={self.count},ramp=1,hold=3,release=one-by-one")
            table.add(f"{name}, all answered", f"{found['seconds']:.2f}", judged(found["seconds"], limit, "{:.0f}"))
        self.show(table)

    def latency(self, rows):
        """A round is a fraction of a second: so five for each that was asked for."""
        table = Table(f"p99 beside {self.count} held requests : alone", "ratio", "range", "target", "us")
        for name, path, limit in rows:
            servers = []
            try:
                for _ in range(2):
                    servers.append(contestants.started(name, hold=path))
                pairs = self.latencies(*servers, 5 * self.options.rounds)
            finally:
                for server in servers:
                    server.stop()
            table.add_pairs(name, pairs, limit, "{:.0f}")
        self.show(table)

    def latencies(self, empty, full, rounds):
        """Per round the 99th percentile in us of requests one after another: to a server that is alone with them, and
        to one that holds a crowd."""
        held = Measurement(self.context, full, "held", {})
        held.begin()
        crowd = held.crew("crowd", count=self.count, ramp=2.0, target=full.paths["hold"], held=True, until=None,
                          seconds=None)
        held.watch(lambda: crowd.total("settled") >= self.count, 60)
        held.settle()
        found = []
        for server in (empty, full):
            self.percentile(server)
        for number in range(rounds):
            order = (empty, full) if number % 2 == 0 else (full, empty)
            figures = {server: self.percentile(server) for server in order}
            found.append((figures[empty], figures[full]))
        held.watch(seconds=0.5)
        if crowd.total("held") != self.count:
            raise SystemExit(f"bench: {full.name}: {self.count - crowd.total('held')} of {self.count} were not held")
        held.abandon()
        return found

    def admin(self, rows):
        table = Table(f"p99 beside {SCRAPES} scrapes a second and slow, half-open and malformed clients : alone",
                      "ratio", "range", "target", "us")
        for name, limit in rows:
            server = contestants.started(name)
            try:
                pairs = self.beside_scrapers(server, 5 * self.options.rounds)
            finally:
                server.stop()
            table.add_pairs(name, pairs, limit, "{:.2f}")
        self.show(table)

    def beside_scrapers(self, server, rounds):
        """Per round the 99th percentile in us while the scrapers stand still, and while they run."""
        scrapers = subprocess.Popen([sys.executable, "-B", pathlib.Path(__file__).with_name("scrapers.py"),
                                     contestants.ADMIN_SOCKET, str(SCRAPES)])
        try:
            found = []
            self.percentile(server)
            for number in range(rounds):
                figures = {}
                for runs in ((False, True) if number % 2 == 0 else (True, False)):
                    scrapers.send_signal(signal.SIGCONT if runs else signal.SIGSTOP)
                    time.sleep(0.2)
                    figures[runs] = self.percentile(server)
                found.append((figures[False], figures[True]))
            if scrapers.poll() is not None:
                raise SystemExit(f"bench: {server.name}: the scrapers have ended")
            return found
        finally:
            scrapers.kill()
            scrapers.wait()

    def percentile(self, server):
        return self.requested(server, REQUESTS, connections=1)["latency"]["percentiles"]["99"]

    def requested(self, server, count, connections):
        one = Measurement(self.context, server, "latency", {})
        one.begin()
        crew = one.crew("requests", 1, connections=connections, rate=0, until=one.start + 30, requests=count,
                        data=one.request("fast"), fresh=False)
        one.watch(lambda: crew.finished, 40)
        found = one.result()
        if found["errors"] or found["requests"] != count:
            raise SystemExit(f"bench: {server.name}: {found['requests']} of {count} answered, {found['errors']}")
        return found


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=int, default=3, help="seconds of load per contestant and round")
    parser.add_argument("--held", type=int, default=5000,
                        help="connections held at a time, in the tables memory, sleepers, latency and holds-fanout")
    parser.add_argument("--only", metavar="NAMES", default="", help="contestants and tables; without: all")
    parser.add_argument("--markdown", action="store_true", help="as README shows it")
    parser.add_argument("--plot", metavar="FILE", help="draw the table speed as SVG")
    parser.add_argument("--instructions", action="store_true",
                        help="user-space instructions per request, counted by valgrind --tool=callgrind")
    parser.add_argument("--peers", action="store_true", help="with --instructions: of bare C, bjoern and uvicorn too")
    parser.add_argument("--profiles", metavar="FOLDER",
                        help="with --instructions: keep there what callgrind_annotate reads")
    options = parser.parse_args()
    only = [name for word in filter(None, options.only.split(","))
            for name in (websocket_tables.TABLES if word == "websocket" else [word])]
    named = [name for name in contestants.CONTESTANTS if name in only]
    if unknown := set(only) - set(named) - set(TABLES):
        parser.error(f"nothing is called {', '.join(sorted(unknown))}; there are "
                     + ", ".join([*TABLES, *contestants.CONTESTANTS]))
    tables = [table for table in TABLES if table in only]
    if options.instructions:
        if others := set(tables) - (set(WORKLOADS) - WIRES) - {"websocket-echo"}:
            parser.error(f"--instructions counts no {', '.join(sorted(others))}")
        count_instructions(options, named, tables)
    else:
        measure(options, named, tables or TABLES)


def measure(options, named, tables):
    rows = {**{name: [(one,) for one in workload.names] for name, workload in WORKLOADS.items()},
            "memory": MEMORY, "preload": [(name,) for name in PRELOAD], "sleepers": SLEEPERS, "latency": LATENCY,
            "admin": ADMIN, "handshakes": [(name,) for name in handshakes.NAMES],
            "idle-wires": idle_wires.ROWS, "holds-fanout": [(name,) for name in holds_fanout.NAMES],
            "sticky": [(name,) for name in sticky_moves.NAMES], "bus": [(name,) for name in bus_rates.NAMES],
            **{name: [(one,) for one in table.names] for name, table in websocket_tables.TABLES.items()}}
    # Of a table that was asked for, the rows whose contestant was.
    chosen = {table: [row for row in rows[table] if not named or row[0] in named] for table in tables}
    bench = Bench(options, min(options.held, limits.raise_descriptor_limit() - 400))
    head(options, dict.fromkeys((row[0], app_of(table)) for table, found in chosen.items() for row in found))
    for table, found in chosen.items():
        if found and table in WORKLOADS:
            bench.side_by_side(WORKLOADS[table], [name for name, in found])
        elif found and table in websocket_tables.TABLES:
            bench.websocket(table, [name for name, in found])
        elif found:
            getattr(bench, table.replace("-", "_"))(found)


def app_of(table):
    """The app that the head names. The tables of other apps name them."""
    return websocket_tables.APP if table in websocket_tables.TABLES else "hello"


def label(name):
    """The contestant's name as a reader would say it."""
    kind, _, rest = name.partition("-")
    return f"{kind} {rest}".strip().replace("bare c", "bare C on libev")


def count_instructions(options, named, tables):
    """Of the workloads that `tables` names; without any, of a hello."""
    rows = instructions.ROWS + instructions.PEERS
    if named:
        rows = [(name, dict(rows).get(name, {})) for name in named]
    elif not options.peers:
        rows = instructions.ROWS
    tables_of = {**WORKLOADS, **websocket_tables.TABLES}
    chosen = {table: [name for name in tables_of[table].names if not named or name in named] for table in tables}
    head(options, dict.fromkeys((name, app_of(table)) for table, names in chosen.items() for name in names) if tables
         else [(name, "hello") for name, _ in rows],
         f"{instructions.CONNECTIONS} keep-alive connections under callgrind")
    for key, names in chosen.items():
        if key in websocket_tables.TABLES:
            show(websocket_tables.instructions_table(names, options.profiles), options)
            continue
        show(instructions.workload_table(key, WORKLOADS[key], names, options.profiles), options)
    if not tables:
        show(instructions.table(rows, options.profiles), options)


def show(table, options):
    print("\n" + (table.markdown() if options.markdown else table.text()), flush=True)


def head(options, names, how=None):
    """The date, the machine, the command that does it again, and each contestant's version and command.
    `names`: with the app that the command names; other tables name theirs."""
    how = how or f"{options.rounds} interleaved rounds of {options.duration} s, wrk -t1; each table names its app"
    command = shlex.join(["scripts/bench", *(word for word in sys.argv[1:] if word != "--markdown")])
    quoted = f"`{command}`" if options.markdown else command
    print(f"{quoted} on {datetime.date.today()}: {limits.machine()['cpus']} processors, {platform.machine()}, "
          f"{platform.system()} {platform.release()}; {how}.\n")
    for name, app in names:
        name, version, words = contestants.described(name, app)
        if options.markdown:
            print(f"- {name}, {version}: `{words}`", flush=True)
        else:
            print(f"  {name:22} {version:22} {words}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Refused as error:
        raise SystemExit(f"bench: {error}") from None
    finally:
        for left in list(Crew.crews):
            left.end()
