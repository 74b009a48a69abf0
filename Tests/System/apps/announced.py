"""Answers with what the server says of the client and of where it has connected to, as JSON: a WSGI and an ASGI app."""
import json

NAMES = ("REMOTE_ADDR", "REMOTE_PORT", "PROXY_PROTOCOL", "PROXY_ADDR", "PROXY_PORT", "SERVER_PORT", "wsgi.url_scheme")


def wsgi(environ, start_response):
    body = json.dumps({name: environ[name] for name in NAMES if name in environ}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})
    body = json.dumps({name: scope[name] for name in ("client", "server", "scheme")}).encode()
    fields = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})
