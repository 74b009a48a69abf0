"""WebSocket (RFC 6455) for ASGI apps, on asyncio and uvloop, with a client of somebody else's and with bare bytes."""

import contextlib
import json
import socket
import struct
from signal import SIGHUP

import pytest
import websocket

from support import wait
from support.frames import OPENING, close_of, masked, opening
from support.gateway import ROOT
from support.wire import Wire

APPS = ROOT / "Tests" / "System" / "asgi_apps"


@pytest.fixture(params=["asyncio", "uvloop"])
def serve(gateway, request):
    """Factory: `serve(*flags)` starts websocket_app, or another app."""
    def start(*flags, app="websocket_app:app", **more):
        return gateway(app, "-k", "asgi", "--asgi-loop", request.param, "--pythonpath", APPS, *flags, **more)
    return start


@pytest.fixture
def server(serve):
    return serve()


def ends(server):
    return json.loads(server.get("/ends").body)


# Messages


def test_fragments_are_one_message_and_a_ping_within_it_is_answered(server, dial):
    client = dial(server)
    client.sock.sendall(masked(0x01, b"caf\xc3") + masked(0x89, b"there?") + masked(0x80, b"\xa9"))
    assert client.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"there?")
    assert client.recv() == "caf\u00e9"
    client.sock.sendall(masked(0x8a, b"nobody asked") + masked(0x81, b"on"))
    assert client.recv() == "on"


def test_frames_behind_the_opening_in_one_piece_are_read(server):
    with server.connect() as wire:
        wire.send(opening(fields=[("Sec-WebSocket-Protocol", "v1, v2")]) + masked(0x81, b"early"))
        answer = wire.read_head()
        assert answer.status == 101 and answer.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert answer.get("sec-websocket-protocol") == "v2"
        assert [value for name, value in answer.fields if name == "x-server"] == ["a", "b"]
        assert wire.read_exactly(7) == b"\x81\x05early"


def test_scope_is_that_of_a_websocket(serve, dial):
    scope = json.loads(dial(serve("--root-path", "/behind"), "/told?a=b").recv())
    assert scope == {
        "type": "websocket", "scheme": "ws", "path": "/behind/told", "root_path": "/behind",
        "query_string": "b'a=b'", "http_version": "1.1", "method": "None",
        "extensions": ["evgateway.deadline", "evgateway.leaving", "websocket.http.response"]}


def test_scheme_is_wss_behind_a_proxy_that_speaks_tls(server, dial):
    assert json.loads(dial(server, "/told", header=["X-Forwarded-Proto: https"]).recv())["scheme"] == "wss"


# How it does not begin


@pytest.mark.parametrize("path, status, body, told", [
    ("/refuses", 403, b"Forbidden\n", [1006]), ("/denies", 402, b"pay first", [1006]),
    ("/raises", 500, b"Internal Server Error\n", []),
])
def test_app_may_refuse(server, dial, path, status, body, told):
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        dial(server, path)
    assert refused.value.status_code == status and refused.value.resp_body == body
    wait.until(lambda: [end["code"] for end in ends(server)] == told, "what receive says afterwards")


@pytest.mark.parametrize("changed, value, status", [
    ("Sec-WebSocket-Version", "8", 426), ("Sec-WebSocket-Key", "short", 400), ("Sec-WebSocket-Key", None, 400),
    ("Upgrade", None, 400), ("Connection", None, 400),
])
def test_opening_that_is_none_is_answered(server, changed, value, status):
    fields = [(name, value if name == changed else kept) for name, kept in OPENING]
    with server.connect() as wire:
        wire.request("GET", "/", fields=[(name, text) for name, text in fields if text is not None])
        answer = wire.read()
        assert answer.status == status
        assert status != 426 or answer.get("sec-websocket-version") == "13"
        assert wire.get("/ends").status == 200     # the connection is an ordinary one


def test_app_may_not_accept_what_nobody_has_offered(server, dial):
    client = dial(server, "/unknown")
    assert client.recv() == "3" and "sec-websocket-protocol" not in client.getheaders()


# How it ends


@pytest.mark.parametrize("path, code", [("/crashes", 1011), ("/returns", 1000)])
def test_app_that_ends_closes_its_socket(server, dial, path, code):
    assert close_of(dial(server, path)) == (code, "")


def test_app_closes_with_code_and_reason_and_the_client_answers(server, dial):
    client = dial(server, "/closes")
    assert client.recv() == "last"
    assert close_of(client) == (4001, "caf\u00e9")
    end = {"type": "websocket.disconnect", "code": 4001, "reason": "caf\u00e9"}
    wait.until(lambda: ends(server) == [end, "OSError"], "its end")


def test_app_closes_while_messages_wait_for_it(server, dial):
    client = dial(server, "/ignores")
    client.sock.sendall(masked(0x81, b"untaken") * 5000)
    dial(server, "/wakes")
    assert close_of(client)[0] == 4002
    assert client.sock.recv(1) == b""       # not reset: all that it has sent has been read


def test_client_closes_with_code_and_reason_and_gets_its_code_back(server, dial):
    client = dial(server)
    client.sock.sendall(masked(0x88, struct.pack("!H", 3001) + b"enough"))
    assert close_of(client) == (3001, "")
    assert client.sock.recv(1) == b""
    wait.until(lambda: ends(server) == [{"type": "websocket.disconnect", "code": 3001, "reason": "enough"}], "its end")


