"""The tables of WebSocket: what an echo costs, what an idle socket costs, and how soon a message has reached everyone.

Every contestant has its own connections, which stay open while the contestants take turns: a handshake costs nothing
here. Python servers have scripts/loadtest.d/apps/websocket_app.py. Nothing is compressed, except in the second table of
idle sockets, where the clients offer it.
"""

import pathlib
import shutil
import statistics
import time

import contestants
import instructions
from callgrind import Counted
from clients.websocket import WebSockets
from servers import Refused
from tables import Table, judged, names, ratios

APP = contestants.WEBSOCKET_APP
BYTES = 125
# So long that compression pays, for sockets that are idle then.
IDLE_BYTES = 1000
ECHOING = 100
# Milliseconds of an echo whose instructions are counted.
COUNTED = 500
# The most seconds that opening the connections, or an order, may take.
PATIENCE = 120
# Ours, the peer, the ratio that must not be exceeded.
ECHO = [
    ("evgateway-asgi", "uvicorn", 0.50),
    ("evgateway-asgi", "granian-asgi", 0.80),
    ("evgateway-asgi", "gunicorn-asgi", None),
    ("evgateway-asgi", "uvicorn-wsproto", None),
    ("evgateway-asgi", "hypercorn", None),
    ("evgateway-asyncio", "uvicorn", None),
    ("evgateway-swift-websocket", "uvicorn", 0.25),
    ("evgateway-swift-websocket-task", "uvicorn", None),
    ("evgateway-swift-websocket", "bare-c-websocket", None),
]
# Messages are read in a task there, by `for try await`.
PATHS = {"evgateway-swift-websocket-task": "/echo-task"}
BROADCAST = [
    ("evgateway-asgi", "uvicorn", 1.00),
    ("evgateway-asgi", "gunicorn-asgi", 1.00),
    ("evgateway-asgi", "granian-asgi", None),
    ("evgateway-swift-websocket", "bare-c-websocket", 1.50),
]
# Contestant, the most bytes of an idle socket, and with compression negotiated.
IDLE = [
    ("evgateway-swift-websocket", 1024, 2048),
    ("evgateway-asgi", 4096, 5120),
    ("uvicorn", None, None),
    ("gunicorn-asgi", None, None),
    ("granian-asgi", None, None),
    ("bare-c-websocket", None, None),
]


class Contest:
    """Contestants whose connections are open, as a context."""

    def __init__(self, chosen, path, count):
        self.chosen, self.path, self.count = chosen, path, count
        self.servers, self.clients = {}, {}

    def __enter__(self):
        try:
            for name in self.chosen:
                self.servers[name] = contestants.started(name, APP)
                self.clients[name] = opened(self.servers[name], PATHS.get(name, self.path), self.count)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for client in self.clients.values():
            client.__exit__()
        for server in self.servers.values():
            server.stop()

    def turns(self, rounds, *words):
        """Per contestant a list of rounds: what the client has told, with the server's CPU seconds as `cpu`."""
        found = {name: [] for name in self.chosen}
        for number in range(rounds):
            # Every second round has the opposite order, so that no server always runs after the same one.
            for name in self.chosen if number % 2 == 0 else reversed(self.chosen):
                found[name].append(self.measured(name, *words))
        return found

    def measured(self, name, *words):
        server = self.servers[name]
        server.settle()
        before = server.tree.cpu_seconds()
        told = carried_out(server, self.clients[name], *words)
        return {**told, "cpu": server.tree.cpu_seconds() - before}


def opened(server, path, count, deflate=False):
    client = WebSockets(server, path, count, deflate=deflate)
    try:
        checked(server, client.answer(PATIENCE), count)
    except BaseException:
        client.__exit__()
        raise
    return client


def carried_out(server, client, *words):
    client.order(*words)
    return checked(server, client.answer(PATIENCE))


def checked(server, told, count=None):
    """Any error ends the benchmark."""
    if told is None or told["errors"] or count not in (None, told["open"]):
        raise Refused(f"{server.name}: WebSocket: {told and told['errors'] or 'no answer in time'}")
    return told


