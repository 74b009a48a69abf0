"""python-socketio in ASGI mode: polling that upgrades to WebSocket, rooms, an acknowledgement, and binary events."""
import socketio

# A client that polls says goodbye when its poll is over, and that lasts for both of these times.
server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*", ping_interval=0.5, ping_timeout=1.5)
app = socketio.ASGIApp(server)


@server.event
async def connect(sid, environ):
    await server.enter_room(sid, "all")


@server.event
async def say(sid, text):
    await server.emit("said", {"text": text, "by": server.transport(sid)}, room="all")
    return len(text)


@server.event
async def double(sid, data):
    await server.emit("doubled", data * 2, to=sid)
