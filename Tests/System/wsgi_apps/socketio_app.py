"""Flask-SocketIO. MODE is its own name for how it waits; without gevent-websocket it uses simple-websocket."""
import os
import sys

if os.environ.get("WITHOUT"):
    sys.modules[os.environ["WITHOUT"]] = None

from flask import Flask, request
from flask_socketio import SocketIO, emit

app = Flask(__name__)
socketio = SocketIO(app, async_mode=os.environ["MODE"])


@socketio.on("transport")
def transport():
    return socketio.server.transport(request.sid)


@socketio.on("say")
def say(message):
    emit("said", message, broadcast=True)
