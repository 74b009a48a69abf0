"""mixed: a share of the connections (90 %) holds a request each, the others are answered at once at a constant rate.

Latency is that of the fast requests alone. All held requests have arrived before the fast ones begin, and are answered
together when the fast ones have ended.
"""

import time

from . import hold
from .parameters import Parameter, rate, seconds, whole

PARAMETERS = {
    "count": Parameter(1000, whole(2), "connections, held and fast"),
    "held": Parameter(90, whole(0, 99), "per cent of them that are held"),
    "seconds": Parameter(10.0, seconds(0.5), "seconds in which fast requests are sent"),
    "rate": Parameter(500.0, rate, "fast requests per second; 0: as fast as answers come"),
    "ramp": Parameter(None, seconds(), "seconds to open the held ones in; default: 2,000 a second"),
}
PATHS = ("hold", "fast")


def connections(parameters):
    return parameters["count"]


def expected_seconds(parameters):
    return parameters["seconds"] + hold.ramp(parameters) + 3


def held_at_once(parameters):
    return parameters["count"] * parameters["held"] // 100


def run(measurement, parameters):
    held, opening = held_at_once(parameters), hold.ramp(parameters)
    parameters["ramp"] = opening
    path = measurement.server.paths["hold"]
    timed = "{seconds}" in path
    start = time.monotonic() + 0.1
    measurement.begin(start)
    begin = start + opening + hold.GRACE if held else start
    end = begin + parameters["seconds"]
    crowd = None
    if held:
        crowd = measurement.crew("crowd", count=held, start=start, ramp=opening, target=path, held=True,
                                 until=end + hold.GRACE if timed else None, seconds=None)
        measurement.watch(lambda: crowd.total("settled") >= held, opening + 30)
        measurement.extra["held"] = crowd.total("held")
    begin = max(begin, time.monotonic() + 0.1)
    fast = measurement.crew("requests", start=begin, connections=parameters["count"] - held, rate=parameters["rate"],
                            until=begin + parameters["seconds"], requests=None, data=measurement.request("fast"),
                            fresh=False)
    measurement.watch(lambda: fast.finished, parameters["seconds"] / 2 + begin - time.monotonic())
    measurement.balance_now()
    measurement.watch(lambda: fast.finished, parameters["seconds"] / 2 + measurement.context.timeout)
    if held:
        measurement.extra["held_to_the_end"] = crowd.total("held")
        if not timed:
            measurement.publish(crowd)
        measurement.await_answers(crowd, measurement.context.timeout)
    measurement.end()
    measurement.stop()
    found = fast.merged()
    return measurement.result(latency=found["histogram"], corrected=bool(parameters["rate"]),
                              throughput=found["answered"] / parameters["seconds"])
