"""WebSocket behind the proxies of Examples/deploy, with the files that are there, and behind PROXY headers."""

import json
import struct

import pytest
import websocket

from support import wait
from support.fronts import FRONTS
from support.frames import masked, opening, split
from support.gateway import ROOT

APPS = ROOT / "Tests" / "System" / "asgi_apps"
# The time after which each of them takes a silent WebSocket for dead, as its file has it.
SILENCE = {"nginx": [("proxy_read_timeout 60s;", "proxy_read_timeout 2s;")],
           "haproxy": [("timeout tunnel 90s", "timeout tunnel 2s")]}


@pytest.fixture
def behind(gateway, short_path):
    """Factory: a server and the proxy before it, which is to be entered."""
    def start(name, *flags, changes=()):
        server = gateway("websocket_app:app", "-k", "asgi", "--pythonpath", APPS, *flags)
        return server, FRONTS[name](short_path, server.address, changes)
    return start


def dial(front, path="/", **more):
    return websocket.create_connection(f"ws://{front.here}{path}", timeout=30, **more)


def ends(server):
    return [end for end in json.loads(server.get("/ends").body) if end != "OSError"]


@pytest.mark.parametrize("name", FRONTS)
def test_socket_passes_the_proxy(behind, name):
    server, proxy = behind(name)
    with proxy as front:
        client = dial(front, subprotocols=["v1", "v2"])
        assert client.getsubprotocol() == "v2"
        for text in ("", "caf\u00e9", "x" * 100_000):
            client.send(text)
            assert client.recv() == text
        client.ping("there?")
        assert client.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"there?")
        client.sock.sendall(masked(0x88, struct.pack("!H", 3001) + b"enough"))
        assert client.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_CLOSE, struct.pack("!H", 3001))
        client.shutdown()
        wait.until(lambda: [(end["code"], end["reason"]) for end in ends(server)] == [(3001, "enough")], "its end")
        client = dial(front, "/closes")
        assert client.recv() == "last"
        closed = struct.pack("!H", 4001) + "caf\u00e9".encode()
        assert client.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_CLOSE, closed)
        client.shutdown()
        wait.until(lambda: [end["code"] for end in ends(server)] == [3001, 4001], "the app's close")
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            dial(front, "/denies")
        assert refused.value.status_code == 402
        gone = dial(front)
        gone.send("here")       # so that the proxy has no request left that it could wait with
        assert gone.recv() == "here"
        gone.shutdown()
        wait.until(lambda: ends(server)[-1]["code"] == 1006, "the client has left")
        told = dial(front, "/told", header=["X-Forwarded-Proto: https"])
        assert json.loads(told.recv())["scheme"] == "ws"    # the client is not believed
        told.shutdown()


@pytest.mark.parametrize("name", SILENCE)
def test_pings_keep_a_silent_socket_longer_than_the_proxy_waits(behind, name):
    server, proxy = behind(name, "--ws-ping-interval", 0.3, changes=SILENCE[name])
    with proxy as front:
        client = dial(front)
        # One in two looks finds that nothing has come: these are more than three seconds.
        for _ in range(6):
            assert client.recv_data_frame(control_frame=True)[0] == websocket.ABNF.OPCODE_PING
        client.send("still here")
        while (message := client.recv_data(control_frame=True))[0] == websocket.ABNF.OPCODE_PING:
            pass
        assert message == (websocket.ABNF.OPCODE_TEXT, b"still here")
        client.shutdown()


@pytest.mark.parametrize("name", SILENCE)
def test_proxy_ends_a_silent_socket_without_pings(behind, name):
    server, proxy = behind(name, "--ws-ping-interval", 0, changes=SILENCE[name])
    with proxy as front:
        client = dial(front)
        assert client.sock.recv(1) == b""
        wait.until(lambda: [end["code"] for end in ends(server)] == [1006], "its app is told")


@pytest.mark.parametrize("trusted, scheme", [("127.0.0.1", "ws"), ("203.0.113.9", "wss")])
def test_scheme_is_what_a_trusted_peer_says_who_is_told_by_a_proxy_header(gateway, trusted, scheme):
    server = gateway("websocket_app:app", "-k", "asgi", "--pythonpath", APPS, "--proxy-protocol",
                     "--forwarded-allow-ips", trusted)
    with server.connect() as wire:
        wire.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 49152 443\r\n"
                  + opening("/told", [("X-Forwarded-Proto", "https")]))
        assert wire.read_head().status == 101
        while not (found := split(wire.buffer)):
            wire.buffer += wire.socket.recv(65536)
        assert json.loads(found[0][1])["scheme"] == scheme
