"""The same app as `wsgi` and as `asgi`, for tests that hold in every worker class.

/echo answers with the body, /me with the query, /peer with the client's port, /stream?count=&size= with blocks.
/hold?file= waits until the file exists; /block?file= does so too and blocks the worker. /called answers with the
requests so far, /census with the objects that the process has. The census is also written when the process ends.
"""
import asyncio
import atexit
import collections
import gc
import json
import os
import sys
import threading
import time
import urllib.parse

CALLED = []
sleep_without_switch = time.sleep
if "gevent.monkey" in sys.modules:
    sleep_without_switch = sys.modules["gevent.monkey"].get_original("time", "sleep")


def census():
    """Counts what must not grow."""
    greenlet = sys.modules.get("greenlet")
    greenlets = [thing for thing in gc.get_objects() if isinstance(thing, greenlet.greenlet)] if greenlet else []
    try:
        tasks = len(asyncio.all_tasks())
    except RuntimeError:
        tasks = 0
    opened = collections.Counter()
    for name in os.listdir("/proc/self/fd"):
        try:
            opened[os.readlink(f"/proc/self/fd/{name}").partition(":")[0]] += 1
        except FileNotFoundError:
            continue    # the descriptor of the listing itself
    return {"threads": threading.active_count(), "greenlets": sum(not known.dead for known in greenlets),
            "tasks": tasks, "descriptors": sum(opened.values()), "sockets": opened["socket"]}


def tell_farewell():
    print("farewell", json.dumps(census()), file=sys.stderr, flush=True)


def answer(path, query):
    """Answers requests that need neither the body nor a wait."""
    if path == "/census":
        return json.dumps(census())
    if path == "/peer":
        return str(query["port"])
    if path == "/called":
        return json.dumps(CALLED)
    if path == "/block":
        sys.stderr.write("blocking\n")
        while not os.path.exists(query["file"]):
            sleep_without_switch(0.01)
    return f"me {query.get('id')}"


def query_of(text):
    return dict(urllib.parse.parse_qsl(text))


def wsgi(environ, start_response):
    path, query = environ["PATH_INFO"], query_of(environ["QUERY_STRING"])
    CALLED.append(path + "?" + environ["QUERY_STRING"])
    fields = [("Content-Type", "text/plain")]
    if path == "/stream":
        start_response("200 OK", fields)
        return (b"x" * int(query["size"]) for _ in range(int(query["count"])))
    if path == "/hold":
        sys.stderr.write("holding\n")
        while not os.path.exists(query["file"]):
            time.sleep(0.01)
    query["port"] = environ.get("REMOTE_PORT")
    body = environ["wsgi.input"].read() if path == "/echo" else answer(path, query).encode()
    start_response("200 OK", [*fields, ("Content-Length", str(len(body)))])
    return [body]


if os.environ.get("FAREWELL") == "wsgi":
    atexit.register(tell_farewell)


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    path, query = scope["path"], query_of(scope["query_string"].decode())
    CALLED.append(path + "?" + scope["query_string"].decode())
    fields = [(b"content-type", b"text/plain")]
    if path == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        for _ in range(int(query["count"])):
            await send({"type": "http.response.body", "body": b"x" * int(query["size"]), "more_body": True})
        return await send({"type": "http.response.body"})
    if path == "/hold":
        sys.stderr.write("holding\n")
        while not os.path.exists(query["file"]):
            await asyncio.sleep(0.01)
    query["port"] = scope["client"][1]
    body = await body_of(receive) if path == "/echo" else answer(path, query).encode()
    fields.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive):
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("cut off")
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


async def lifespan(receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    tell_farewell()
    await send({"type": "lifespan.shutdown.complete"})