def test_client_that_is_gone_is_1006(server, dial):
    client = dial(server)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()
    wait.until(lambda: ends(server) == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}], "its end")


def test_errors_of_the_app_are_exceptions(server, dial):
    client = dial(server, "/errors")
    assert json.loads(client.recv()) == ["RuntimeError", "KeyError", "TypeError", "ValueError", "ValueError"]
    client.close()
    wait.until(lambda: ends(server) == ["OSError"], "the late send")


@pytest.mark.parametrize("frames, code", [
    (masked(0x83), 1002), (masked(0x81, b"\xff"), 1007), (masked(0x82, b"x" * 2000), 1009),
])
def test_what_a_client_may_not_send_has_its_code(serve, dial, frames, code):
    server = serve("--websocket-max-message-size", 1000)
    client = dial(server)
    client.sock.sendall(frames)
    assert close_of(client)[0] == code
    wait.until(lambda: [end["code"] for end in ends(server)] == [code], "its end")
    assert len(server.log.matches("A WebSocket is closed for what its client sent")) == 1


@pytest.mark.parametrize("begun", [b"", b"\x82\xfe\x01"], ids=["nothing", "half a head"])
def test_silent_client_is_asked_and_closed(serve, dial, begun):
    server = serve("--ws-ping-interval", 0.2, "--ws-ping-timeout", 0.2)
    raw = dial(server).sock     # not read by the library, which would answer
    raw.sendall(begun)
    received = b"".join(iter(lambda: raw.recv(4096), b""))
    assert received == b"\x89\x00" + b"\x88\x18" + struct.pack("!H", 1011) + b"keepalive ping timeout"
    wait.until(lambda: [end["code"] for end in ends(server)] == [1011], "the app knows")


def test_client_that_answers_stays(serve, dial):
    client = dial(serve("--ws-ping-interval", 0.1, "--ws-ping-timeout", 30))
    for _ in range(3):
        assert client.recv_data_frame(control_frame=True)[0] == websocket.ABNF.OPCODE_PING
    client.send("here")
    while (message := client.recv_data(control_frame=True))[0] == websocket.ABNF.OPCODE_PING:
        pass
    assert message == (websocket.ABNF.OPCODE_TEXT, b"here")


def test_app_that_takes_nothing_holds_its_client_back(serve, dial):
    server = serve("--ws-ping-interval", 0.1, "--ws-ping-timeout", 0.1, "--ws-max-queue", 8)
    slow, many, clock = dial(server, "/sleeps"), dial(server, "/sleeps"), dial(server)
    # In one piece, more messages than may wait: they are taken from it little by little.
    many.sock.sendall(masked(0x82, b"x") * 3000 + masked(0x82, b"end"))
    slow.sock.setblocking(False)
    frame, sent = masked(0x82, b"x" * 50_000), 0
    with pytest.raises(BlockingIOError):
        while True:
            sent += slow.sock.send(frame[sent % len(frame):])
    # The socket's buffers and one read are all that there is room for.
    assert sent < 32 << 20
    # Its answers to pings are not read either, and it is not closed for that.
    for _ in range(8):
        assert clock.recv_data_frame(control_frame=True)[0] == websocket.ABNF.OPCODE_PING
    slow.sock.settimeout(30)
    dial(server, "/wakes")
    slow.sock.sendall(frame[sent % len(frame):] + masked(0x82, b"end"))
    whole = -(-sent // len(frame))
    assert slow.recv() == str(whole * 50_000 + 3) and many.recv() == "3003"


def test_worker_that_leaves_sends_its_clients_to_the_next(server, dial):
    client = dial(server)
    server.signal(SIGHUP)
    assert close_of(client) == (1012, "")
    wait.until(lambda: dial(server).connected, "the next worker")


def test_many_clients_are_sent_away_a_few_at_a_time(gateway):
    server = gateway("websocket_app:app", "--pythonpath", APPS, "--drain-window", 60, "--graceful-timeout", 90)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Wire(server.address)) for _ in range(900)]
        for client in clients:
            client.request("GET", "/", OPENING)
        assert {client.read_head().status for client in clients} == {101}
        clients[-1].send(masked(0x81, b"before"))
        assert clients[-1].read_exactly(8) == b"\x81\x06before"
        server.signal(SIGHUP)
        # Those that have been silent longest are the first. The last has nine seconds from here.
        assert clients[0].read_exactly(4) == b"\x88\x02\x03\xf4"
        clients[-1].send(masked(0x81, b"after"))
        assert clients[-1].read_exactly(7) == b"\x81\x05after"


def test_request_for_a_websocket_is_an_ordinary_one_where_there_are_none(gateway):
    server = gateway("websocket_app:app", "--pythonpath", APPS, "--ws", "none")
    assert server.get("/ends", fields=OPENING).body == b"[]"


def test_line_of_the_access_log_is_that_of_the_opening(serve, dial, tmp_path):
    access = tmp_path / "access.log"
    server = serve("--access-logfile", access, "--access-logformat", "%(m)s %(U)s %(s)s %(B)s")
    client = dial(server)
    client.send("four")
    assert client.recv() == "four"
    client.close(1000)
    wait.until(lambda: access.exists() and access.read_text() == "GET / 101 6\n", access.read_text)
