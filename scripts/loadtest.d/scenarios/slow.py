"""slow: clients that send heads or bodies byte by byte, or read answers slowly, beside normal clients.

Latency is that of the normal clients, which send at a constant rate. It is no error if the server closes slow
connections: `extra` has the number. Readers need a path whose answer fills the buffers of both sides (download).
"""

import time

from .parameters import Parameter, rate, seconds, whole

PARAMETERS = {
    "count": Parameter(300, whole(3), "slow clients, a third of each kind"),
    "interval": Parameter(1.0, seconds(0.01), "seconds between two steps of a slow client"),
    "seconds": Parameter(20.0, seconds(0.5), "seconds of the scenario"),
    "connections": Parameter(32, whole(), "connections of the normal clients"),
    "rate": Parameter(500.0, rate, "requests per second of the normal clients; 0: as fast as answers come"),
}
PATHS = ("fast", "upload")
SETTLE = 1.0
BODY = 1_000_000
DOWNLOAD = 16 << 20
PLURAL = {"head": "heads", "body": "bodies", "reader": "readers"}


def connections(parameters):
    return parameters["count"] + parameters["connections"]


def expected_seconds(parameters):
    return parameters["seconds"] + parameters["interval"] + SETTLE


def run(measurement, parameters):
    paths = measurement.server.paths
    head = measurement.request("fast")[:-2]
    upload = measurement.request("upload", "POST", b" ").replace(b"Content-Length: 1\r\n\r\n ",
                                                                 b"Content-Length: %d\r\n\r\n" % BODY)
    sorts = {"head": {"data": head, "drop": b"X-Slow: 1\r\n"}, "body": {"data": upload, "drop": b"x"}}
    if paths["download"]:
        sorts["reader"] = {"data": measurement.request("download", bytes=DOWNLOAD), "step": 1024}
    else:
        measurement.context.note(f"slow: {measurement.server.name} has no download; heads and bodies only")
    start = time.monotonic() + 0.1
    measurement.begin(start)
    slow = {how: measurement.crew("slow", 1, start=start, how=how, interval=parameters["interval"],
                                  count=parameters["count"] // len(sorts), **more) for how, more in sorts.items()}
    # By then the server has sent the readers the first bytes, which fill the kernel's buffers.
    begin = start + parameters["interval"] + SETTLE
    normal = measurement.crew("requests", start=begin, connections=parameters["connections"],
                              rate=parameters["rate"], until=begin + parameters["seconds"], requests=None,
                              data=measurement.request("fast"), fresh=False)
    measurement.watch(lambda: normal.finished, parameters["seconds"] / 2 + begin - start)
    measurement.balance_now()
    measurement.watch(lambda: normal.finished, parameters["seconds"] / 2 + measurement.context.timeout)
    for how, crew in slow.items():
        measurement.extra[f"{PLURAL[how]}_open"] = crew.total("held")
    measurement.end()
    measurement.stop()
    for how, crew in slow.items():
        measurement.extra[f"{PLURAL[how]}_ended_by_server"] = sum(crew.merged()["extra"]["ended_by_server"])
    found = normal.merged()
    return measurement.result(latency=found["histogram"], corrected=bool(parameters["rate"]),
                              throughput=found["answered"] / parameters["seconds"])
