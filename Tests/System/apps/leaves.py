"""What an app does with evgateway.leaving, as `wsgi` and as `asgi`.

/wait?timeout= waits for it, /stream streams until it is set, /set asks, /same compares with the attribute of the
package, /called waits until a callback of its own is called. Two callbacks are there from the import; one fails.
"""
import asyncio
import sys
import threading
import time
import urllib.parse

import evgateway

where = []


def import_time():
    sys.stderr.write(f"told on {threading.current_thread().name}\n")


def failing():
    raise ValueError("a callback fails")


def forgotten():
    sys.stderr.write("told although forgotten\n")


for callback in (failing, forgotten, import_time):
    evgateway.leaving.on_leave(callback)
evgateway.leaving.forget(forgotten)
evgateway.leaving.forget(len)


def timeout_of(query):
    text = dict(urllib.parse.parse_qsl(query)).get("timeout")
    return None if text is None else float(text)


def wsgi(environ, start_response):
    leaving, path = environ["evgateway.leaving"], environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/stream":
        return stream(leaving)
    if path == "/wait":
        sys.stderr.write("holding\n")
        try:
            answer = leaving.wait(timeout=timeout_of(environ["QUERY_STRING"]))
        except RuntimeError as error:
            answer = error
    elif path == "/called":
        called = threading.Event()
        leaving.on_leave(called.set)
        sys.stderr.write("holding\n")
        answer = called.wait(60)
    elif path == "/same":
        answer = leaving is evgateway.leaving
    else:
        answer = leaving.is_set()
    return [str(answer).encode()]


def stream(leaving):
    yield b"tick\n"
    sys.stderr.write("holding\n")
    while not leaving.is_set():
        yield b"tick\n"
        try:
            leaving.wait(0.02)
        except RuntimeError:
            time.sleep(0.02)    # class inline
    yield b"end\n"


async def asgi(scope, receive, send):
    leaving, path = scope["extensions"]["evgateway.leaving"], scope["path"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    if path == "/stream":
        await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
        sys.stderr.write("holding\n")
        while not leaving.is_set():
            await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
            await leaving.wait(0.02)
        answer = "end\n"
    elif path == "/wait":
        sys.stderr.write("holding\n")
        answer = await leaving.wait(timeout_of(scope["query_string"].decode()))
    elif path == "/called":
        called = asyncio.Event()

        async def later():      # what a callback returns is awaited
            await asyncio.sleep(0)
            called.set()

        leaving.on_leave(later)
        sys.stderr.write("holding\n")
        answer = await called.wait()
    elif path == "/thread":
        sys.stderr.write("holding\n")
        answer = await asyncio.get_running_loop().run_in_executor(None, lambda: asyncio.run(leaving.wait()))
    elif path == "/same":
        answer = leaving is evgateway.leaving
    else:
        answer = leaving.is_set()
    await send({"type": "http.response.body", "body": str(answer).encode()})
