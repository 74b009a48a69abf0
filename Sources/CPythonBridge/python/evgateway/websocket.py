"""What the environ of a request for a WebSocket holds: wsgi.websocket, with the interface of gevent-websocket, and
gunicorn.socket (also named werkzeug.socket), the connection itself, for simple-websocket and what is built upon it.

Law: nothing happens to the request until the app uses one of them; then it is made of that, for good.
"""
import os
import socket as sockets
import sys
import threading


class WebSocketError(OSError):
    """The WebSocket is closed. Where gevent-websocket has been imported, its own is raised."""


def _error(text):
    theirs = sys.modules.get("geventwebsocket.exceptions")
    return getattr(theirs, "WebSocketError", WebSocketError)(text)


def dress(environ, request, app, worker_class):
    """Puts them into an environ. Returns the lock of those who send."""
    if request is None:
        environ["werkzeug.socket"] = environ["gunicorn.socket"] = Unavailable()
        return None
    if worker_class == "gevent":
        import gevent.lock
        import gevent.socket
        make_lock, base = gevent.lock.BoundedSemaphore, gevent.socket.socket
    else:
        make_lock, base = threading.Lock, sockets.socket
    lock = make_lock()
    environ["wsgi.websocket"] = WebSocket(request, lock, app)
    environ["wsgi.websocket_version"] = "13"
    environ["werkzeug.socket"] = environ["gunicorn.socket"] = untouched(base, request, lock, make_lock())
    return lock


def excuses(error, taken):
    """Whether an exception that an app raises at the end of its WebSocket only says that it has ended."""
    if not taken:
        return isinstance(error, type(_error("")))
    # simple-websocket's users end so under gunicorn, and under werkzeug; the rest is of a client that has left.
    return isinstance(error, (StopIteration, BrokenPipeError, ConnectionResetError)) or type(error) is ConnectionError


class Unavailable:
    """In place of the connection, where one request at a time is served."""

    def __getattr__(self, name):
        raise RuntimeError("worker class inline has no WebSocket: serve this app with -k gevent or -k threads")


class WebSocket:
    """environ['wsgi.websocket']. The first call of a method accepts the client."""

    def __init__(self, request, lock, app):
        self._request, self._lock, self._app = request, lock, app
        self._accepted = None
        self._closed = False

    @property
    def closed(self):
        """Whether it has ended. An app that waits for that alone has a client, too."""
        if self._accepted is None:
            with self._lock:
                self._accept()
        return self._is_closed or not self._accepted or self._request.has_ended

    @property
    def _is_closed(self):
        return self._closed or self._request.is_over

    @property
    def environ(self):
        return self._request.environ

    def _field(self, name):
        environ = self._request.environ
        return environ and environ.get(name)

    @property
    def path(self):
        return self._field("PATH_INFO")

    @property
    def origin(self):
        return self._field("HTTP_ORIGIN")

    @property
    def protocol(self):
        return self._field("HTTP_SEC_WEBSOCKET_PROTOCOL")

    @property
    def version(self):
        return self._field("HTTP_SEC_WEBSOCKET_VERSION")

    def _accept(self):
        """With the lock. Returns whether this is a WebSocket now."""
        if self._accepted is None and not self._is_closed:
            # The way of gevent-websocket's Resource to choose one of the client's.
            choose = getattr(self._app, "app_protocol", None)
            wanted = choose(self.path) if choose else ""
            offered = [name.strip() for name in (self.protocol or "").split(",")]
            self._accepted = self._request.accept(wanted if wanted and wanted in offered else None)
        return self._accepted

    def receive(self):
        """The next message: str, or bytearray for a binary one. None once at the end, then WebSocketError."""
        if self._is_closed:
            raise _error("Connection is already closed")
        if self._accepted is None:
            with self._lock:
                self._accept()
        message = self._request.receive() if self._accepted else None
        if message is None:
            self._closed = True
        return message

    def send(self, message, binary=None):
        """Sends a message, as text if it is a str and binary does not say otherwise; waits for a slow client.
        WebSocketError when the WebSocket is closed."""
        with self._lock:
            if self._is_closed or not self._accept():
                raise _error("Socket is dead")
            if binary is None:
                binary = not isinstance(message, str)
            data = message.encode() if isinstance(message, str) else bytes(message)
            if not binary and not isinstance(message, str):
                data.decode()   # a text is UTF-8
            if not self._request.send(data, not binary):
                raise _error("Socket is dead")

    def close(self, code=1000, message=b""):
        """Closes with a code and a reason; nothing is received any more. ValueError for a code that may not be sent."""
        reason = message.encode() if isinstance(message, str) else bytes(message or b"")
        with self._lock:
            if self._is_closed:
                return
            if self._accept() and not self._request.close(code, reason):
                raise ValueError(f"{code} may not be sent as a close code")
            self._closed = True


_classes = {}


def untouched(base, request, lock, sending):
    """A socket of the class `base` that takes the connection when it is used for the first time."""
    if base not in _classes:
        _classes[base] = _define(base)
    untouched = _classes[base]
    made = untouched.__new__(untouched)
    made.__dict__["_taking"] = (request, lock)
    made.__dict__["_sending"] = sending
    return made


def _define(base):
    class Socket(base):
        """The connection of a request. Bytes that the server has read before are the first to be received."""

        _left_over = b""

        def send(self, data, flags=0, **more):
            """Without a time limit it takes everything, as the kernel's blocking sockets do. gevent's takes what fits,
            and simple-websocket does not look how much that was. One sends at a time, so that frames stay whole."""
            if self.gettimeout() is not None or flags & sockets.MSG_DONTWAIT:
                return super().send(data, flags, **more)
            with self._sending:
                rest = memoryview(data).cast("B")
                while rest:
                    rest = rest[super().send(rest, flags, **more):]
            return len(memoryview(data).cast("B"))

        def _first(self, size, flags):
            first = self._left_over[:size]
            if not flags & sockets.MSG_PEEK:
                self._left_over = self._left_over[size:]
            return first

        def recv(self, size, flags=0):
            return self._first(size, flags) if self._left_over else super().recv(size, flags)

        def recv_into(self, buffer, nbytes=0, flags=0):
            if not self._left_over:
                return super().recv_into(buffer, nbytes, flags)
            room = memoryview(buffer).cast("B")
            first = self._first(min(nbytes or len(room), len(room)), flags)
            room[:len(first)] = first
            return len(first)

    class Untouched(Socket):
        def __getattribute__(self, name):
            if name.startswith("__"):
                return object.__getattribute__(self, name)
            _take(self, base, Socket)
            return getattr(self, name)

        def __repr__(self):
            return "<the connection of a request, not taken yet>"

    return Untouched


def _take(socket, base, kind):
    request, lock = object.__getattribute__(socket, "__dict__")["_taking"]
    with lock:
        if type(socket) is kind:
            return
        descriptor, left_over = request.take()
        if descriptor < 0:
            raise OSError("the connection cannot be taken: it has an answer, or the client has left")
        socket.__class__ = kind     # from here on its attributes are those of any socket
        try:
            base.__init__(socket, fileno=descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        socket._left_over = left_over
        socket.settimeout(None)
