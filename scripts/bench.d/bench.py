"""Compares evgateway with its peers side by side: interleaved rounds, the median of the ratios, CPU time first.

Absolute figures mean little on a shared machine; the ratios of one run do. `--only` takes names of contestants or
rows, separated by commas: `--only evgateway-inline,bjoern`, `--only speed`, `--only memory`.
"""

import argparse
import platform
import resource
import statistics

import contestants
import measure

SPEED = ["evgateway-inline", "bjoern", "gunicorn-gevent", "gunicorn-gthread", "evgateway-swift", "hummingbird", "bare-c"]
# Ours, the peer, the ratio of CPU time per request that we want to stay under.
RATIOS = [
    ("evgateway-inline", "bjoern", 0.85),
    ("evgateway-inline", "gunicorn-gevent", None),
    ("evgateway-inline", "gunicorn-gthread", None),
    ("evgateway-swift", "hummingbird", 0.40),
    ("evgateway-swift", "bare-c", 1.35),
]
# Name, target, whether the request is answered (an idle connection) or held, the most bytes that we want.
MEMORY = [
    ("evgateway-swift", "/", True, 1024),
    ("evgateway-inline", "/", True, 1024),
    ("bjoern", "/", True, None),
    ("hummingbird", "/", True, None),
    ("gunicorn-gevent", "/", True, None),
    ("evgateway-chat", "/messages?since=0", False, 3072),
    ("hummingbird", "/held", False, None),
]


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=int, default=3, help="seconds of load per contestant and round")
    parser.add_argument("--held", type=int, default=5000, help="connections held for the memory rows")
    parser.add_argument("--only", default="speed,memory")
    options = parser.parse_args()
    only = options.only.split(",")
    named = [name for name in contestants.COMMANDS if name in only]
    if unknown := set(only) - set(named) - {"speed", "memory"}:
        parser.error(f"nothing is called {', '.join(sorted(unknown))}; there are speed, memory, "
                     + ", ".join(contestants.COMMANDS))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    speed = [name for name in SPEED if not named or name in named] if "memory" not in only or "speed" in only else []
    memory = [row for row in MEMORY if not named or row[0] in named] if "speed" not in only or "memory" in only else []
    print(f"{platform.machine()}, {platform.system()} {platform.release()}; "
          f"{options.rounds} interleaved rounds of {options.duration} s, wrk -t1 -c64\n")
    for name in dict.fromkeys([*speed, *(row[0] for row in memory)]):
        print(f"  {name:17} {contestants.version(name):24} {contestants.command_line(name)}")
    if speed:
        speed_table(speed, options.rounds, options.duration)
    if memory:
        memory_table(memory, options.held, hard)


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


def memory_table(rows, wanted, descriptors):
    count = min(wanted, descriptors - 200)
    print(f"\n{f'PSS per connection, {count} of them':48}{'bytes':>8}{'':16}{'target':>10}")
    for name, target, answered, limit in rows:
        server = contestants.Server(name)
        try:
            growth = measure.memory(server, target, count, answered)
        finally:
            server.stop()
        print(f"{name + (', idle keep-alive' if answered else ', request held'):48}{growth:8.0f}{'':16}"
              + judged(growth, limit, "{:.0f}"), flush=True)


def judged(value, target, form):
    if target is None:
        return f"{'-':>10}"
    return f"{'<= ' + form.format(target):>10}  {'met' if value <= target else 'MISSED'}"


if __name__ == "__main__":
    main()
