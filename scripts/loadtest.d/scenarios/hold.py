"""hold: N requests wait at once. They are opened over `ramp` seconds and held for `hold` seconds more.

release=together: all ask to be answered at one moment (or someone POSTs to --publish-path, when --hold-path has no
{seconds}); one-by-one: each is answered `hold` + `ramp` seconds after it came, so one after another as they came;
close: the clients leave without an answer. Latency is how late the answers came after the moment they had asked for.
"""

import time

from .parameters import Parameter, one_of, seconds, whole

PARAMETERS = {
    "count": Parameter(1000, whole(), "requests held at once"),
    "ramp": Parameter(None, seconds(), "seconds to open them in; default: 2,000 a second"),
    "hold": Parameter(5.0, seconds(), "seconds to hold them once all are there"),
    "release": Parameter("together", one_of("together", "one-by-one", "close"), "how they end"),
}
PATHS = ("hold",)
PER_SECOND = 2000
# Beyond `ramp` + `hold`, for a server that is still busy taking the crowd in.
GRACE = 1.0
# What those who leave without an answer had asked for beyond the moment that they leave at.
LONGER = 10.0


def connections(parameters):
    return parameters["count"]


def expected_seconds(parameters):
    return 5 + ramp(parameters) * 1.2 + parameters["hold"]


def ramp(parameters):
    return parameters["count"] / PER_SECOND if parameters["ramp"] is None else parameters["ramp"]


def held_at_once(parameters):
    return parameters["count"]


def warm_up(measurement, target, held, count):
    """A small crowd that comes and goes before one of `count`, so that what a server allocates once is not counted per
    connection. Not a large one: what that leaves behind would be used again, and not be counted at all."""
    count = max(1, min(count // 25, 100 * (measurement.server.workers or 1)))
    crew = measurement.crew("crowd", count=count, target=target, held=held, ramp=0.2, until=None,
                            seconds=0.5 if "{seconds}" in target else None)
    measurement.watch(lambda: crew.total("settled") >= count, 10)
    measurement.watch(seconds=0.2)
    crew.tell("close")
    measurement.alone(crew)


def run(measurement, parameters):
    count, opening = parameters["count"], ramp(parameters)
    parameters["ramp"] = opening
    target = measurement.server.paths["hold"]
    timed, release = "{seconds}" in target, parameters["release"]
    warm_up(measurement, target, True, count)
    measurement.memory_before()
    start = time.monotonic() + 0.1
    full = start + opening + GRACE + parameters["hold"]
    asked = {"until": None, "seconds": None}
    if timed:
        if release == "together":
            asked["until"] = full
        else:
            asked["seconds"] = full - start + (LONGER if release == "close" else 0)
    measurement.begin()
    crew = measurement.crew("crowd", count=count, start=start, ramp=opening, target=target, held=True, **asked)
    measurement.watch(lambda: crew.total("settled") >= count, opening + 30)
    measurement.extra["ramp_seconds"] = round(time.monotonic() - start, 3)
    left = full - time.monotonic()
    held = crew.total("held")
    measurement.settle(max(0.0, left - 0.5))
    measurement.memory_with(held)
    measurement.balance_now()
    measurement.extra["most_held"] = held
    measurement.watch(lambda: crew.total("held") <= 0, full - time.monotonic())
    released = time.monotonic()
    if release == "close":
        measurement.extra["held_to_the_end"] = crew.total("held")
        crew.tell("close")
        measurement.settle(5)
    else:
        if not timed:
            released = measurement.publish(crew)
        measurement.await_answers(crew, opening + measurement.context.timeout)
    measurement.extra["release_seconds"] = round(time.monotonic() - released, 3)
    return measurement.result(throughput=False)
