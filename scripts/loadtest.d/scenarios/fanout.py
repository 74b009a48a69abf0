"""fanout: N clients wait, one message is published, all clients are answered.

Latency is from the publish to the last byte of each answer; `first_byte_ms` and `last_byte_ms` are those of the first
client and of the last. Examples/longpoll-chat publishes within one process only: for several workers of class swift,
--app or --url must name an app that publishes to all. With again=yes a client that is answered before the publish
asks again, as a long-polling client does; without it, that is an error of the kind "early". In a path that asks for
the messages after one, {published} is replaced by the number of messages that this command has published.
"""

import time

import kinds

from . import hold
from .parameters import Parameter, one_of, seconds, whole

PARAMETERS = {
    "count": Parameter(1000, whole(), "clients that wait"),
    "ramp": Parameter(None, seconds(), "seconds to open them in; default: 2,000 a second"),
    "hold": Parameter(2.0, seconds(), "seconds between the arrival of the last client and the publish"),
    "again": Parameter("no", one_of("yes", "no"), "whether clients that are answered early ask again"),
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
        # If each waiting request holds a thread, requests whose clients had left would keep all threads.
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