def echo_tables(chosen, options, count):
    with Contest(chosen, "/echo", ECHOING) as contest:
        contest.turns(1, "echo", 500, BYTES)
        found = contest.turns(options.rounds, "echo", 1000 * options.duration, BYTES)
    figures = Table(f"WebSocket: echo of {BYTES} bytes, {ECHOING} connections", "CPU us/message", "messages/s")
    cost = {}
    for name, rounds in found.items():
        cost[name] = [each["cpu"] / each["messages"] * 1e6 for each in rounds]
        figures.add(name, f"{statistics.median(cost[name]):.2f}",
                    f"{statistics.median(each['messages'] / each['seconds'] for each in rounds):.0f}")
    return figures, ratios("CPU time per message, echo", ECHO, cost)


def broadcast_tables(chosen, options, count):
    with Contest(chosen, "/broadcast", count) as contest:
        contest.turns(1, "broadcast", 500, BYTES)
        found = contest.turns(options.rounds, "broadcast", 1000 * options.duration, BYTES)
    figures = Table(f"WebSocket: a message of {BYTES} bytes to {count} sockets", "ms until all have it",
                    "CPU ms", "CPU us/socket")
    cost, times = {}, {}
    for name, rounds in found.items():
        cost[name] = [each["cpu"] / len(each["times"]) * 1e3 for each in rounds]
        times[name] = [statistics.median(each["times"]) / 1e3 for each in rounds]
        middle = statistics.median(cost[name])
        figures.add(name, f"{statistics.median(times[name]):.1f}", f"{middle:.1f}", f"{middle * 1e3 / count:.2f}")
    return (figures, ratios("time until all have it, broadcast", BROADCAST, times),
            ratios("CPU time, broadcast", BROADCAST, cost))


def idle_tables(chosen, options, count):
    table = Table(f"PSS per WebSocket, {count} idle that have echoed {IDLE_BYTES} bytes", "bytes", "target",
                  "with deflate", "target")
    for name, *limits in IDLE:
        if name in chosen:
            cells = []
            for deflate, limit in zip((False, True), limits):
                growth = idle(name, count, deflate)
                cells += [f"{growth:.0f}", judged(growth, limit, "{:.0f}")]
            table.add(name, *cells)
    return table,


def idle(name, count, deflate):
    """Bytes by which the server's memory grows per socket. What only the first sockets cost does not count."""
    server = contestants.started(name, APP)
    try:
        with opened(server, "/echo", count // 25, deflate) as few:
            carried_out(server, few, "echo", 0, IDLE_BYTES)
        server.settle()
        before = server.tree.own_pss_bytes()
        with opened(server, "/echo", count, deflate) as client:
            carried_out(server, client, "echo", 0, IDLE_BYTES)
            time.sleep(1)
            server.settle()
            return (server.tree.own_pss_bytes() - before) / count
    finally:
        server.stop()


def instructions_table(names, profiles=None):
    """User-space instructions per echo. `profiles`: the folder where callgrind's files are kept, or None."""
    table = Table(f"instructions per echo of {BYTES} bytes", f"{instructions.CONNECTIONS} at once", "one at a time")
    for name in names:
        cells = []
        for way, count in zip(instructions.WAYS, (instructions.CONNECTIONS, 1)):
            profile = profiles and f"{profiles}/{name}-websocket-{way}.callgrind"
            cells.append(f"{instructions_of(name, count, profile):,.0f}")
        table.add(name, *cells)
    return table


def instructions_of(name, count, profile):
    samples = []
    with Counted(name, APP) as under, opened(under.server, PATHS.get(name, "/echo"), count) as client:
        def echo():
            samples.append(carried_out(under.server, client, "echo", COUNTED, BYTES)["messages"])

        echo()
        under.begin()
        # What is translated only now, and caches of the interpreter: not counted.
        echo()
        counts = [under.count(echo) for _ in range(instructions.SAMPLES)]
        if profile:
            pathlib.Path(profile).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(counts[-1][1], profile)
    return statistics.median(total / messages for (total, _), messages in zip(counts, samples[2:]))


class Tables:
    """`names`: the contestants. `made`: makes the tables of those that are chosen, with the bench's options and the
    number of connections that it holds."""

    def __init__(self, names, made):
        self.names, self.made = names, made


# By the name in --only.
TABLES = {
    "websocket-echo": Tables(names(ECHO), echo_tables),
    "websocket-idle": Tables([name for name, *_ in IDLE], idle_tables),
    "websocket-broadcast": Tables(names(BROADCAST), broadcast_tables),
}
