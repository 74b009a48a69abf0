"""Compares evgateway with its peers side by side: interleaved rounds, the median of the ratios, CPU time first.

Absolute figures mean little on a shared machine; the ratios of one run do. `--only` takes names of contestants and
of tables (speed, memory, sleepers, latency), separated by commas: `--only evgateway-inline,bjoern`, `--only memory`,
`--only latency,evgateway-asgi-held`.
"""

import argparse
import platform
import resource
import statistics

import contestants
import measure

TABLES = ["speed", "memory", "sleepers", "latency"]
SPEED = ["bjoern", "evgateway-inline", "gunicorn-gthread", "gunicorn-gevent", "evgateway-gevent",
         "evgateway-threads", "granian-wsgi", "uvicorn", "evgateway-asgi", "granian-asgi",
         "hummingbird", "evgateway-swift", "bare-c"]
# Ours, the peer, the ratio of CPU time per request that we want to stay under.
RATIOS = [
    ("evgateway-inline", "bjoern", 0.85),
    ("evgateway-inline", "gunicorn-gevent", None),
    ("evgateway-inline", "gunicorn-gthread", None),
    ("evgateway-gevent", "gunicorn-gevent", 0.25),
    ("evgateway-threads", "granian-wsgi", 0.60),
    ("evgateway-asgi", "uvicorn", 0.60),
    ("evgateway-asgi", "granian-asgi", 0.85),
    ("evgateway-swift", "hummingbird", 0.40),
    ("evgateway-swift", "bare-c", 1.35),
]
# Name, target, whether the request is answered (an idle connection) or held, the most bytes that we want.
MEMORY = [
    ("evgateway-swift", "/", True, 1024),
    ("evgateway-inline", "/", True, 1024),
    ("evgateway-gevent", "/", True, 1024),
    ("evgateway-asgi", "/", True, 1024),
    ("bjoern", "/", True, None),
    ("hummingbird", "/", True, None),
    ("gunicorn-gevent", "/", True, None),
    ("evgateway-chat", "/messages?since=0", False, 3072),
    ("evgateway-gevent-held", "/held", False, 10240),
    ("evgateway-asgi-held", "/held", False, 4608),
    ("hummingbird", "/held", False, None),
]
# Name, target; the most seconds until everyone of a crowd that sleeps for five has been answered.
SLEEPERS = [("evgateway-gevent-held", "/sleep", 7)]
# Name, target that is held; how many times as long the 99th percentile beside the crowd may be.
LATENCY = [("evgateway-gevent-held", "/held", 2), ("evgateway-asgi-held", "/held", 2)]


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=int, default=3, help="seconds of load per contestant and round")
    parser.add_argument("--held", type=int, default=5000, help="connections held at a time, in the tables but speed")
    parser.add_argument("--only", default=",".join(TABLES))
    options = parser.parse_args()
    only = options.only.split(",")
    named = [name for name in contestants.COMMANDS if name in only]
    if unknown := set(only) - set(named) - set(TABLES):
        parser.error(f"nothing is called {', '.join(sorted(unknown))}; there are "
                     + ", ".join([*TABLES, *contestants.COMMANDS]))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    tables = [table for table in TABLES if table in only] or TABLES

    def chosen(table, rows):
        """Of a table that was asked for, the rows whose first field was."""
        return [row for row in rows if table in tables and (not named or row[0] in named)]

    speed = [name for (name,) in chosen("speed", [(name,) for name in SPEED])]
    memory, sleepers, latency = chosen("memory", MEMORY), chosen("sleepers", SLEEPERS), chosen("latency", LATENCY)
    count = min(options.held, hard - 200)
    print(f"{platform.machine()}, {platform.system()} {platform.release()}; "
          f"{options.rounds} interleaved rounds of {options.duration} s, wrk -t1 -c64\n")
    for name in dict.fromkeys([*speed, *(row[0] for row in [*memory, *sleepers, *latency])]):
        print(f"  {name:22} {contestants.version(name):22} {contestants.command_line(name)}")
    if speed:
        speed_table(speed, options.rounds, options.duration)
    if memory:
        memory_table(memory, count)
    if sleepers:
        sleepers_table(sleepers, count)
    if latency:
        latency_table(latency, count, options.rounds)


