"""Quart: an HTTP route, and a WebSocket that can be refused, echoes, and is closed by the app."""
import asyncio

import quart

app = quart.Quart(__name__)


@app.get("/")
async def index():
    return "Hello, World!"


@app.websocket("/ws/<name>")
async def echo(name):
    if name == "nobody":
        quart.abort(401)
    await quart.websocket.accept(headers={"x-name": name})
    for _ in range(2):
        await quart.websocket.send(await quart.websocket.receive())
    await asyncio.sleep(0)
    await quart.websocket.close(4000, "enough")
