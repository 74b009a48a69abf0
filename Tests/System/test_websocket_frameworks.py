"""WebSocket in frameworks from PyPI: Starlette, FastAPI, Quart, Django Channels, python-socketio."""

import asyncio
import json

import pytest
import socketio
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support.gateway import ROOT

APPS = ROOT / "Tests" / "System" / "asgi_apps"


@pytest.fixture
def serve(gateway):
    """Factory: a server whose `url` is that of its WebSockets."""
    def start(app, *flags, worker_class="asgi", loop="auto"):
        server = gateway(app, "-k", worker_class, "--asgi-loop", loop, "--pythonpath", APPS, *flags)
        server.url = f"ws://127.0.0.1:{server.port}"
        return server
    return start


def refusal(url, **more):
    with pytest.raises(InvalidStatus) as refused:
        connect(url, **more)
    return refused.value.response.status_code, refused.value.response.body


def end_of(client):
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(30)
    return closed.value.rcvd.code, closed.value.rcvd.reason


def test_starlette(serve):
    server = serve("starlette_app:app", "--root-path", "/behind")
    assert refusal(f"{server.url}/talk") == (401, b"who?")
    with connect(f"{server.url}/talk?name=a", subprotocols=["talk"]) as first, \
            connect(f"{server.url}/talk?name=b", subprotocols=["talk"]) as second:
        assert first.subprotocol == "talk"
        first.send("hello")
        assert first.recv(30) == second.recv(30) == "a: hello"
        second.close()
        first.send("alone?")
        assert first.recv(30) == "a: alone?"
    with connect(f"{server.url}/mounted/numbers") as client:
        client.send("[1, 2, 3]")
        assert json.loads(client.recv(30)) == {"sum": 6, "url": f"{server.url}/behind/mounted/numbers"}
        client.send("[]")
        assert end_of(client) == (4001, "nothing to add")
    assert "Traceback" not in server.error_log()


def test_fastapi(serve):
    server = serve("fastapi_app:app", loop="uvloop")
    with connect(f"{server.url}/ws/chat?name=me") as client:
        client.send("hello")
        assert client.recv(30) == "chat, opened: me says hello"
        client.send(b"\x00")
        assert end_of(client) == (1003, "text only")
    assert refusal(f"{server.url}/ws/chat")[0] == 403      # the name is missing
    assert "Traceback" not in server.error_log()


def test_quart(serve):
    server = serve("quart_app:app", worker_class="uvicorn.workers.UvicornWorker")
    assert refusal(f"{server.url}/ws/nobody")[0] == 401
    with connect(f"{server.url}/ws/me") as client:
        assert client.response.headers["x-name"] == "me"
        for message in ("text", b"bytes"):
            client.send(message)
            assert client.recv(30) == message
        assert end_of(client) == (4000, "enough")
    assert server.get("/").body == b"Hello, World!" and "Traceback" not in server.error_log()


def test_channels(serve):
    server = serve("channels_app:application")
    assert server.get("/").body == b"Hello, World!"
    with connect(f"{server.url}/chat/a") as first, connect(f"{server.url}/chat/a") as second, \
            connect(f"{server.url}/chat/b") as other:
        first.send('{"text": "hello"}')
        assert json.loads(first.recv(30)) == json.loads(second.recv(30)) == {"text": "hello"}
        second.close(4000)
        assert json.loads(first.recv(30)) == {"left": 4000}
        other.send('{"text": "in b"}')
        assert json.loads(other.recv(30)) == {"text": "in b"}
    with connect(f"{server.url}/upper") as client:
        client.send("caf\u00e9")
        assert client.recv(30) == "CAF\u00c9"
    assert refusal(f"{server.url}/upper?refused")[0] == 403
    assert "Traceback" not in server.error_log()


def test_socketio(serve):
    """Clients of each transport and one that upgrades from polling to WebSocket hear the same."""
    server = serve("socketio_app:app")

    async def talk():
        clients = [socketio.AsyncClient() for _ in range(3)]
        heard = [asyncio.Queue() for _ in clients]
        for client, queue in zip(clients, heard):
            client.on("said", queue.put)
            client.on("doubled", queue.put)
        for client, transports in zip(clients, (["websocket"], ["polling"], None)):
            await client.connect(f"http://127.0.0.1:{server.port}", transports=transports)
        assert [client.transport() for client in clients] == ["websocket", "polling", "websocket"]
        for client in clients:
            assert await client.call("say", "hello", timeout=30) == 5
        for queue in heard:
            said = [await asyncio.wait_for(queue.get(), 30) for _ in clients]
            assert [(each["text"], each["by"]) for each in said] == [
                ("hello", "websocket"), ("hello", "polling"), ("hello", "websocket")]
        await clients[2].emit("double", b"\0\xff")
        assert await asyncio.wait_for(heard[2].get(), 30) == b"\0\xff" * 2
        for client in clients:
            await client.disconnect()
    asyncio.run(talk())
    assert "Traceback" not in server.error_log()
