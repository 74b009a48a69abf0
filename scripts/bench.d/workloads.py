"""The workloads: the request, the app that answers it, and the pairs of servers whose CPU time is compared."""

import browser
import h2load
from scenarios import throughput
from tables import names


class Workload:
    """`pairs`: ours, the peer, and the ratio of CPU time per request that must not be exceeded, or None. `app`: the
    module that is served instead of hello. `post`: the bytes of a POST's body, or None for a GET. `answer`: the body of
    the answer. `connections`: those of the client, which `load` runs."""

    def __init__(self, title, pairs, app="hello", fields=(), post=None, answer=b"Hello, World!", connections=64,
                 load=throughput.wrk):
        self.title, self.pairs, self.app, self.fields, self.post = title, pairs, app, list(fields), post
        self.answer, self.connections = answer, connections
        self.load, self.client = load, f"{load.__name__} -c{connections}"
        # Each peer is next to ours, in the order of the pairs.
        self.names = names(pairs)


HELLO = [
    ("evgateway-inline", "bjoern", 0.85),
    ("evgateway-inline", "fastpysgi", None),
    ("evgateway-inline", "gunicorn-gevent", None),
    ("evgateway-inline", "gunicorn-gthread", None),
    ("evgateway-gevent", "gunicorn-gevent", 0.25),
    ("evgateway-threads", "granian-wsgi", 0.60),
    ("evgateway-asgi", "uvicorn", 0.60),
    ("evgateway-asgi", "granian-asgi", 0.85),
    ("evgateway-swift", "hummingbird", 0.40),
    ("evgateway-swift", "bare-c", 1.35),
]
WORKLOADS = {
    "speed": Workload("hello, 13 bytes", HELLO),
    "browser": Workload("hello with a browser's fields", [(ours, peer, None) for ours, peer, _ in HELLO],
                        fields=browser.FIELDS),
    "post-1k": Workload("POST of 1 KB", [
        ("evgateway-inline", "bjoern", 0.85),
        ("evgateway-inline", "fastpysgi", 0.85),
    ], app="bodies", post=1 << 10, answer=b"1024"),
    "post-256k": Workload("POST of 256 KB", [
        ("evgateway-threads", "granian-wsgi", 0.90),
        ("evgateway-inline", "bjoern", 0.80),
        ("evgateway-gevent", "gunicorn-gevent", 0.28),
        ("evgateway-asgi", "granian-asgi", 0.50),
        ("evgateway-asgi", "uvicorn", None),
    ], app="bodies", post=1 << 18, answer=b"262144", connections=16),
    "download": Workload("download of 1 MB", [
        ("evgateway-threads", "granian-wsgi", 0.85),
        ("evgateway-inline", "bjoern", None),
        ("evgateway-gevent", "gunicorn-gevent", None),
        ("evgateway-asgi", "granian-asgi", None),
        ("evgateway-asgi", "uvicorn", None),
    ], app="bodies", answer=bytes(1 << 20), connections=16),
    "flask": Workload("Flask", [
        ("evgateway-inline", "gunicorn-gthread", None),
        ("evgateway-threads", "gunicorn-gthread", None),
        ("evgateway-threads", "granian-wsgi", None),
        ("evgateway-gevent", "gunicorn-gevent", None),
    ], app="hello_flask"),
    "fastapi": Workload("FastAPI", [
        ("evgateway-asgi", "uvicorn", None),
        ("evgateway-asgi", "granian-asgi", None),
    ], app="hello_fastapi", answer=b'{"hello":"world"}'),
    "tls": Workload("hello over TLS", [
        ("evgateway-inline-tls", "evgateway-inline", 1.60),
        ("evgateway-asgi-tls", "evgateway-asgi", 1.60),
        ("evgateway-swift-tls", "evgateway-swift", 1.60),
        ("evgateway-asgi-tls", "uvicorn-tls", 0.60),
        ("evgateway-asgi-tls", "granian-asgi-tls", 0.60),
    ]),
    "http2": Workload("hello over HTTP/2", [
        ("evgateway-asgi-http2", "granian-asgi-http2", 0.60),
        ("evgateway-asgi-http2", "hypercorn-http2", 0.10),
        ("evgateway-swift-http2", "hummingbird-http2", 0.40),
    ], connections=10, load=h2load.h2load),
}
