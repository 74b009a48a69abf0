"""The table of requests that belong to another worker: what it costs that their connection moves there."""

import http.client
import re
import socket
import statistics

import contestants
from servers import Refused
from tables import Table, judged

PLAIN, STICKY = NAMES = ["evgateway-inline-4", "evgateway-inline-4-sticky"]
# The most microseconds of CPU time.
LIMIT = 50
# Connections per second, each with one request.
RATE = 2000


def table(measured, rounds, seconds):
    """`measured`: runs a scenario on a server."""
    servers = {name: contestants.started(name, fast="/?s=1") for name in NAMES}
    try:
        found, shares = [], []
        for server in servers.values():
            churned(measured, server, 1)
        for number in range(rounds):
            cpu = {}
            for name in NAMES if number % 2 == 0 else reversed(NAMES):
                before = moves() if name == STICKY else 0
                cpu[name], count = churned(measured, servers[name], seconds)
                if name == STICKY:
                    moved = moves() - before
            if not moved:
                raise Refused(f"{STICKY}: no connection has moved")
            shares.append(moved / count)
            found.append((cpu[STICKY] - cpu[PLAIN]) * count / moved)
    finally:
        for server in servers.values():
            server.stop()
    middle = statistics.median(found)
    made = Table(f"a connection that moves to another of 4 workers, {RATE} a second come", "CPU us", "range", "moved",
                 "target")
    made.add(STICKY, f"{middle:.1f}", f"{min(found):.1f}-{max(found):.1f}", f"{statistics.median(shares):.0%}",
             judged(middle, LIMIT, "{:.0f}"))
    return made


def churned(measured, server, seconds):
    """CPU microseconds per connection, and how many there were."""
    server.settle()
    result = measured(server, f"churn:seconds={seconds},rate={RATE}")
    return result["cpu_per_request_us"], result["requests"]


def moves():
    """Connections that have moved for this since the server has started."""
    client = http.client.HTTPConnection("localhost")
    client.sock = socket.socket(socket.AF_UNIX)
    client.sock.connect(contestants.STICKY_ADMIN)
    client.request("GET", "/metrics")
    text = client.getresponse().read().decode()
    client.close()
    return sum(map(int, re.findall(r"^evgateway_sticky_moves_total(?:\{.*\})? (\d+)", text, re.MULTILINE)))
