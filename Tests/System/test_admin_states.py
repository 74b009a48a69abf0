"""What `/status` and `/connections` call a server, its workers and its connections, each brought about from outside;
those that test_admin_table.py has are not repeated here."""

import re
import signal

import pytest

from support import frames, wait
from support.gateway_wires import PROTOCOLS, Front
from support.wire import Wire
from test_admin_table import admin, gate, serve, the_only  # noqa: F401

BOOTS = """
import os
import time

from contract import app

while os.path.exists("closed"):
    time.sleep(0.01)
"""


# The server and its workers


def test_server_that_starts_and_that_reloads(gateway, admin, tmp_path):
    """Its workers are loading the app, which is no standing still."""
    (tmp_path / "boots.py").write_text(BOOTS)
    closed = tmp_path / "closed"
    closed.touch()
    server = gateway("boots:app", "-k", "threads", *admin.flags, cwd=tmp_path, wait=False)

    def loads(state):
        wait.until(lambda: admin.status()["state"] == state, lambda: f"{state}, not {admin.status()['state']}")
        wait.until(lambda: admin.status()["workers"][-1]["state"] == "booting", "the last worker boots")
        wait.until(lambda: admin.status()["workers"][-1]["silence"] > 2.2, "nothing is heard of it for a while")
        assert not admin.status()["workers"][-1]["stuck"]

    admin.wait_until_there()
    loads("starting")
    assert (admin.ask("/readyz").status, admin.ask("/readyz").body) == (503, b"0 of 1 workers ready\n")
    closed.unlink()
    server.wait_until_ready()
    wait.until(lambda: admin.status()["state"] == "serving", "it serves")
    assert the_only(admin.status())["state"] == "ready" and admin.ask("/readyz").status == 200
    closed.touch()
    server.signal(signal.SIGHUP)
    loads("reloading")
    assert [worker["state"] for worker in admin.status()["workers"]] == ["ready", "booting"]
    assert (admin.ask("/readyz").status, admin.ask("/readyz").body) == (200, b"1 of 2 workers ready\n")
    closed.unlink()
    wait.until(lambda: admin.status()["state"] == "serving", "it serves again")


def test_requests_of_a_worker_are_told(serve, admin, gate):
    server = serve("both:wsgi", "-k", "gevent")
    first = server.connect().request("GET", f"/hold?file={gate}&n=1")
    admin.wait_for(first, "app")
    second = server.connect().request("GET", f"/hold?file={gate}&n=2")
    admin.wait_for(second, "app")
    with server.connect() as kept:
        assert kept.get("/me").status == 200
        wait.until(lambda: the_only(admin.status())["idle"] == 1, "one is kept alive")
        wait.until(lambda: (the_only(admin.status())["longest"] or {}).get("line", "").endswith("&n=1 HTTP/1.1"),
                   "the longest is known")
        worker = the_only(admin.status())
        assert (worker["connections"], worker["in_flight"], worker["requests"], worker["dropped"]) == (3, 2, 3, 0)
        assert worker["longest"]["age"] > 0 and worker["uptime"] >= worker["longest"]["age"]
        assert [one["target"][-3:] for one in worker["slowest"]] == ["n=1", "n=2"]
        first.reset()
        wait.until(lambda: the_only(admin.status())["longest"]["line"].endswith("&n=2 HTTP/1.1"),
                   "the other is the longest now")


def test_ten_oldest_requests_are_told(serve, admin, gate):
    server = serve("both:asgi", "-k", "asgi")
    wires = []
    for number in range(12):
        wires.append(server.connect().request("GET", f"/hold?file={gate}&n={number}"))
        admin.wait_for(wires[-1], "app")
    wait.until(lambda: len(the_only(admin.status())["slowest"]) == 10, "ten are told")
    slowest = the_only(admin.status())["slowest"]
    assert [one["target"].rpartition("n=")[2] for one in slowest] == [str(number) for number in range(10)]
    assert [one["since"] for one in slowest] == sorted((one["since"] for one in slowest), reverse=True)
    gate.touch()
    assert [wire.read().status for wire in wires] == [200] * 12


# Connections


def test_proxy_header(serve, admin):
    server = serve("contract:app", "--proxy-protocol", "v1", "--proxy-allow-from", "*")
    with server.connect() as silent, server.connect() as begun:
        admin.wait_for(silent, "idle", "the first request, ")
        begun.send("PROXY TC")
        one = admin.wait_for(begun, "reading", "the rest of a PROXY header, ")
        assert one["bytes_in"] == 8 and re.search(r", \d+ of at most \d+ s$", one["waits_for"])


