"""WebSockets of WSGI apps: by flask-sock, and so by the connection itself; and by environ['wsgi.websocket']."""
import json
import threading
import time

from flask import Flask
from flask_sock import Sock
from geventwebsocket.protocols.base import BaseProtocol
from geventwebsocket.resource import Resource, WebSocketApplication

flask_app = Flask(__name__)
flask_app.config["SOCK_SERVER_OPTIONS"] = {"subprotocols": ["v2"]}
sock = Sock(flask_app)
ends = []       # of sockets, by their paths
kept = []       # what outlives its request


@sock.route("/sock/echo")
def sock_echo(ws):
    try:
        while True:
            ws.send(ws.receive())
    finally:
        ends.append("/sock/echo")


@sock.route("/sock/protocol")
def sock_protocol(ws):
    ws.send(str(ws.subprotocol))


@sock.route("/sock/crashes")
def sock_crashes(ws):
    raise LookupError("a bug of the app")


@flask_app.route("/plain")
def plain():
    return "plain"


@flask_app.route("/ends")
def tell_ends():
    return json.dumps(ends)


def echo(ws, environ):
    while (message := ws.receive()) is not None:
        ws.send(message)
    ends.append(f"{environ['PATH_INFO']} {ws.closed}")


def told(ws, environ):
    ws.send(json.dumps([ws.path, ws.origin, ws.version, ws.protocol, ws.closed, ws.environ is environ,
                        environ["wsgi.websocket_version"]]))
    ws.receive()


def crashes(ws, environ):
    ws.receive()
    raise LookupError("a bug of the app")


def closes(ws, environ):
    ws.send("last")
    ws.close(4001, "caf\u00e9")
    errors = []
    for call in ws.receive, lambda: ws.send("late"):
        try:
            call()
        except OSError as error:
            errors.append(f"{type(error).__module__}.{type(error).__name__}")
    ends.append(errors)


def sends_late(ws, environ):
    """Never looks whether anybody is there."""
    ws.receive()
    while True:
        ws.send("x" * 100_000)


def from_others(ws, environ):
    """Many send at once."""
    def send(number):
        for _ in range(20):
            ws.send(f"{number}" * 50_000)
    ws.receive()
    threads = [threading.Thread(target=send, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def waits(ws, environ):
    """As apps do whose messages all come from elsewhere."""
    while not ws.closed:
        time.sleep(0.01)
    ends.append(environ["PATH_INFO"])


def keeps(ws, environ):
    ws.send("kept")
    kept.append(ws)


def raw_keeps(environ):
    """Takes the connection as an app without a library would, and keeps it."""
    connection = environ["gunicorn.socket"]
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: mine\r\nConnection: Upgrade\r\n\r\n")
    connection.sendall(connection.recv(3) + connection.recv(100))
    kept.append(connection)


def raw_sends(environ):
    """Sends as simple-websocket does, without a look at what was taken; but tells it at the end."""
    connection = environ["gunicorn.socket"]
    connection.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: mine\r\nConnection: Upgrade\r\n\r\n")
    connection.send(b"%08d" % connection.send(bytes(range(250)) * 32_000))
    connection.recv(1)


class Chat(WebSocketApplication):
    """As gevent-websocket's own users write them."""

    class protocol_class(BaseProtocol):
        PROTOCOL_NAME = "chat"

    def on_open(self):
        self.ws.send("welcome")

    def on_message(self, message):
        if message is not None:
            self.ws.send(message + "!")

    def on_close(self, reason=None):
        ends.append("on_close")


resource = Resource([("/chat", Chat)])


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/ws/") and "wsgi.websocket" in environ:
        globals()[path[4:]](environ["wsgi.websocket"], environ)
        return []
    if path == "/raw/keeps":
        raw_keeps(environ)
        raise StopIteration
    if path == "/raw/sends":
        raw_sends(environ)
        return []
    if path == "/raw/answers":
        start_response("426 Upgrade Required", [("Content-Type", "text/plain")])
        return [repr(environ["gunicorn.socket"]).encode()]
    if path == "/kept":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [_use(kept[-1]).encode()]
    return flask_app(environ, start_response)


def _use(thing):
    """What becomes of that which outlives its request."""
    try:
        thing.send("late" if hasattr(thing, "receive") else b"late")
    except OSError as error:
        return type(error).__name__
    return "was sent"
