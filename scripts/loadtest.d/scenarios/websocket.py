"""websocket: N WebSockets, which stay open. do=echo: each sends a message, and the next when it has come back; idle:
each has one message echoed, and then nothing for `seconds` but pings; broadcast: one sends a message again and again,
and all receive it.

A request is a message that has come to a client; its latency counts from when the one that caused it was sent. For
broadcast, `last_ms` is the median time until all have a message. With deflate=yes the clients offer
permessage-deflate: they send stored blocks, and do not compare what comes compressed with what they sent. The clients
are one process.
"""

import math
import statistics

from clients.websocket import WebSockets
from histogram import Histogram
from kinds import Refused

from .parameters import Parameter, one_of, seconds, size, whole

PARAMETERS = {
    "do": Parameter("echo", one_of("echo", "idle", "broadcast"), "what the sockets do"),
    "count": Parameter(100, whole(), "WebSockets"),
    "seconds": Parameter(10.0, seconds(0.1), "how long, once all are open"),
    "bytes": Parameter(125, size, "bytes of a message, as in 4096, 64k or 1m"),
    "deflate": Parameter("no", one_of("yes", "no"), "whether compression is offered"),
}
PATHS = ("echo", "broadcast")
OPENED_PER_SECOND = 2000
# When the time of the whole command is up.
CUT = {"open": 0, "seconds": math.inf, "messages": 0, "pings": 0, "errors": {}, "latency": [], "times": []}


def connections(parameters):
    return parameters["count"]


def expected_seconds(parameters):
    return 4 + parameters["count"] / OPENED_PER_SECOND + parameters["seconds"]


def run(measurement, parameters):
    server, do = measurement.server, parameters["do"]
    if not isinstance(server.target[1], tuple):
        raise Refused("websocket: the clients connect by TCP only")
    path = server.paths["broadcast" if do == "broadcast" else "echo"]
    more = measurement.context.fields, parameters["deflate"] == "yes", measurement.context.timeout
    if do == "idle":
        warm_up(measurement, path, max(1, parameters["count"] // 25), more)
        measurement.memory_before()
    with WebSockets(server, path, parameters["count"], *more) as sockets:
        told = answered(measurement, sockets)
        measurement.extra["opened_seconds"] = round(told["seconds"], 3)
        measurement.others_open = told["open"]
        measurement.begin()
        found = {"echo": echo, "idle": idle, "broadcast": broadcast}[do](measurement, sockets, parameters)
        measurement.end()
        measurement.others_open = found["open"]
    for each in (told, found):
        measurement.add_errors(each["errors"])
    latency = Histogram()
    for us, count in found["latency"]:
        latency.record(us, count)
    measurement.extra["pings"] = found["pings"]
    return measurement.result(requests=found["messages"], latency=latency,
                              throughput=do == "echo" and found["messages"] / found["seconds"],
                              bytes_read=found["messages"] * parameters["bytes"])


def warm_up(measurement, path, count, more):
    """What only the first sockets cost does not count as the memory of a socket: see hold.warm_up."""
    with WebSockets(measurement.server, path, count, *more) as sockets:
        answered(measurement, sockets)
        sockets.order("echo", 0, 1)
        answered(measurement, sockets)


def echo(measurement, sockets, parameters):
    sockets.order("echo", round(parameters["seconds"] * 1000), parameters["bytes"])
    measurement.watch(seconds=parameters["seconds"] / 2)
    measurement.balance_now()
    return answered(measurement, sockets)


def idle(measurement, sockets, parameters):
    sockets.order("echo", 0, parameters["bytes"])
    found = answered(measurement, sockets)
    measurement.memory_with(found["open"])
    measurement.balance_now()
    measurement.watch(seconds=parameters["seconds"])
    sockets.order("idle")
    left = answered(measurement, sockets)
    for kind, count in left["errors"].items():
        found["errors"][kind] = found["errors"].get(kind, 0) + count
    return {**found, "open": left["open"], "pings": found["pings"] + left["pings"]}


def broadcast(measurement, sockets, parameters):
    measurement.balance_now()
    sockets.order("broadcast", round(parameters["seconds"] * 1000), parameters["bytes"])
    found = answered(measurement, sockets)
    if found["times"]:
        measurement.extra["broadcasts"] = len(found["times"])
        measurement.extra["last_ms"] = round(statistics.median(found["times"]) / 1000, 3)
    return found


def answered(measurement, sockets):
    """Waits for what an order comes to, while the server is watched."""
    found = []
    measurement.watch(lambda: found or (told := sockets.answer()) is not None and (found.append(told) or True))
    return found[0] if found else CUT
