"""python-socketio in ASGI mode with sessions in the memory of a worker."""
import os

import socketio

# A poll is over after this, and a client that is gone is known to be after both.
server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*", ping_interval=0.5, ping_timeout=2,
                              allow_upgrades=bool(os.environ.get("UPGRADES")))
app = socketio.ASGIApp(server)
calls = {}


@server.event
async def add(sid):
    calls[sid] = calls.get(sid, 0) + 1
    return [os.getpid(), calls[sid]]
