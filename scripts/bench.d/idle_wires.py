"""What a connection costs that has had one answer and is idle: over TLS, and with HTTP/2."""

import time

import contestants
from servers import HTTP2_PREFACE, Refused
from tables import Table, judged

# Contestant, the most bytes.
ROWS = [
    ("evgateway-asgi-http2", 6144),
    ("granian-asgi-http2", None),
    ("hypercorn-http2", None),
    ("hummingbird-http2", None),
    ("evgateway-asgi-tls", None),
    ("uvicorn-tls", None),
    ("granian-asgi-tls", None),
    ("nginx-tls", None),
]
# Stream 1: GET, http and / of HPACK's static table, and an authority of one letter (RFC 7541 appendix A).
HTTP2_REQUEST = bytes([0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x01, 1]) + b"a"
END_STREAM = 1


def table(names, count):
    found = Table(f"PSS per idle connection, {count} of them", "bytes", "target")
    for name, limit in ROWS:
        if name in names:
            growth = measured(name, count)
            found.add(name, f"{growth:.0f}", judged(growth, limit, "{:.0f}"))
    return found


def measured(name, count):
    """Bytes by which the server's memory grows per connection. What only the first ones cost does not count."""
    server = contestants.started(name)
    clients = []
    try:
        for _ in range(count // 25):
            opened(server).close()
        server.settle()
        before = server.tree.own_pss_bytes()
        clients += (opened(server) for _ in range(count))
        time.sleep(1)
        server.settle()
        return (server.tree.own_pss_bytes() - before) / count
    finally:
        for client in clients:
            client.close()
        server.stop()


def opened(server):
    client = server.connected(server.target[1], 30)
    with client.makefile("rb") as stream:
        if server.spec.http2:
            client.sendall(HTTP2_PREFACE + HTTP2_REQUEST)
            while not answered(stream, client):
                pass
        else:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            if not stream.readline().startswith(b"HTTP/1.1 200"):
                raise Refused(f"{server.name}: no answer")
            length = 0
            while (line := stream.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            stream.read(length)
    return client


def answered(stream, client):
    """Reads a frame (RFC 9113 section 4.1), and answers SETTINGS. Returns true for the last one of stream 1."""
    head = stream.read(9)
    if len(head) < 9:
        raise Refused("HTTP/2: the connection has ended")
    stream.read(int.from_bytes(head[:3], "big"))
    kind, flags, identifier = head[3], head[4], int.from_bytes(head[5:], "big")
    if kind == 4 and not flags:
        client.sendall(bytes([0, 0, 0, 4, 1, 0, 0, 0, 0]))
    return identifier == 1 and kind in (0, 1) and bool(flags & END_STREAM)
