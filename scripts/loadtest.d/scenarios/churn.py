"""churn: connect, send one request, close, and again. Without `rate` as fast as possible, one client per connection.

Latency includes the time to connect; with `rate`, it counts from the time at which the client was due.
"""

from . import throughput
from .parameters import Parameter, rate, seconds, whole

PARAMETERS = {
    "seconds": Parameter(10.0, seconds(0.5), "seconds of the scenario"),
    "connections": Parameter(64, whole(), "most clients at a time"),
    "rate": Parameter(0.0, rate, "connections per second, constant; 0: as fast as possible"),
}
PATHS = ("fast",)
connections, expected_seconds = throughput.connections, throughput.expected_seconds


def run(measurement, parameters):
    return throughput.requests(measurement, measurement.request("fast"), parameters, fresh=True)
