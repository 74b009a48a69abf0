"""hold: N requests wait at once. They are opened over `ramp` seconds and held for `hold` seconds more.

release=together: all ask to be answered at the same time (if --hold-path has no {seconds}, a POST to --publish-path
answers them); one-by-one: each is answered `hold` + `ramp` seconds after it came, so one after another; close: the
clients leave without an answer. Latency is the time between the moment asked for and the answer.
"""

import time

from .parameters import Parameter, one_of, seconds, whole

PARAMETERS = {
    "count": Parameter(1000, whole(), "requests held at once"),
    "ramp": Parameter(None, seconds(), "seconds to open them in; default: 2,000 a second"),
    "hold": Parameter(5.0, seconds(), "seconds to hold them after all have arrived"),
    "release": Parameter("together", one_of("together", "one-by-one", "close"), "how the requests end"),
}
PATHS = ("hold",)
PER_SECOND = 2000
# Additional seconds for a server that is still accepting connections after `ramp` + `hold`.
GRACE = 1.0
# Clients that leave without an answer ask for one this many seconds after the time at which they leave.
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
    """Opens and closes a few connections before the `count` that are measured, so that memory which a server allocates
    only once does not count. They are few, because the memory they leave is used again and does not count either."""
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
