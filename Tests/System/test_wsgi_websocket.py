"""WebSocket for WSGI apps: flask-sock, Flask-SocketIO and gevent-websocket's own, with clients of somebody else's."""

import json
import queue
import socket
import struct
from signal import SIGHUP, SIGTERM

import pytest
import socketio
import websocket

from support import wait
from support.certificates import SecureWire
from support.frames import close_of, opening
from support.gateway import ROOT

APPS = ROOT / "Tests" / "System" / "wsgi_apps"
# By the connection itself, and by the server.
BOTH = ["/sock/echo", "/ws/echo"]
MUCH = 8_000_000


@pytest.fixture(params=["gevent", "threads"])
def serve(gateway, request):
    """Factory: `serve(*flags)` starts socket_app, or another app."""
    def start(*flags, app="socket_app:app", **more):
        threads = [] if "--threads" in flags else ["--threads", 8]
        return gateway(app, "-k", request.param, *threads, "--pythonpath", APPS, *flags, **more)
    start.worker_class = request.param
    return start


@pytest.fixture
def server(serve):
    return serve()


def ends(server):
    return json.loads(server.get("/ends").body)


def reset(client):
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()


# Messages


@pytest.mark.parametrize("path", BOTH)
def test_messages_come_back_as_they_were_sent(serve, dial, path, tmp_path):
    access = tmp_path / "access.log"
    server = serve("--access-logfile", access, "--access-logformat", "%(m)s %(U)s %(s)s")
    client = dial(server, path)
    for text in ("", "caf\u00e9 \u2713", "x" * 300_000):
        client.send(text)
        assert client.recv() == text
    client.send_binary(b"\0\xff" * 50_000)
    assert client.recv_data() == (websocket.ABNF.OPCODE_BINARY, b"\0\xff" * 50_000)
    client.close(1000)
    wait.until(lambda: access.exists() and access.read_text() == f"GET {path} 101\n", access.read_text)
    assert "ERROR" not in server.error_log()


