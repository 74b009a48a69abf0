"""reload: HUP while requests run: long polls of `hold` seconds one after another, and fast requests at a constant rate.

A reload that loses no request gives no errors. Latency is that of the fast requests. `old_processes_left` is the number
of processes that lived before the first HUP and still live at the end. For HUP during another scenario, use
--reload-every.
"""

import time

from .parameters import Parameter, rate, seconds, whole

PARAMETERS = {
    "count": Parameter(200, whole(2), "connections; nine of ten poll, the others are fast"),
    "hold": Parameter(1.0, seconds(), "seconds of a poll, where the path has {seconds}"),
    "times": Parameter(2, whole(1, 100), "number of reloads, at equal intervals within `seconds`"),
    "seconds": Parameter(12.0, seconds(1), "seconds of the scenario"),
    "rate": Parameter(200.0, rate, "fast requests per second; 0: as fast as answers come"),
}
PATHS = ("hold", "fast")


def connections(parameters):
    return parameters["count"]


def expected_seconds(parameters):
    return parameters["seconds"] + parameters["hold"] + 2


def held_at_once(parameters):
    return parameters["count"] * 9 // 10


def run(measurement, parameters):
    server, duration = measurement.server, parameters["seconds"]
    before = set(server.tree.pids()) - {server.tree.root}
    polling = held_at_once(parameters)
    start = time.monotonic() + 0.1
    measurement.begin(start)
    common = {"start": start, "until": start + duration, "requests": None, "fresh": False}
    polls = measurement.crew("requests", connections=polling, rate=0,
                             data=measurement.request("hold", seconds=f"{parameters['hold']:g}"), **common)
    fast = measurement.crew("requests", connections=parameters["count"] - polling, rate=parameters["rate"],
                            data=measurement.request("fast"), **common)
    for number in range(parameters["times"]):
        # In the middle of each of `times` equal parts.
        measurement.watch(seconds=start + duration * (number + 0.5) / parameters["times"] - time.monotonic())
        if number == 0:
            measurement.balance_now()
        if not measurement.cut:
            measurement.reload()
    measurement.watch(lambda: fast.finished and polls.finished,
                      start + duration + measurement.context.timeout - time.monotonic())
    measurement.extra["old_processes_left"] = len(before & set(server.tree.pids()))
    measurement.extra["polls_answered"] = polls.total("answered")
    measurement.end()
    measurement.stop()
    found = fast.merged()
    return measurement.result(latency=found["histogram"], corrected=bool(parameters["rate"]),
                              throughput=found["answered"] / duration)