def test_body_that_nobody_reads(serve, admin):
    server = serve("both:asgi", "-k", "asgi")
    with server.connect() as wire:
        wire.send("POST /me HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n0123456789")
        assert not wire.read().closes
        one = admin.wait_for(wire, "reading", "the end of a body that nobody reads, ")
        assert one["method"] is None
        wire.send("x" * 1990)
        admin.wait_for(wire, "idle", "the next request, ")


def test_body_of_unknown_length(serve, admin):
    server = serve("contract:app", "-k", "gevent")
    with server.connect() as wire:
        wire.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n")
        assert admin.wait_for(wire, "reading", "the body, ")["waits_for"] == "the body, 10 bytes have come"


@pytest.mark.parametrize("worker_class", ["threads", "gevent"])
def test_connection_that_the_app_has_taken(serve, admin, worker_class):
    server = serve("Tests/System/wsgi_apps/socket_app.py:app", "-k", worker_class)
    with server.connect() as wire:
        assert wire.send(frames.opening("/sock/echo")).read_head().status == 101
        one = admin.wait_for(wire, "app", "the app, which has taken the connection")
        assert (one["method"], one["target"]) == ("GET", "/sock/echo")


def test_answer_that_is_the_last_and_that_a_client_does_not_read(serve, admin):
    server = serve("contract:app", "-k", "threads")
    with server.connect(receive_buffer=4096) as wire:
        wire.request("GET", "/bytes?count=30000000", fields=[("Connection", "close")])
        admin.wait_for(wire, "closing", "the client to read ")


@pytest.fixture
def opened(serve):
    """Factory: a client of WebSocket with a server of Tests/System/asgi_apps/websocket_app.py."""
    clients = []

    def start(path, *flags):
        server = serve("Tests/System/asgi_apps/websocket_app.py:app", "-k", "asgi", *flags)
        wire = Wire(server.address, receive_buffer=4096).send(frames.opening(path))
        clients.append(wire)
        assert wire.read_head().status == 101
        return wire
    yield start
    for wire in clients:
        wire.close()


def test_websocket_that_gives_no_sign_of_life(opened, admin):
    wire = opened("/echo", "--ws-ping-interval", 0.2, "--ws-ping-timeout", 100)
    one = admin.wait_for(wire, "websocket", "a sign of life")
    assert (one["method"], one["target"]) == ("GET", "/echo")
    assert wire.read_exactly(2)[0] == frames.PING
    wire.send(frames.masked(frames.PONG, b""))
    admin.wait_for(wire, "websocket", "a message")


def test_websocket_whose_app_takes_nothing(opened, admin):
    wire = opened("/sleeps", "--ws-max-queue", 1)
    for _ in range(50):
        wire.send(frames.masked(frames.BINARY, b"x" * 1000))
    admin.wait_for(wire, "websocket", "the app to take messages")


def test_websocket_whose_client_takes_nothing(opened, admin):
    wire = opened("/echo")
    wire.socket.setblocking(False)
    message = frames.masked(frames.BINARY, b"x" * 60_000)

    def is_behind():
        try:
            wire.socket.send(message)
        except BlockingIOError:
            pass
        return (admin.of(wire) or {}).get("waits_for", "").startswith("the client to read ")
    wait.until(is_behind, lambda: f"its answers wait: {admin.of(wire)}")
    assert admin.of(wire)["state"] == "websocket"


def test_websocket_that_is_closed_and_whose_client_does_not_say_so(opened, admin):
    wire = opened("/closes")
    admin.wait_for(wire, "closing", "the client's close frame")


# Behind a web server


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_requests_by_gateway_protocols(serve, admin, gate, protocol):
    server = serve("both:wsgi", "-k", "threads", "--threads", 1, "--protocol", protocol)

    def connect():
        return Front(server.address, protocol)
    with connect() as silent, connect() as partial, connect() as inside, connect() as behind:
        admin.wait_for(silent, "idle", "the first request")
        partial.send({"uwsgi": b"\0\x20\0", "scgi": b"10", "fastcgi": b"\1\1"}[protocol])
        assert admin.wait_for(partial, "reading", "the head")["method"] is None
        inside.ask("GET", f"/hold?file={gate}")
        one = admin.wait_for(inside, "app", "the app")
        assert (one["method"], one["target"], one["client"]) == ("GET", f"/hold?file={gate}", "192.0.2.7:5000")
        behind.ask("GET", "/me?id=behind")
        admin.wait_for(behind, "queued", "a thread")
        gate.touch()
        assert inside.read().status == behind.read().status == 200
