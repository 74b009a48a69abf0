"""One measurement each: CPU time per request under wrk, memory per connection that is held, the time until a crowd
that sleeps is answered, the latency of a request beside such a crowd."""

import re
import select
import socket
import subprocess
import time


def response_size(server, target="/"):
    """Bytes of one answer on the wire."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        return len(_exchange(client, target))


def _exchange(client, target):
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer or not answer.endswith(b"Hello, World!"):
        piece = client.recv(65536)
        if not piece:
            raise SystemExit(f"bench: no whole answer: {answer!r}")
        answer += piece
    return answer


def load(server, seconds, connections=64):
    """Runs wrk; returns (CPU microseconds per request of the server's process tree, requests per second)."""
    before, start = server.cpu_seconds(), time.monotonic()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", server.url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used, elapsed = server.cpu_seconds() - before, time.monotonic() - start
    if trouble := re.search(r"(Non-2xx.*|Socket errors.*)", text):
        raise SystemExit(f"bench: {server.name}: {trouble[1]}")
    requests = int(re.search(r"(\d+) requests in", text)[1])
    return used / requests * 1e6, requests / elapsed


def memory(server, target, count, answered):
    """Growth of PSS in bytes per connection, idle after one answer (`answered`) or with its request held.

    A first, smaller crowd comes and goes before, so that what is allocated once does not count.
    """
    _crowd(server, target, 200, answered, close=True)
    _settle(server)
    before = server.pss_bytes()
    crowd = _crowd(server, target, count, answered)
    _settle(server)
    growth = server.pss_bytes() - before
    if not answered:
        _still_held(server, crowd)
    for client in crowd:
        client.close()
    return growth / count


def sleepers(server, target, count):
    """Seconds from the first connection until `count` requests, sent at once, have all been answered."""
    start = time.monotonic()
    crowd = _crowd(server, target, count, answered=False)
    waiting, poll = {client.fileno(): [client, b""] for client in crowd}, select.epoll()
    for descriptor in waiting:
        poll.register(descriptor, select.EPOLLIN)
    while waiting:
        ready = poll.poll(120)
        if not ready:
            raise SystemExit(f"bench: {server.name}: {len(waiting)} of {count} sleepers were never answered")
        for descriptor, _ in ready:
            entry = waiting[descriptor]
            piece = entry[0].recv(65536)
            entry[1] += piece
            if entry[1].startswith(b"HTTP/1.1 200 ") and entry[1].endswith(b"Hello, World!"):
                poll.unregister(descriptor)
                del waiting[descriptor]
            elif not piece:
                raise SystemExit(f"bench: {server.name}: no whole answer: {entry[1]!r}")
    elapsed = time.monotonic() - start
    poll.close()
    for client in crowd:
        client.close()
    return elapsed


def latencies(empty, full, target, count, rounds, requests=2000):
    """Per round the 99th percentile of `requests` requests in seconds, sent one after another: to a server that is
    alone with them, and to one that holds `count` others."""
    crowd = _crowd(full, target, count, answered=False)
    _settle(full)
    found = []
    with (socket.create_connection(("127.0.0.1", empty.port), 10) as alone,
          socket.create_connection(("127.0.0.1", full.port), 10) as beside):
        for client in (alone, beside):
            _percentile(client, requests)
        for number in range(rounds):
            order = (alone, beside) if number % 2 == 0 else (beside, alone)
            figures = {client: _percentile(client, requests) for client in order}
            found.append((figures[alone], figures[beside]))
    _still_held(full, crowd)
    for client in crowd:
        client.close()
    return found


def _percentile(client, requests):
    times = []
    for _ in range(requests):
        start = time.perf_counter()
        _exchange(client, "/")
        times.append(time.perf_counter() - start)
    return sorted(times)[requests * 99 // 100 - 1]


def _still_held(server, crowd):
    """No request of the crowd has been answered and no connection closed."""
    poll = select.poll()
    for client in crowd:
        poll.register(client, select.POLLIN)
    if ready := poll.poll(0):
        raise SystemExit(f"bench: {server.name}: {len(ready)} of {len(crowd)} requests were not held")


def _crowd(server, target, count, answered, close=False):
    clients = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", server.port), 10)
        if answered:
            _exchange(client, target)
        else:
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        clients.append(client)
    if close:
        _settle(server)
        for client in clients:
            client.close()
        return []
    return clients


def _settle(server):
    """Until the server has used no CPU time worth a tick for half a second."""
    last = -1.0
    while (now := server.cpu_seconds()) - last > 0.011:
        last = now
        time.sleep(0.5)
