"""An app that holds requests and publishes to them, as `wsgi` and as `asgi`.

/hold?channel= is a stream that begins with "open" on a line; /poll?channel= a long poll. /publish?how=&text= publishes
on the channel `room` in the way that is named, and answers with "published", or the error. /import answers what has
come of publishing while the app was imported.
"""
import asyncio
import os
import sys
import threading
import urllib.parse

import evgateway


def attempt(*arguments, **named):
    try:
        return f"published {evgateway.publish(*arguments, **named)}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


AT_IMPORT = attempt("room", "too early for anybody\n")


class Format:
    """As gripcontrol has them."""

    def __init__(self, name, **members):
        self.kind, self.members = name, members

    def name(self):
        return self.kind

    def export(self):
        return self.members


class Item:
    """As pubcontrol has it."""

    def __init__(self, *formats):
        self.formats = formats

    def export(self):
        return {"id": "of the item", **{each.name(): each.export() for each in self.formats}}


def in_thread(text):
    said = []
    if "gevent.monkey" in sys.modules:      # a real one
        import gevent
        return gevent.get_hub().threadpool.apply(attempt, ("room", text))
    thread = threading.Thread(target=lambda: said.append(attempt("room", text)))
    thread.start()
    thread.join()
    return said[0]


def in_greenlet(text):
    import gevent
    return gevent.spawn(attempt, "room", text).get()


def in_fork(text):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, attempt("room", text).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    said = os.read(read, 4096)      # not to its end: gevent closes the other end when its loop turns
    os.close(read)
    return said.decode()


WAYS = {
    "direct": lambda text: attempt("room", text),
    "bytes": lambda text: attempt("room", text.encode()),
    "binary": lambda text: attempt("room", b"\xff\x00" + text.encode()),
    "described": lambda text: attempt("room", text, id=8, prev_id=None, meta={"sender": "bob"}),
    "thread": in_thread,
    "greenlet": in_greenlet,
    "fork": in_fork,
    "formats": lambda text: attempt("room", {"http-response": {"code": 201, "body": text},
                                             "http-stream": {"content": bytearray(text.encode())}}),
    "format": lambda text: attempt("room", Format("http-stream", content=text)),
    "list": lambda text: attempt("room", [Format("ws-message", content=text), Format("http-stream", content=text)]),
    "item": lambda text: attempt("room", Item(Format("http-stream", content=text))),
    "large": lambda text: attempt("room", text + "x" * 1_000_000 + "\n"),
    "many": lambda text: str({attempt("nobody", text) for _ in range(50_000)}),
    "empty": lambda text: attempt("", text),
    "control": lambda text: attempt("a\nb", text),
    "nothing": lambda text: attempt("room", {}),
    "number": lambda text: attempt("room", 5),
    "channel": lambda text: attempt(5, text),
    "surrogate": lambda text: attempt("room", "\ud800"),
    "huge": lambda text: attempt("room", "x" * (17 << 20)),
}


def answer(path, query):
    query = dict(urllib.parse.parse_qsl(query))
    if path in ("/hold", "/poll"):
        return [("Grip-Hold", "stream" if path == "/hold" else "response"), ("Grip-Channel", query["channel"]),
                ("Content-Type", "text/plain")], b"open\n"
    said = AT_IMPORT if path == "/import" else WAYS[query["how"]](query.get("text", ""))
    return [("Content-Type", "text/plain"), ("X-Worker", str(os.getpid()))], said.encode()


def wsgi(environ, start_response):
    fields, body = answer(environ["PATH_INFO"], environ["QUERY_STRING"])
    start_response("200 OK", fields)
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    query = scope["query_string"].decode()
    if "how=task" in query:
        query = query.replace("how=task", "how=direct")
        fields, body = await asyncio.get_running_loop().create_task(in_task(scope["path"], query))
    else:
        fields, body = answer(scope["path"], query)
    await send({"type": "http.response.start", "status": 200,
                "headers": [(name.encode(), value.encode()) for name, value in fields]})
    await send({"type": "http.response.body", "body": body})


async def in_task(path, query):
    return answer(path, query)
