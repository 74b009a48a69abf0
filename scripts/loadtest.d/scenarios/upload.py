"""upload: requests with a body, one after another on each connection. Latency is until the answer is there."""

import os

from . import throughput
from .parameters import Parameter, rate, seconds, size, whole

PARAMETERS = {
    "seconds": Parameter(10.0, seconds(0.5), "seconds of the scenario"),
    "bytes": Parameter(1 << 20, size, "bytes of a body, as in 4096, 64k or 1m"),
    "connections": Parameter(8, whole(), "keep-alive connections"),
    "rate": Parameter(0.0, rate, "bodies per second, constant; 0: as fast as answers come"),
}
PATHS = ("upload",)
connections, expected_seconds = throughput.connections, throughput.expected_seconds


def run(measurement, parameters):
    # Not all the same byte, so that nothing can compress it or treat it specially.
    body = (os.urandom(1024) * (parameters["bytes"] // 1024 + 1))[:parameters["bytes"]]
    found = throughput.requests(measurement, measurement.request("upload", "POST", body), parameters)
    found["extra"]["sent_bytes_per_second"] = round(found["requests"] * parameters["bytes"] / found["seconds"])
    return found