def speed_table(names, rounds, duration):
    servers = {}
    try:
        for name in names:
            servers[name] = contestants.Server(name)
        sizes = {name: measure.response_size(server) for name, server in servers.items()}
        for server in servers.values():
            measure.load(server, 1)
        cpu, rate = {name: [] for name in names}, {name: [] for name in names}
        for number in range(rounds):
            # Every other round runs backwards, so that no one always follows the same neighbour.
            for name in names if number % 2 == 0 else reversed(names):
                used, requests = measure.load(servers[name], duration)
                cpu[name].append(used)
                rate[name].append(requests)
    finally:
        for server in servers.values():
            server.stop()

    print(f"\n{'hello, 13 bytes':24}{'CPU us/request':>16}{'requests/s':>14}{'bytes on the wire':>20}")
    for name in names:
        print(f"{name:24}{statistics.median(cpu[name]):16.2f}{statistics.median(rate[name]):14.0f}{sizes[name]:20}")
    print(f"\n{'CPU time per request':48}{'ratio':>8}{'range':>16}{'target':>10}")
    for ours, peer, target in RATIOS:
        if ours in cpu and peer in cpu:
            ratios = sorted(a / b for a, b in zip(cpu[ours], cpu[peer]))
            middle = statistics.median(ratios)
            print(f"{ours + ' : ' + peer:48}{middle:8.2f}{f'{ratios[0]:.2f}-{ratios[-1]:.2f}':>16}"
                  + judged(middle, target, "{:.2f}"))


def memory_table(rows, count):
    print(f"\n{f'PSS per connection, {count} of them':48}{'bytes':>8}{'':16}{'target':>10}")
    for name, target, answered, limit in rows:
        server = contestants.Server(name)
        try:
            growth = measure.memory(server, target, count, answered)
        finally:
            server.stop()
        print(f"{name + (', idle keep-alive' if answered else ', request held'):48}{growth:8.0f}{'':16}"
              + judged(growth, limit, "{:.0f}"), flush=True)


def sleepers_table(rows, count):
    print(f"\n{f'{count} requests that sleep for 5 s':48}{'seconds':>8}{'':16}{'target':>10}")
    for name, target, limit in rows:
        server = contestants.Server(name)
        try:
            elapsed = measure.sleepers(server, target, count)
        finally:
            server.stop()
        print(f"{name + ', all answered':48}{elapsed:8.2f}{'':16}" + judged(elapsed, limit, "{:.0f}"), flush=True)


def latency_table(rows, count, rounds):
    """A round is 2000 requests, a fraction of a second: so five for each that was asked for."""
    print(f"\n{f'p99 beside {count} held requests : alone':48}{'ratio':>8}{'range':>16}{'target':>10}{'':10}us")
    for name, target, limit in rows:
        servers = []
        try:
            for _ in range(2):
                servers.append(contestants.Server(name))
            pairs = measure.latencies(*servers, target, count, 5 * rounds)
        finally:
            for server in servers:
                server.stop()
        ratios = sorted(beside / alone for alone, beside in pairs)
        middle = statistics.median(ratios)
        alone, beside = (statistics.median(times) * 1e6 for times in zip(*pairs))
        print(f"{name:48}{middle:8.2f}{f'{ratios[0]:.2f}-{ratios[-1]:.2f}':>16}"
              + f"{judged(middle, limit, '{:.0f}'):20}{beside:.0f} : {alone:.0f}", flush=True)


def judged(value, target, form):
    if target is None:
        return f"{'-':>10}"
    return f"{'<= ' + form.format(target):>10}  {'met' if value <= target else 'MISSED'}"


if __name__ == "__main__":
    main()
