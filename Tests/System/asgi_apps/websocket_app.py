"""An ASGI app that speaks WebSocket: what it does is in the path. `GET /ends` tells how its sockets have ended."""

import asyncio
import json

ends = []


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(ends).encode()})
    elif scope["type"] == "websocket":
        assert await receive() == {"type": "websocket.connect"}
        await CALLS.get(scope["path"].rpartition("/")[2], echo)(scope, receive, send)
    else:
        raise ValueError(scope["type"])


async def accept(scope, send, **more):
    await send({"type": "websocket.accept", **more})


async def echo(scope, receive, send):
    offered = scope["subprotocols"]
    await accept(scope, send, subprotocol=offered[-1] if offered else None,
                 headers=[(b"x-server", b"a"), (b"x-server", b"b")])
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return ends.append(message)
        assert message["type"] == "websocket.receive" and len(message) == 2
        await send({**message, "type": "websocket.send"})


async def told(scope, receive, send):
    await accept(scope, send)
    shown = {key: str(scope.get(key)) for key in (
        "type", "scheme", "path", "root_path", "query_string", "http_version", "method")}
    await send({"type": "websocket.send", "text": json.dumps({**shown, "extensions": sorted(scope["extensions"])})})
    await receive()


async def refuses(scope, receive, send):
    """Refuses while another task receives."""
    waiting = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    await send({"type": "websocket.close", "code": 4000})
    ends.append(await waiting)


async def denies(scope, receive, send):
    await send({"type": "websocket.http.response.start", "status": 402, "headers": [(b"content-length", b"9")]})
    await send({"type": "websocket.http.response.body", "body": b"pay", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b" first"})
    ends.append(await receive())


async def raises(scope, receive, send):
    raise ZeroDivisionError("before")


async def crashes(scope, receive, send):
    await accept(scope, send)
    raise ZeroDivisionError("within")


async def returns(scope, receive, send):
    await accept(scope, send)


async def closes(scope, receive, send):
    await accept(scope, send)
    await send({"type": "websocket.send", "text": "last"})
    await send({"type": "websocket.close", "code": 4001, "reason": "caf\u00e9"})
    ends.append(await receive())
    try:
        await send({"type": "websocket.send", "text": "late"})
    except OSError:
        ends.append("OSError")


async def errors(scope, receive, send):
    """Tells what it gets for what it may not do."""
    seen = []
    await accept(scope, send)
    for event in ({"type": "websocket.accept"}, {"type": "websocket.send"}, {"type": "websocket.send", "text": 1},
                  {"type": "http.response.start", "status": 200}, {"type": "websocket.close", "code": 1005}):
        try:
            await send(event)
        except Exception as error:
            seen.append(type(error).__name__)
    await send({"type": "websocket.send", "text": json.dumps(seen)})
    while (await receive())["type"] != "websocket.disconnect":
        pass
    try:
        await send({"type": "websocket.send", "text": "late"})
    except OSError:
        ends.append("OSError")


async def unknown(scope, receive, send):
    """Accepts what its client has not offered, and with fields that are the server's."""
    seen = []
    for more in ({"subprotocol": "none"}, {"headers": [(b"sec-websocket-protocol", b"none")]},
                 {"headers": [(b"Upgrade", b"h2c")]}):
        try:
            await accept(scope, send, **more)
        except ValueError:
            seen.append(more)
    await accept(scope, send)
    await send({"type": "websocket.send", "text": str(len(seen))})
    await receive()


async def sleeps(scope, receive, send):
    """Takes nothing until it is told by another socket to."""
    await accept(scope, send)
    waiting.append(receive)
    await gate.wait()
    count = 0
    while (message := await receive())["type"] == "websocket.receive":
        count += len(message["bytes"])
        if message["bytes"] == b"end":
            await send({"type": "websocket.send", "text": str(count)})


async def ignores(scope, receive, send):
    """Closes without having taken anything, when it is told to."""
    await accept(scope, send)
    await gate.wait()
    await send({"type": "websocket.close", "code": 4002})


async def wakes(scope, receive, send):
    await accept(scope, send)
    gate.set()
    await receive()


class Gate:
    """An event that belongs to the loop that first waits."""

    event = None

    async def wait(self):
        self.event = self.event or asyncio.Event()
        await self.event.wait()

    def set(self):
        self.event.set()


gate, waiting = Gate(), []
CALLS = {call.__name__: call for call in (
    told, refuses, denies, raises, crashes, returns, closes, errors, unknown, sleeps, ignores, wakes)}
