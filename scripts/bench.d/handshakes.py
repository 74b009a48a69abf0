"""What a full TLS handshake costs: `openssl s_time` makes one connection after the other, without tickets."""

import re
import statistics
import subprocess

import contestants
from servers import Refused
from tables import Table, names, ratios

# Ours, the peer, the ratio that must not be exceeded: 0.95 times as many handshakes per CPU second.
PAIRS = [
    ("evgateway-inline-tls", "nginx-tls", 1 / 0.95),
    ("evgateway-asgi-tls", "uvicorn-tls", None),
    ("evgateway-asgi-tls", "granian-asgi-tls", None),
]
NAMES = names(PAIRS)


def tables(chosen, rounds, seconds):
    """CPU time per handshake, and its ratios."""
    servers, cost = {}, {name: [] for name in chosen}
    try:
        for name in chosen:
            servers[name] = contestants.started(name)
            measured(servers[name], 1)
        for number in range(rounds):
            for name in chosen if number % 2 == 0 else reversed(chosen):
                cost[name].append(measured(servers[name], seconds))
    finally:
        for server in servers.values():
            server.stop()
    figures = Table("full handshakes, TLS 1.3, ECDSA P-256", "CPU us/handshake")
    for name in chosen:
        figures.add(name, f"{statistics.median(cost[name]):.0f}")
    return figures, ratios("CPU time per handshake", PAIRS, cost)


def measured(server, seconds):
    """CPU microseconds per handshake."""
    server.settle()
    before = server.tree.cpu_seconds()
    host, port = server.target[1]
    done = subprocess.run(["openssl", "s_time", "-connect", f"{host}:{port}", "-new", "-tls1_3", "-time", str(seconds)],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds + 30)
    server.settle()
    counted = re.search(r"(\d+) connections in \d+ real seconds", done.stdout)
    if not counted or not int(counted[1]):
        raise Refused(f"{server.name}: openssl s_time: {done.stdout[-200:]}{done.stderr[-200:]}")
    return (server.tree.cpu_seconds() - before) / int(counted[1]) * 1e6
