"""Answers with what web servers have told of a request, as JSON: a WSGI and an ASGI app, at every path but these.

/file?path= sends a file by wsgi.file_wrapper. /wait ends when the client has left, /ticks streams until then, and both
say so in the log. /back sends the body back as it comes.
"""
import asyncio
import json
import sys
import urllib.parse


def left():
    sys.stderr.write("the client has left\n")


def wsgi(environ, start_response):
    path, query = environ["PATH_INFO"], dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    if path == "/file":
        file = open(query["path"], "rb")
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return environ["wsgi.file_wrapper"](file)
    if path == "/back":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return iter(lambda: environ["wsgi.input"].read(50000), b"")
    body = json.dumps({name: value for name, value in environ.items() if isinstance(value, (str, bool))}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})

    async def begin(*fields):
        await send({"type": "http.response.start", "status": 200, "headers": fields})

    if scope["path"] == "/wait":
        sys.stderr.write("waiting\n")
        while (await receive())["type"] != "http.disconnect":
            pass
        return left()
    if scope["path"] == "/ticks":
        await begin()
        gone = asyncio.ensure_future(leaving(receive))
        try:
            while not gone.done():
                await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
                await asyncio.wait([gone], timeout=0.02)
        except OSError:
            pass
        return left()
    if scope["path"] == "/back":
        await begin()
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})
        return
    told = {name: scope[name] for name in ("client", "server", "scheme", "path", "root_path", "http_version")}
    told["tls"] = scope["extensions"].get("tls")
    told["headers"] = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    body = json.dumps(told).encode()
    await begin((b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.body", "body": body})


async def leaving(receive):
    while (await receive())["type"] != "http.disconnect":
        pass
