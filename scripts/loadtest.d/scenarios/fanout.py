"""fanout: N clients wait, someone publishes once, everyone is answered.

Latency is from the publishing to the last byte of each answer; `first_byte_ms` and `last_byte_ms` are those of the
first client and of the last. Examples/longpoll-chat knows who waits in one process only: with several workers of class
swift --app or --url names one that shares it. With again=yes a client that is answered before anything was published
asks again, as a long-polling client does; else that is an error of the kind "early". A path that asks for what comes
after a message has {published} for the number of those that were published by this command.
"""

import time

import kinds

from . import hold
from .parameters import Parameter, one_of, seconds, whole

PARAMETERS = {
    "count": Parameter(1000, whole(), "clients that wait"),
    "ramp": Parameter(None, seconds(), "seconds to open them in; default: 2,000 a second"),
    "hold": Parameter(2.0, seconds(), "seconds that all have been there when it is published"),
    "again": Parameter("no", one_of("yes", "no"), "whether those answered early ask again"),
}
PATHS = ("wait", "publish")


def connections(parameters):
    return parameters["count"]


def expected_seconds(parameters):
    return 4 + hold.ramp(parameters) * 1.2 + parameters["hold"]


def held_at_once(parameters):
    return parameters["count"] + 1


def run(measurement, parameters):
    count, opening = parameters["count"], hold.ramp(parameters)
    parameters["ramp"] = opening
    server = measurement.server
    target = server.paths["wait"].replace("{published}", str(server.published))
    if server.spec.kind is None or kinds.held_at_once(server.spec) is None:
        # Where a thread waits for each, those who had left would keep all threads.
        hold.warm_up(measurement, target, True, count)
    measurement.memory_before()
    measurement.begin()
    crew = measurement.crew("crowd", count=count, ramp=opening, target=target, held=True, until=None,
                            seconds=None, again=parameters["again"] == "yes")
    measurement.watch(lambda: crew.total("settled") >= count, opening + 60)
    there = time.monotonic()
    measurement.extra["ramp_seconds"] = round(there - measurement.start, 3)
    waiting = crew.total("held")
    measurement.memory_with(waiting)
    measurement.balance_now()
    measurement.watch(lambda: crew.total("held") <= 0, there + parameters["hold"] - time.monotonic())
    measurement.extra["waiting"] = crew.total("held")
    published = measurement.publish(crew)
    measurement.await_answers(crew, measurement.context.timeout)
    measurement.end()
    measurement.stop()
    extra = crew.merged()["extra"]
    for name, choose in (("first_byte", min), ("last_byte", max)):
        if moments := extra.get(f"{name}_at"):
            measurement.extra[f"{name}_ms"] = round((choose(moments) - published) * 1000, 3)
    return measurement.result(throughput=False)
