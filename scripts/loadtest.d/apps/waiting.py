"""The app that every Python server is loaded with, as WSGI and as ASGI: `/` answers as hello.py does,
`/hold?seconds=T` after T seconds, `/wait` when someone POSTs to `/publish`, `/upload` with the length of its body,
`/download?bytes=N` with N bytes. Without a folder (siblings.py), a publish reaches only clients of the same process."""

import asyncio
import threading
import time
from urllib.parse import parse_qs

import hello
import siblings

PIECE = b"\0" * 65536
MOST = 1 << 30


def _number(query, name, kind):
    """Returns the number of that name in the query; None if it is not a number from 0 to MOST."""
    try:
        value = kind(parse_qs(query)[name][0])
        return value if 0 <= value <= MOST else None
    except (KeyError, ValueError):
        return None


def _pieces(size):
    while size > 0:
        yield PIECE[:size]
        size -= len(PIECE)


# WSGI

_published = threading.Event()
_first = threading.Lock()
_listener = None


def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
    if path == "/hold":
        seconds = _number(query, "seconds", float)
        if seconds is None:
            return _text(start_response, "400 Bad Request", b"seconds=T is missing\n")
        time.sleep(seconds)
    elif path == "/wait":
        published = _published
        _listen()
        published.wait()
    elif path == "/publish":
        if not siblings.tell():
            _publish()
    elif path == "/upload":
        size = 0
        while piece := environ["wsgi.input"].read(65536):
            size += len(piece)
        return _text(start_response, "200 OK", b"%d\n" % size)
    elif path == "/download":
        size = _number(query, "bytes", int)
        if size is None:
            return _text(start_response, "400 Bad Request", b"bytes=N is missing\n")
        start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(size))])
        return _pieces(size)
    return hello.app(environ, start_response)


def _listen():
    """Runs in a thread: receives the publishes of other processes for all clients that wait in this one."""
    global _listener
    with _first:
        if _listener is None and (listening := siblings.listen()):
            _listener = threading.Thread(target=_hear, args=(listening,), daemon=True)
            _listener.start()


def _hear(listening):
    while listening.recv(64):
        _publish()


def _publish():
    """Wakes all clients that wait. A client that comes later waits for the next publish."""
    global _published
    _published, woken = threading.Event(), _published
    woken.set()


def _text(start_response, status, body):
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


# ASGI

_waiting = []
_listening = None


def _answer_all():
    woken = list(_waiting)
    _waiting.clear()
    for future in woken:
        if not future.done():
            future.set_result(None)


def _hear_on(loop):
    global _listening
    if _listening is None and (_listening := siblings.listen()):
        _listening.setblocking(False)
        loop.add_reader(_listening.fileno(), lambda: _listening.recv(64) and _answer_all())


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path, query = scope["path"], scope["query_string"].decode("latin-1")
    if path == "/hold":
        seconds = _number(query, "seconds", float)
        if seconds is None:
            return await _send(send, 400, b"seconds=T is missing\n")
        await asyncio.sleep(seconds)
    elif path == "/wait":
        loop = asyncio.get_running_loop()
        _hear_on(loop)
        future = loop.create_future()
        _waiting.append(future)
        await future
    elif path == "/publish":
        if not siblings.tell():
            _answer_all()
    elif path == "/upload":
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        return await _send(send, 200, b"%d\n" % size)
    elif path == "/download":
        size = _number(query, "bytes", int)
        if size is None:
            return await _send(send, 400, b"bytes=N is missing\n")
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(b"content-type", b"application/octet-stream"),
                                (b"content-length", str(size).encode())]})
        for piece in _pieces(size):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        return await send({"type": "http.response.body", "body": b""})
    await hello.asgi(scope, receive, send)


async def _send(send, status, body):
    await send({"type": "http.response.start", "status": status,
                "headers": [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
