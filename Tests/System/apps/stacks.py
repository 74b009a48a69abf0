"""Apps whose code waits in functions with known names, until GET /release; GET /stacks answers what the worker says."""

import asyncio
import json
import threading
import time
from urllib.parse import parse_qs

released = threading.Event()


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/stacks":
        return answer(start_response, stacks())
    if path == "/release":
        released.set()
    elif path == "/hold":
        hold_in_a_named_function()
    elif path == "/deep":
        dive(int(parse_qs(environ["QUERY_STRING"])["depth"][0]))
    elif path == "/read":
        environ["wsgi.input"].read()
    elif path == "/generate":
        start_response("200 OK", [])
        return blocks()
    elif path == "/write":
        start_response("200 OK", [])
        return (b"x" * 65536 for _ in range(1000))
    elif path == "/spin":
        spin(float(parse_qs(environ["QUERY_STRING"])["seconds"][0]))
    elif path == "/background":
        threading.Thread(target=hold_beside_requests, name="of the app\n[forged]", daemon=True).start()
    return answer(start_response, "done")


def answer(start_response, value):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(value).encode()]


def stacks():
    from evgateway import stacks, values
    left_out, found = values.decode(stacks.collect(values.encode(None)))
    return {"left_out": left_out, "stacks": found}


def hold_in_a_named_function():
    wait_for_release()  # this very line


def hold_beside_requests():
    wait_for_release()


def wait_for_release():
    while not released.is_set():
        time.sleep(0.02)


def dive(depth):
    return dive(depth - 1) if depth else wait_for_release()


def blocks():
    yield b"first"
    wait_for_release()
    yield b"last"


def spin(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


# ASGI


class Awaitable:
    def __await__(self):
        yield from self.by_a_generator().__await__()

    async def by_a_generator(self):
        async for _ in numbers():
            pass


async def asgi_app(scope, receive, send):
    path, value = scope["path"], "done"
    query = parse_qs(scope["query_string"].decode())
    if path == "/stacks":
        value = stacks()
    elif path == "/release":
        released.set()
    elif path == "/hold":
        await outermost()
    elif path == "/read":
        while (await receive()).get("more_body"):
            pass
    elif path == "/wait_for_task":
        await asyncio.create_task(of_the_app(), name="awaited\n[forged]")
    elif path == "/spin":
        spin(float(query["seconds"][0]))
    elif path == "/background":
        scope["app"] = asyncio.create_task(of_the_app(), name="of the app\n[forged]")
        kept.append(scope["app"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


kept = []


async def outermost():
    await middle()


async def middle():
    await Awaitable()


async def numbers():
    yield 1
    await innermost()


async def innermost():
    while not released.is_set():
        await asyncio.sleep(0.02)


async def of_the_app():
    await innermost()
