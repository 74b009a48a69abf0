"""The clients of WebSocket: websocket.c."""

from .program import Program


class WebSockets(Program):
    """`count` connections to `path` of a server. They are being opened: `answer` tells when they are. Use it as a
    context, whose end closes them."""

    def __init__(self, server, path, count, fields=(), deflate=False, timeout=30.0):
        host, port = server.target[1][:2]
        super().__init__("websocket", [
            "-t", timeout, *(["-d"] if deflate else []), *(word for field in fields for word in ("-f", field)),
            host, port, server.host_field, path, count])
