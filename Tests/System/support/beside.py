"""Servers that answer at another address than the app's: the admin side, and where items are published."""

import contextlib

from conftest import PYTHON

from .gateway import APPS, Gateway
from .wire import Wire

ADMIN = r"Admin listening at: http://(\S+):(\d+)"
PUBLISHING = r"Publishing at: http://(\S+):(\d+)"


@contextlib.contextmanager
def started(*flags, env=None, app="contract:app"):
    """A server for a module's tests."""
    server = Gateway([app, "-b", "127.0.0.1:0", *flags, "--python", str(PYTHON), "--pythonpath", str(APPS)], env=env)
    try:
        yield server.wait_until_ready()
    finally:
        assert server.clean_up() == []


def tcp(server, pattern):
    """The address that the log tells by ADMIN or PUBLISHING."""
    found = server.log.wait_for(pattern)
    return found[1], int(found[2])


def ask(address, target, *fields, method="GET", host=None, version="1.1", body=None):
    """One request, with `fields` as lines. An empty `host` leaves the field out; a body that is chunked is that
    already."""
    lines = [f"{method} {target} HTTP/{version}", *([] if host == "" else [f"Host: {host or 'localhost'}"]), *fields]
    if body is not None and not any("chunked" in field for field in fields):
        lines.append(f"Content-Length: {len(body)}")
    with Wire(address) as wire:
        return wire.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")).read(method)
