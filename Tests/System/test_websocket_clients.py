"""WebSocket with the clients that people have, messages compressed and not."""

import asyncio
import json

import pytest

from support import wait
from support.gateway import ROOT
from support.websocket_clients import CLIENTS

APPS = ROOT / "Tests" / "System" / "asgi_apps"
MIB = 1 << 20
MESSAGES = ["", "a", "caf\u00e9 \u2713 \U0001f600", "x" * 125, "x" * 126, "x" * 70_000, "caf\u00e9 " * (MIB // 6),
            b"", b"\0\xff", bytes(range(256)) * 4096]


@pytest.mark.parametrize("loop, name, compressed", [
    ("uvloop", "websockets", False), ("asyncio", "websockets", True), ("asyncio", "websockets-sync", False),
    ("uvloop", "aiohttp", False), ("asyncio", "wsproto", False), ("uvloop", "wsproto", True),
    ("asyncio", "websocket-client", False),
], ids=lambda value: {True: "deflate", False: "plain"}.get(value, value))
def test_client_and_server_talk(gateway, loop, name, compressed):
    server = gateway("websocket_app:app", "-k", "asgi", "--asgi-loop", loop, "--pythonpath", APPS)
    url = f"ws://127.0.0.1:{server.port}"

    def ends():
        return [end for end in json.loads(server.get("/ends").body) if end != "OSError"]

    async def talk():
        async with CLIENTS[name].connect(f"{url}/", ["v1", "v2"], compressed) as client:
            assert client.subprotocol == "v2"
            for message in MESSAGES:
                await client.send(message)
                assert await client.receive() == message
            if client.send_fragments:
                await client.send_fragments(["Hel", "", "lo \u2713"])
                assert await client.receive() == "Hello \u2713"
            await client.ping(b"there?")
            await client.send("on")
            assert await client.receive() == "on"
            await client.close(3001, "enough")
        wait.until(lambda: [(end["code"], end["reason"]) for end in ends()] == [(3001, "enough")], "the client's close")
        async with CLIENTS[name].connect(f"{url}/closes", [], compressed) as client:
            assert await client.receive() == "last"
            assert await client.end() == (4001, "caf\u00e9")
        wait.until(lambda: len(ends()) == 2, "the app's close")
    asyncio.run(talk())