def test_what_the_connection_takes_at_once_is_sent_to_its_end(serve, authority):
    """More than any buffer holds, by one call of send."""
    tls = ["--certfile", authority.folder / "server.pem", "--keyfile", authority.folder / "server.key"]
    for flags, context in ([], None), (tls, authority.context()):
        server = serve(*flags)
        with SecureWire(server.address, context) if context else server.connect() as wire:
            wire.send(opening("/raw/sends"))
            assert wire.read_head().status == 101
            body = wire.read_exactly(MUCH)
            assert body == bytes(range(250)) * (MUCH // 250) and wire.read_exactly(8) == b"%08d" % MUCH


def test_frame_behind_the_opening_in_one_piece_is_the_first_message(server):
    for path in BOTH:
        with server.connect() as wire:
            wire.send(opening(path) + b"\x81\x85" + bytes(4) + b"early")
            answer = wire.read_head()
            assert answer.status == 101 and answer.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            assert wire.read_exactly(7) == b"\x81\x05early"


def test_subprotocol_is_the_choice_of_the_app(serve, dial):
    server = serve()
    client = dial(server, "/sock/protocol", subprotocols=["v1", "v2"])
    assert client.getsubprotocol() == "v2" and client.recv() == "v2" and close_of(client)[0] == 1000
    server = serve(app="socket_app:resource")
    client = dial(server, "/chat", subprotocols=["talk", "chat"])
    assert client.getsubprotocol() == "chat" and client.recv() == "welcome"
    client.send("hello")
    assert client.recv() == "hello!"
    client.close()
    assert dial(server, "/chat").getsubprotocol() is None
    assert "ERROR" not in server.error_log()


def test_websocket_is_that_of_gevent_websocket(server, dial):
    client = dial(server, "/ws/told", origin="http://a", header=["Sec-WebSocket-Protocol: v1"])
    assert json.loads(client.recv()) == ["/ws/told", "http://a", "13", "v1", False, True, "13"]
    client = dial(server, "/ws/closes")
    assert client.recv() == "last"
    assert client.recv_data(control_frame=True)[1] == struct.pack("!H", 4001) + "caf\u00e9".encode()
    wait.until(lambda: ends(server) == [["geventwebsocket.exceptions.WebSocketError"] * 2], "its end")


def test_app_that_waits_to_be_told_of_the_end_is_told(server, dial):
    client = dial(server, "/ws/waits")
    client.close()
    wait.until(lambda: ends(server) == ["/ws/waits"], "its end")


def test_messages_of_many_at_once_are_whole(server, dial):
    client = dial(server, "/ws/from_others")
    client.send("go")
    sizes = [(text[0], len(text), len(set(text))) for text in (client.recv() for _ in range(80))]
    assert sorted(sizes) == [(str(number), 50_000, 1) for number in range(4) for _ in range(20)]


# What is built upon it


@pytest.mark.parametrize("mode, without", [
    ("gevent", ""), ("gevent", "geventwebsocket"), ("threading", ""),
])
def test_socketio_upgrades(gateway, mode, without):
    worker_class = "gevent" if mode == "gevent" else "threads"
    server = gateway("socketio_app:app", "-k", worker_class, "--threads", 8, "--pythonpath", APPS,
                     env={"MODE": mode, "WITHOUT": without})
    clients = [socketio.Client(), socketio.Client()]
    said = queue.Queue()
    for client in clients:
        client.on("said", said.put)
        client.connect(server.base_url)
    try:
        assert [client.call("transport") for client in clients] == ["websocket", "websocket"]
        clients[0].emit("say", "hello")
        assert [said.get(timeout=30) for _ in clients] == ["hello", "hello"]
    finally:
        for client in clients:
            client.disconnect()
    assert "ERROR" not in server.error_log()


def test_two_hundred_at_once_on_greenlets(gateway, dial):
    server = gateway("socket_app:app", "-k", "gevent", "--pythonpath", APPS)
    clients = [dial(server, path) for path in BOTH for _ in range(100)]
    for number, client in enumerate(clients):
        client.send(str(number))
    assert [client.recv() for client in clients] == [str(number) for number in range(len(clients))]


# How it does not begin


def test_app_may_answer_as_to_any_request(server):
    with server.connect() as wire:
        wire.send(opening("/raw/answers"))
        answer = wire.read()
        assert (answer.status, answer.body) == (426, b"<the connection of a request, not taken yet>")
        assert wire.get("/plain").body == b"plain"      # the connection is an ordinary one


@pytest.mark.parametrize("field, changed, status", [
    (b"Version: 13", b"Version: 8", 426), (b"Key: dGhl", b"Key: d", 400),
])
def test_opening_that_is_none_is_answered(server, field, changed, status):
    with server.connect() as wire:
        wire.send(opening("/ws/echo").replace(field, changed))
        assert wire.read().status == status
    assert "ERROR" not in server.error_log()


def test_class_inline_says_what_to_use(gateway):
    server = gateway("socket_app:app", "-k", "inline", "--pythonpath", APPS)
    with server.connect() as wire:
        wire.send(opening("/sock/echo"))
        assert wire.read().status == 500
    server.wait_for_log("worker class inline has no WebSocket: serve this app with -k gevent or -k threads")


# How it ends


@pytest.mark.parametrize("leaves", [websocket.WebSocket.close, websocket.WebSocket.shutdown, reset])
def test_client_that_leaves_ends_the_wait_of_the_app(server, dial, leaves):
    for path, end in zip(BOTH, ("/sock/echo", "/ws/echo True")):
        client = dial(server, path)
        client.send("there")
        assert client.recv() == "there"
        leaves(client)
        wait.until(lambda: end in ends(server), "its end")
    assert "ERROR" not in server.error_log()


def test_app_that_only_sends_hears_of_the_end(serve, dial, tmp_path):
    access = tmp_path / "access.log"
    server = serve("--access-logfile", access, "--access-logformat", "%(U)s %(s)s")
    client = dial(server, "/ws/sends_late")
    client.send("go")
    assert len(client.recv()) == 100_000
    reset(client)
    wait.until(lambda: access.exists() and "/ws/sends_late 101" in access.read_text(), "its end")
    assert "ERROR" not in server.error_log()


def test_app_that_crashes(server, dial):
    client = dial(server, "/ws/crashes")
    client.send("go")
    assert close_of(client)[0] == 1011
    client = dial(server, "/sock/crashes")
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        client.recv()
    wait.until(lambda: server.error_log().count("LookupError: a bug of the app") == 2, "the tracebacks")


def test_what_the_app_keeps_is_of_no_use(server, dial):
    client = dial(server, "/ws/keeps")
    assert client.recv() == "kept" and close_of(client)[0] == 1000
    client.shutdown()
    wait.until(lambda: server.get("/kept").body == b"WebSocketError", "the end of the request")
    with server.connect() as wire:
        wire.send(opening("/raw/keeps") + b"abc")
        assert wire.read_head().status == 101
        wire.send(b"def")
        assert wire.read_exactly(6) == b"abcdef"
        wire.expect_close()
    wait.until(lambda: server.get("/kept").body == b"BrokenPipeError", "the end of the request")


def test_worker_that_leaves(serve, dial):
    server = serve("--graceful-timeout", 1)
    (old,) = server.worker_pids()
    clients = [dial(server, path) for path in BOTH]
    for client in clients:
        client.send("there")
        assert client.recv() == "there"
    server.signal(SIGHUP)
    assert close_of(clients[1])[0] == 1012
    # Nobody but the app knows what to say here; it has its time.
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        clients[0].recv()
    wait.until(lambda: old not in server.worker_pids(), "the worker leaves")
    client = dial(server, "/ws/echo")
    server.signal(SIGTERM)
    assert close_of(client)[0] == 1012
    assert server.wait() == 0
    assert "SIGKILL" not in server.error_log() and "threads behind" not in server.error_log()


def test_threads_that_sockets_hold_are_not_stuck(gateway, dial):
    server = gateway("socket_app:app", "-k", "threads", "--threads", 1, "--timeout", 1, "--ws-ping-interval", 0.25,
                     "--pythonpath", APPS)
    workers = server.worker_pids()
    client = dial(server, "/ws/echo")
    with server.connect() as waiting:
        waiting.request("GET", "/plain")
        server.wait_for_log("Requests wait, because each thread serves a WebSocket")
        for _ in range(6):      # longer than as a thread may be stuck
            assert client.recv_data_frame(control_frame=True)[0] == websocket.ABNF.OPCODE_PING
        client.close()
        assert waiting.read().body == b"plain"
    assert server.worker_pids() == workers and "the worker is replaced" not in server.error_log()
