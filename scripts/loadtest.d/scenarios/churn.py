"""churn: connect, one request, close, and again. Without `rate` as often as it goes, with one client per connection.

Latency counts from before the connection was made; with `rate`, from the moment that the client was due.
"""

from . import throughput
from .parameters import Parameter, rate, seconds, whole

PARAMETERS = {
    "seconds": Parameter(10.0, seconds(0.5), "how long"),
    "connections": Parameter(64, whole(), "clients at a time, at most"),
    "rate": Parameter(0.0, rate, "connections per second, constant; 0: as fast as it goes"),
}
PATHS = ("fast",)
connections, expected_seconds = throughput.connections, throughput.expected_seconds


def run(measurement, parameters):
    return throughput.requests(measurement, measurement.request("fast"), parameters, fresh=True)
