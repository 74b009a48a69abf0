"""The table of the bus: how many small messages go from one worker to all others, and how long one is on its way."""

import http.client
import json
import statistics

import contestants
from servers import Refused
from tables import Table, judged

NAMES = ["evgateway-bus-threads"]
WORKERS = contestants.BUS_WORKERS
# Messages a second, counted where they arrive; the most milliseconds of the 99th percentile at so many published.
LEAST, RATE, LIMIT = 100_000, 10_000, 2


def tables(chosen, rounds, seconds):
    """Servers of six workers take turns: one alone has work for all processors."""
    flood = Table(f"small messages from one of {WORKERS} workers to the others", "a second, received", "range",
                  "CPU us each", "target")
    pace = Table(f"{RATE} of them a second", "p50 ms", "p99 ms", "range of p99", "target")
    for name in chosen:
        floods, costs, paces = [], [], []
        server = contestants.started(name)
        try:
            asked(server, "flood", 1)
            for _ in range(rounds):
                before = server.tree.cpu_seconds()
                found = asked(server, "flood", seconds)
                costs.append((server.tree.cpu_seconds() - before) / found["received"] * 1e6)
                floods.append(found["received"] / found["seconds"])
                paces.append({share: nanoseconds / 1e6 for share, nanoseconds in
                              asked(server, "pace", seconds, rate=RATE)["times"].items()})
        finally:
            server.stop()
        middle = statistics.median(floods)
        flood.add(name, f"{middle:.0f}", f"{min(floods):.0f}-{max(floods):.0f}", f"{statistics.median(costs):.1f}",
                  f">= {LEAST} {'met' if middle >= LEAST else 'MISSED'}")
        p50, p99 = ([one[share] for one in paces] for share in ("50", "99"))
        middle = statistics.median(p99)
        pace.add(name, f"{statistics.median(p50):.2f}", f"{middle:.2f}", f"{min(p99):.2f}-{max(p99):.2f}",
                 judged(middle, LIMIT, "{:.0f}"))
    return flood, pace


def asked(server, how, seconds, **more):
    query = "".join(f"&{name}={value}" for name, value in more.items())
    client = http.client.HTTPConnection(*server.target[1][:2], timeout=seconds + 60)
    client.request("GET", f"/{how}?seconds={seconds}&workers={WORKERS}{query}")
    answer = client.getresponse()
    text = answer.read()
    client.close()
    if answer.status != 200:
        raise Refused(f"{server.name}: {answer.status}")
    found = json.loads(text)
    if found["lost"] or found["received"] != (WORKERS - 1) * found["sent"]:
        raise Refused(f"{server.name}: {found['received']} received of {WORKERS - 1} times {found['sent']}, "
                      f"{found['lost']} lost")
    return found
