"""Bodies in one piece, as frameworks handle them, for WSGI and ASGI. A POST is answered with the length of its body,
which is read as a whole; a GET is answered with a megabyte. `app_with_date_and_server`: see hello.py."""

import hello

MEGABYTE = bytes(1 << 20)


def app(environ, start_response):
    body = _answer(environ)
    start_response("200 OK", _fields(body))
    return [body]


def app_with_date_and_server(environ, start_response):
    body = _answer(environ)
    start_response("200 OK", _fields(body) + hello.ALL_FIELDS[2:])
    return [body]


def _answer(environ):
    if environ["REQUEST_METHOD"] == "POST":
        return b"%d" % len(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    return MEGABYTE


def _fields(body):
    return [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = b"%d" % len(await _read(receive)) if scope["method"] == "POST" else MEGABYTE
    await send({"type": "http.response.start", "status": 200,
                "headers": [(name.lower().encode(), value.encode()) for name, value in _fields(body)]})
    await send({"type": "http.response.body", "body": body})


async def _read(receive):
    pieces, more = [], True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)
