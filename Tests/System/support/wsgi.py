"""What the WSGI tests share: the apps' locators, and helpers for requests."""

import hashlib

import requests

APP = "Tests/System/wsgi_apps/wsgi_app.py:app"
VALIDATED = "Tests/System/wsgi_apps/wsgi_app.py:validated"
# Every worker class that calls WSGI apps; the tests that take the fixture `worker_class` run on each.
WSGI_CLASSES = ["inline", "gevent", "threads"]
# Bodies that arrive with their head, that arrive in several reads, and that are too large for memory.
SIZES = [10, 100_000, 3_000_000]
SECRET = "the secret of the app"


def ask(server, target, method="GET", **more):
    return requests.request(method, server.base_url + target, timeout=60, allow_redirects=False, **more)


def chunked(data, size):
    return (data[start:start + size] for start in range(0, len(data), size))


def sha(data):
    return hashlib.sha256(data).hexdigest()


def settled(value, same=20):
    """Returns the value when it has been the same many times in a row."""
    last, count = value(), 0
    while count < same:
        now = value()
        last, count = now, count + 1 if now == last else 0
    return last


def raw(server, request):
    """Sends bytes and reads one response."""
    with server.connect() as wire:
        return wire.send(request).read()
