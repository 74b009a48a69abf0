"""A WSGI and an ASGI app that answer with what they see, as JSON."""

import json
import os
import sys
import time

IMPORTED_BY = os.getpid()
EVENTS = []     # of ASGI's lifespan


def process():
    mask = os.umask(0)
    os.umask(mask)
    variables = {name: value for name, value in os.environ.items() if name in ("ALIKE_A", "ALIKE_B")}
    return {"pid": os.getpid(), "parent": os.getppid(), "imported_by": IMPORTED_BY, "folder": os.getcwd(),
            "first_paths": [path for path in sys.path if os.path.basename(path) in ("lib", "other")],
            "variables": variables, "umask": mask, "SERVER_SOFTWARE": os.environ.get("SERVER_SOFTWARE"),
            "monkey": "gevent.monkey" in sys.modules}


def shown(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {name: shown(item) for name, item in value.items()}
    if value is None or isinstance(value, (str, int, float)):
        return value
    return "<object>"


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise ValueError("asked to")
    if path == "/exit":
        raise SystemExit("asked to")
    if path.startswith("/sleep/"):
        time.sleep(float(path[7:]))
    if path.startswith("/spin/"):
        end = time.monotonic() + float(path[6:])
        while time.monotonic() < end:
            pass
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Twice", "a"), ("X-Twice", "b")])
        return iter([b"one\n", b"", b"two\n"])
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    if path == "/short":
        start_response("299 Some Words", [("Content-Length", "5"), ("Server", "mine"), ("Connection", "close")])
        return [b"long text"]
    body = environ["wsgi.input"].read().decode("latin-1")
    told = {"environ": shown(dict(environ)), "process": process(), "body": body}
    data = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]


def make(name, number=1):
    def app(environ, start_response):
        environ["alike.made"] = f"{name} {number}"
        return application(environ, start_response)
    return app


def paste(settings, **local):
    return make(f"{sorted(local)} {settings.get('color')}")


async def asgi(scope, receive, send):
    import asyncio
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            EVENTS.append(event)
            await send({"type": event + ".complete"})
            if event == "lifespan.shutdown":
                return
    if scope["path"] == "/fail":
        raise ValueError("asked to")
    body = (await receive()).get("body", b"").decode("latin-1")
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    data = json.dumps({"scope": shown(dict(scope)), "process": process(), "body": body, "loop": loop,
                       "events": EVENTS}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": data})


class NoApp:
    pass


no_app = NoApp()
