"""The ASGI app that servers are loaded with by WebSocket: `/echo` sends back what comes, `/broadcast` sends it to
everyone who is there (of this process), `/idle` takes it and says nothing. HTTP is answered as hello.py does."""

import hello

ACCEPT = {"type": "websocket.accept"}
present = set()


async def asgi(scope, receive, send):
    if scope["type"] != "websocket":
        return await hello.asgi(scope, receive, send)
    await receive()
    await send(ACCEPT)
    if scope["path"] == "/broadcast":
        present.add(send)
        try:
            await broadcast(receive)
        finally:
            present.discard(send)
    elif scope["path"] == "/echo":
        await echo(receive, send)
    else:
        while (await receive())["type"] == "websocket.receive":
            pass


async def echo(receive, send):
    while (message := await receive())["type"] == "websocket.receive":
        await send(sent_back(message))
        # The memory of an idle socket is measured without the last message.
        message = None


async def broadcast(receive):
    while (message := await receive())["type"] == "websocket.receive":
        message = sent_back(message)
        for send in list(present):
            await send(message)


def sent_back(message):
    """Some servers have both keys, and one of them is None."""
    text = message.get("text")
    if text is not None:
        return {"type": "websocket.send", "text": text}
    return {"type": "websocket.send", "bytes": message["bytes"]}
