"""idle: N keep-alive connections that have had one answer and then send nothing for `hold` seconds.

At the end each sends a second request: a connection that the server had closed is an error. Latency is that of both
requests.
"""

import time

from . import hold
from .parameters import Parameter, seconds, whole

PARAMETERS = {
    "count": Parameter(1000, whole(), "connections"),
    "ramp": Parameter(None, seconds(), "seconds to open them in; default: 2,000 a second"),
    "hold": Parameter(5.0, seconds(), "seconds without a request"),
}
PATHS = ("fast",)


def connections(parameters):
    return parameters["count"]


def expected_seconds(parameters):
    return 5 + hold.ramp(parameters) * 1.2 + parameters["hold"]


def run(measurement, parameters):
    count, opening = parameters["count"], hold.ramp(parameters)
    parameters["ramp"] = opening
    target = measurement.server.paths["fast"]
    hold.warm_up(measurement, target, False, count)
    measurement.memory_before()
    measurement.begin()
    crew = measurement.crew("crowd", count=count, ramp=opening, target=target, held=False, until=None, seconds=None)
    measurement.watch(lambda: crew.total("settled") >= count, opening + measurement.context.timeout)
    silent = time.monotonic()
    measurement.extra["most_idle"] = crew.total("held")
    measurement.memory_with(crew.total("held"))
    measurement.balance_now()
    measurement.watch(seconds=silent + parameters["hold"] - time.monotonic())
    crew.tell("check")
    measurement.watch(seconds=0.5)
    measurement.watch(lambda: crew.total("unanswered") <= 0, measurement.context.timeout)
    return measurement.result(throughput=False)
