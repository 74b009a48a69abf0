"""One measurement each: CPU time per request under wrk, memory per connection that is held."""

import re
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
    for client in crowd:
        client.close()
    return growth / count


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
