"""User-space instructions per hello, counted by callgrind: they repeat within one percent, on a busy machine too, and
show what a change to the path of a request costs.

Two ways: 32 connections that have all asked before the first is answered, as under load, and one request at a time,
which pays alone for a turn of the loop. Both with no field but Host, and with those of a browser.
"""

import pathlib
import shutil
import statistics

import browser
from callgrind import Counted
from tables import Table, judged
from turns import Turns

# Name; per way the most instructions that we want, without a browser's fields and with them.
ROWS = [
    ("evgateway-swift", {"together": (9_000, 11_500)}),
    ("evgateway-inline", {"together": (12_500, 18_000)}),
    ("evgateway-asgi", {"together": (28_000, 33_000)}),
    ("evgateway-gevent", {"alone": (36_000, 42_000)}),
    ("evgateway-threads", {"alone": (22_000, 28_000)}),
]
PEERS = [("bare-c", {}), ("bjoern", {}), ("uvicorn", {})]
WAYS = {"together": "32 at once", "alone": "one at a time"}
FIELDS = {"plain": [], "browser": browser.FIELDS}
CONNECTIONS = 32
TURNS, TURNS_OF_LARGE, SAMPLES = 10, 2, 5
LARGE = 1 << 16


def table(rows, profiles=None):
    """A row per contestant and way. `profiles`: the folder where callgrind's files are kept, or None."""
    found = Table("instructions per hello", "plain", "target", "browser's fields", "target")
    for name, targets in rows:
        counts = [counted(name, f"{name}-{kind}", profiles, fields) for kind, fields in FIELDS.items()]
        for way, title in WAYS.items():
            cells = []
            for count, target in zip(counts, targets.get(way, (None, None))):
                cells += [f"{count[way]:,.0f}", judged(count[way], target, "{:,.0f}")]
            found.add(f"{name}, {title}", *cells)
    return found


def workload_table(key, workload, names, profiles=None):
    """A row per contestant of a workload, whose name in --only is `key`."""
    found = Table(f"instructions per request, {workload.title}", *WAYS.values())
    for name in names:
        count = counted(name, f"{name}-{key}", profiles, workload.fields, workload.app, workload.post,
                        TURNS_OF_LARGE if max(workload.post or 0, len(workload.answer)) >= LARGE else TURNS)
        found.add(name, *(f"{count[way]:,.0f}" for way in WAYS))
    return found


def counted(name, title, profiles, fields, app="hello", post=None, times=TURNS):
    """{way: instructions of a request}. `post`: the bytes of a POST's body, or None for a GET. `times`: how often each
    connection asks, for a sample and as a warm-up."""
    counts = {}
    with Counted(name, app) as under, Turns(under.server, CONNECTIONS, fields, post) as turns:
        warm_up(turns, times)
        under.begin()
        # What is translated only now, and caches of the interpreter: not counted either.
        warm_up(turns, times)
        for way in WAYS:
            samples = [under.count(lambda: again(getattr(turns, way), times)) for _ in range(SAMPLES)]
            counts[way] = statistics.median(count for count, _ in samples) / (times * CONNECTIONS)
            if profiles:
                pathlib.Path(profiles).mkdir(parents=True, exist_ok=True)
                shutil.copy(samples[-1][1], pathlib.Path(profiles) / f"{title}-{way}.callgrind")
    return counts


def warm_up(turns, times):
    again(turns.together, times)
    again(turns.alone, times)


def again(work, times):
    for _ in range(times):
        work()
