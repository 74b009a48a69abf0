"""The answer of Examples/hello, as WSGI and ASGI apps. For servers that do not send Date and Server themselves, an app
adds both, so that every server sends the same bytes."""

BODY = [b"Hello, World!"]
FIELDS = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "13")]
ALL_FIELDS = [*FIELDS, ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Server", "evgateway")]


def app(environ, start_response):
    start_response("200 OK", FIELDS)
    return BODY


def app_with_date_and_server(environ, start_response):
    start_response("200 OK", ALL_FIELDS)
    return BODY


ASGI_START = {"type": "http.response.start", "status": 200,
              "headers": [(name.lower().encode(), value.encode()) for name, value in FIELDS]}
ASGI_BODY = {"type": "http.response.body", "body": BODY[0]}


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await send(ASGI_START)
    await send(ASGI_BODY)
