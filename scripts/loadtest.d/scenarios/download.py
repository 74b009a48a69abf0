"""download: answers with a large body, one after another on each connection. Latency is until the last byte."""

from . import throughput
from .parameters import Parameter, rate, seconds, size, whole

PARAMETERS = {
    "seconds": Parameter(10.0, seconds(0.5), "seconds of the scenario"),
    "bytes": Parameter(1 << 20, size, "bytes of an answer, as in 4096, 64k or 1m; only if the path has {bytes}"),
    "connections": Parameter(8, whole(), "keep-alive connections"),
    "rate": Parameter(0.0, rate, "answers per second, constant; 0: as fast as they come"),
}
PATHS = ("download",)
connections, expected_seconds = throughput.connections, throughput.expected_seconds


def run(measurement, parameters):
    data = measurement.request("download", bytes=parameters["bytes"])
    found = throughput.requests(measurement, data, parameters)
    found["extra"]["read_bytes_per_second"] = round(found["bytes_read"] / found["seconds"])
    return found
