"""Sessions in the memory of a worker, as Flask-SocketIO keeps them, and by keys of the app's own.

/new: gives a session by cookie and field; /: whose worker answers, and how often the session has asked there."""
import itertools
import os

from flask import Flask, request
from flask_socketio import SocketIO

app = Flask(__name__)
# A poll is over after this, and a client that is gone is known to be after both.
socketio = SocketIO(app, async_mode=os.environ.get("MODE", "threading"), ping_interval=0.5, ping_timeout=2,
                    allow_upgrades=bool(os.environ.get("UPGRADES")), cors_allowed_origins="*")
calls, sessions, numbers = {}, {}, itertools.count()


@socketio.on("add")
def add():
    calls[request.sid] = calls.get(request.sid, 0) + 1
    return [os.getpid(), calls[request.sid]]


@app.route("/new")
def new():
    key = f"{os.getpid()}-{next(numbers)}"
    sessions[key] = 0
    return str(os.getpid()), {"Set-Cookie": f"session={key}; Path=/", "X-Session": key}


@app.route("/")
def ask():
    key = request.headers.get("X-Session") or request.cookies.get("session")
    if key in sessions:
        sessions[key] += 1
    return {"pid": os.getpid(), "calls": sessions.get(key)}
