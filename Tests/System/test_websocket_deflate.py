"""permessage-deflate (RFC 7692): with clients of others, and with bare bytes."""

import asyncio
import json
import os
import struct
import zlib

import aiohttp
import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Offer
from websockets.sync.client import connect

from support.gateway import ROOT

APPS = ROOT / "Tests" / "System" / "asgi_apps"
CHROME = "permessage-deflate; client_max_window_bits"
NO_CONTEXT = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
TEXT = json.dumps([{"id": number, "name": "caf\u00e9"} for number in range(12)], ensure_ascii=False)
MESSAGES = ["", "a", TEXT, TEXT, TEXT * 30, b"", bytes(70_000), os.urandom(5000), TEXT.encode()]


@pytest.fixture
def serve(gateway):
    def start(*flags):
        return gateway("websocket_app:app", "-k", "asgi", "--pythonpath", APPS, *flags)
    return start


class Frames:
    """A client that sees frames: `deflate` and `inflate` keep their contexts."""

    def __init__(self, wire, offer):
        self.wire = wire
        lines = f"Sec-WebSocket-Extensions: {offer}\r\n" if offer else ""
        wire.send(f"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{lines}"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        answer = wire.read_head()
        assert answer.status == 101
        self.agreed = answer.get("sec-websocket-extensions")
        self.compressor, self.inflater = zlib.compressobj(wbits=-12), zlib.decompressobj(wbits=-12)

    def send(self, first, *payloads):
        """Frames by their first byte, masked with zeros, in one piece."""
        heads = [bytes([first, 0x80 | size]) if size < 126 else struct.pack("!BBH", first, 0xfe, size)
                 for size in map(len, payloads)]
        self.wire.send(b"".join(head + bytes(4) + payload for head, payload in zip(heads, payloads)))

    def read(self):
        """The first byte and the payload of the next frame."""
        first, size = self.wire.read_exactly(2)
        if size == 126:
            [size] = struct.unpack("!H", self.wire.read_exactly(2))
        return first, self.wire.read_exactly(size) if size else b""

    def deflate(self, data):
        return (self.compressor.compress(data) + self.compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def inflate(self, data):
        return self.inflater.decompress(data + b"\0\0\xff\xff")


@pytest.mark.parametrize("flags, kept", [([], False), (["--ws-deflate-context-takeover"], True)],
                         ids=["alone", "context"])
@pytest.mark.parametrize("offer", [
    {}, {"client_max_window_bits": True, "server_max_window_bits": 9}, {"client_max_window_bits": 9},
    {"server_no_context_takeover": True, "client_no_context_takeover": True},
], ids=["plain", "server-9", "client-9", "no-context"])
def test_messages_come_back_to_websockets(serve, flags, kept, offer):
    server = serve(*flags)
    with connect(f"ws://127.0.0.1:{server.port}/", compression=None, extensions=[Offer(**offer)]) as client:
        [agreed] = client.protocol.extensions
        assert agreed.remote_no_context_takeover is (not kept or "server_no_context_takeover" in offer)
        for message in MESSAGES:
            client.send(message)
            assert client.recv() == message
        client.send([TEXT[:100], TEXT[100:]])
        assert client.recv() == TEXT


def test_messages_come_back_to_aiohttp(serve):
    server = serve()

    async def echo():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"ws://127.0.0.1:{server.port}/", compress=15) as client:
                assert client.compress == 15
                for message in MESSAGES:
                    send = client.send_str if isinstance(message, str) else client.send_bytes
                    await send(message)
                    assert (await client.receive()).data == message
    asyncio.run(echo())


def test_compressed_frames_are_those_that_got_smaller(serve):
    server = serve()
    with server.connect() as wire:
        client = Frames(wire, CHROME)
        assert client.agreed == NO_CONTEXT
        client.send(0x81, TEXT.encode())
        first, payload = client.read()
        assert first == 0xc1 and len(payload) < len(TEXT) / 2 and client.inflate(payload) == TEXT.encode()
        for message in (b"a" * 200, os.urandom(1000)):
            client.send(0xc2, client.deflate(message))
            client.compressor = zlib.compressobj(wbits=-12)
            assert client.read() == (0x82, message)


@pytest.mark.parametrize("flags", [["--no-ws-per-message-deflate"], ["--ws-per-message-deflate", "false"]])
def test_nothing_is_compressed_where_it_is_turned_off(serve, flags):
    with serve(*flags).connect() as wire:
        client = Frames(wire, CHROME)
        assert client.agreed is None
        client.send(0x81, TEXT.encode())
        assert client.read() == (0x81, TEXT.encode())
        client.send(0xc1, client.deflate(b"a"))
        assert client.read() == (0x88, struct.pack("!H", 1002))


@pytest.mark.parametrize("first, payload, code", [
    (0xc2, zlib.compress(bytes(8 << 20), wbits=-15) + b"\0", 1009), (0xc1, b"\xff\xff", 1007),
    (0xc1, b"\x00\x01\x00\xfe\xff\xff\x00", 1007), (0xc1, b"\xf2\x48\xcd", 1007), (0xc9, b"\x00", 1002),
], ids=["bomb", "no-deflate", "no-utf-8", "cut-off", "ping"])
def test_what_cannot_be_inflated_has_its_code(serve, first, payload, code):
    server = serve()
    with server.connect() as wire:
        client = Frames(wire, CHROME)
        client.send(first, payload)
        assert client.read() == (0x88, struct.pack("!H", code))
        assert len(server.log.matches("A WebSocket is closed for what its client sent")) == 1


def test_limit_is_that_of_the_inflated_message(serve):
    with serve("--ws-max-size", 1000).connect() as wire:
        client = Frames(wire, CHROME)
        client.send(0xc2, client.deflate(b"a" * 1000))
        assert client.inflate(client.read()[1]) == b"a" * 1000
        client.send(0xc2, zlib.compress(b"a" * 1001, wbits=-15) + b"\0")
        assert client.read() == (0x88, struct.pack("!H", 1009))


def test_context_is_kept_until_the_socket_is_silent(serve):
    with serve("--ws-deflate-context-takeover", "--ws-ping-interval", 0.2).connect() as wire:
        client = Frames(wire, CHROME)
        assert client.agreed == "permessage-deflate; client_max_window_bits=12"

        def texts(count):
            """Sends so many at once, and returns how many bytes each has when it comes back."""
            sizes = []
            client.send(0xc1, *(client.deflate(TEXT.encode()) for _ in range(count)))
            while len(sizes) < count:
                first, payload = client.read()
                if first != 0x89:
                    assert first == 0xc1 and client.inflate(payload) == TEXT.encode()
                    sizes.append(len(payload))
            return sizes

        first, second = texts(2)
        assert second < first / 3
        for _ in range(2):
            assert client.read() == (0x89, b"")
            client.send(0x8a, b"")
        assert texts(1) == [first]
