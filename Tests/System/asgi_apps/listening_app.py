"""An ASGI app whose WebSockets listen as their clients say, each in a message of JSON: an event that is sent on as it
is, the arguments of a call of what the scope's extensions have, or an item to publish. Each is answered: with `done`,
or with the exception. `GET /ends` tells with which codes sockets have ended, `GET /held?MODE=CHANNELS` is held."""

import json
import os

import evgateway

ended = []


async def app(scope, receive, send):
    if scope["type"] == "http":
        mode, _, channels = scope["query_string"].partition(b"=")
        fields = [(b"grip-hold", mode), (b"grip-channel", channels)] if channels else []
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        return await send({"type": "http.response.body", "body": json.dumps(ended).encode()})
    assert scope["type"] == "websocket", scope["type"]
    await receive()
    await send({"type": "websocket.accept"})
    await tell(send, {"pid": os.getpid(), "extensions": sorted(scope["extensions"])})
    while (message := await receive())["type"] == "websocket.receive":
        try:
            await do(json.loads(message["text"]), scope, send)
            told = "done"
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
        await tell(send, told)
    ended.append(message["code"])


async def do(asked, scope, send):
    if "type" in asked:
        return await send(asked)
    for name, arguments in asked.items():
        if name == "publish":
            evgateway.publish(*arguments)
        else:
            assert scope["extensions"][f"evgateway.{name}"](**arguments) is None


async def tell(send, what):
    await send({"type": "websocket.send", "text": json.dumps(what)})
