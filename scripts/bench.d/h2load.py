"""Load by h2load: streams of HTTP/2, as many at a time on each connection as are asked for."""

import re

from scenarios import throughput

STREAMS = 10


def h2load(measurement, parameters, script=()):
    """As throughput.wrk, with STREAMS requests at a time on each connection."""
    duration = max(1, round(parameters["seconds"]))
    fields = [word for field in measurement.context.fields for word in ("-H", field)]
    command = ["h2load", "-t1", f"-c{parameters['connections']}", f"-m{STREAMS}", f"-D{duration}", *fields,
               measurement.server.url]
    return parsed(measurement, throughput.said(measurement, command, duration, parameters["connections"]))


def parsed(measurement, text):
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    size = re.search(r"traffic: \S+ \((\d+)\) total", text)
    if not counts or not size or not int(counts[1]):
        measurement.errors["h2load failed"] = 1
        measurement.context.note("h2load said: " + text.strip()[-300:])
        return measurement.result(requests=0, latency={}, throughput=False)
    for kind, number in zip(("failed", "errored", "timeout"), counts.groups()[1:]):
        if int(number):
            measurement.errors[kind] = int(number)
    return measurement.result(requests=int(counts[1]), latency={}, bytes_read=int(size[1]))
