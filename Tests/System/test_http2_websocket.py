"""WebSocket on a stream of HTTP/2 (RFC 8441), for ASGI and Swift apps."""

import signal
import struct

import h2.errors
import pytest
from h2.settings import SettingCodes

from support import wait
from support.administration import Administration
from support.frames import BINARY, CLOSE, TEXT, masked, split
from support.http2 import Client

FLAG = "--http2-cleartext"
VERSION = ("sec-websocket-version", "13")


@pytest.fixture(params=["asyncio", "uvloop", "swift"])
def echo(request, gateway, example):
    """Starts a server that sends messages back; returns it and its path."""
    def start(*flags):
        if request.param == "swift":
            return gateway(example("websocket-echo"), FLAG, *flags), "/echo-task"
        return gateway("websocket_app:app", FLAG, "-k", "asgi", "--asgi-loop", request.param,
                       "--pythonpath", "Tests/System/asgi_apps", *flags), "/echo"
    return start


class Socket:
    def __init__(self, client, path, *fields):
        self.client, self.rest = client, b""
        client.read_until(lambda: client.h2.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL) == 1)
        self.stream = client.ask(path, method="CONNECT", fields=[(":protocol", "websocket"), VERSION, *fields],
                                 end=False)
        self.answer = client.answers[self.stream]
        client.read_until(lambda: self.answer.fields or self.answer.reset is not None)

    def send(self, first, payload=b""):
        self.client.send(self.stream, masked(first, payload), end=False)

    def read(self):
        while not (found := split(self.answer.body)):
            self.client.read()
            assert not self.client.ended and self.answer.reset is None
        frame, self.answer.body = found
        return frame


def test_messages_go_both_ways(echo):
    server, path = echo()
    with Client(server) as client:
        socket = Socket(client, path)
        assert socket.answer.status == 200 and not socket.answer.ended
        for size in (0, 1, 126, 70_000, 200_000):
            socket.send(BINARY, b"x" * size)
            assert socket.read() == (BINARY, b"x" * size)
        socket.send(TEXT, "caf\u00e9".encode())
        assert socket.read() == (TEXT, "caf\u00e9".encode())
        # Requests and other sockets are streams of the same connection.
        other = Socket(client, path)
        other.send(TEXT, b"other")
        assert other.read() == (TEXT, b"other")
        assert client.get("/none").status in (200, 404, 500)
        socket.send(CLOSE, struct.pack("!H", 1000))
        assert socket.read() == (CLOSE, struct.pack("!H", 1000))
        client.read_until(lambda: socket.answer.ended)
        client.h2.end_stream(socket.stream)
        client.flush()
        other.send(TEXT, b"still")
        assert other.read() == (TEXT, b"still")


def test_client_that_resets_is_gone(echo):
    server, path = echo("--access-logfile", "-")
    with Client(server) as client:
        socket = Socket(client, path)
        client.reset(socket.stream)
        server.output.wait_for(r'"CONNECT /echo\S* HTTP/2" 101')
        assert client.get("/none").status in (200, 404, 500)
    with Client(server) as client:
        Socket(client, path)
    server.output.wait_for(r'"CONNECT /echo\S* HTTP/2" 101', count=2)


def test_worker_that_leaves_says_goodbye(echo):
    server, path = echo()
    with Client(server) as client:
        socket = Socket(client, path)
        server.signal(signal.SIGTERM)
        assert socket.read() == (CLOSE, struct.pack("!H", 1012))
        socket.send(CLOSE, struct.pack("!H", 1012))
        client.read_to_end()
    assert server.wait() == 0


def test_what_is_refused(gateway, example):
    server = gateway(example("websocket-echo"), FLAG)
    with Client(server) as client:
        client.read_until(lambda: client.h2.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL) == 1)

        def connect(*fields, path="/echo", **more):
            return client.get(path, method="CONNECT", fields=fields, end=False, **more)
        assert connect((":protocol", "other"), VERSION).status == 501
        assert connect((":protocol", "websocket")).reset == h2.errors.ErrorCodes.PROTOCOL_ERROR
        assert connect((":protocol", "websocket"), VERSION, path="*").reset == h2.errors.ErrorCodes.PROTOCOL_ERROR
        assert connect((":protocol", "websocket"), VERSION, path="/none").status == 404
        assert client.get("/echo", fields=[(":protocol", "websocket")]).reset == h2.errors.ErrorCodes.PROTOCOL_ERROR
    server = gateway(example("websocket-echo"), FLAG, "--ws", "none")
    with Client(server) as client:
        assert client.get("/echo", method="CONNECT", fields=[(":protocol", "websocket"), VERSION], end=False).reset
        assert client.h2.remote_settings.get(SettingCodes.ENABLE_CONNECT_PROTOCOL) in (0, None)


def test_slow_client_holds_the_app_back(gateway):
    server = gateway("websocket_app:app", FLAG, "--pythonpath", "Tests/System/asgi_apps", "-k", "asgi")
    with Client(server) as client:
        client.takes = False
        socket = Socket(client, "/echo")
        sent = 0
        # What comes back does not find room, and then neither does what is sent.
        while client.h2.local_flow_control_window(socket.stream) > 20_000 and sent < 20_000_000:
            client.h2.send_data(socket.stream, masked(BINARY, b"x" * 10_000))
            client.flush()
            sent += 10_000
            while client.h2.local_flow_control_window(socket.stream) <= 20_000 and sent < 2_000_000:
                client.socket.settimeout(1)
                try:
                    client.read()
                except TimeoutError:
                    break
        assert sent < 2_000_000
        client.socket.settimeout(20)
        client.takes = True
        client.h2.increment_flow_control_window(50_000_000)
        client.h2.increment_flow_control_window(50_000_000, socket.stream)
        client.flush()
        for _ in range(sent // 10_000):
            assert socket.read() == (BINARY, b"x" * 10_000)


def test_table_shows_the_socket_and_not_the_way_to_it(gateway, example, short_path):
    admin = Administration(short_path / "admin.sock")
    server = gateway(example("websocket-echo"), FLAG, *admin.flags)
    admin.wait_until_there()
    with Client(server) as client:
        socket = Socket(client, "/echo")
        wait.until(lambda: [one["state"] for one in admin.connections()].count("websocket") == 1, "it is there")
        assert len(admin.connections()) == 2
        socket.send(TEXT, b"a")
        assert socket.read() == (TEXT, b"a")
