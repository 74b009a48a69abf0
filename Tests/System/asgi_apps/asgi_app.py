"""An ASGI app without a framework, with a path for each rule of the protocol. /seen answers with what it saw."""
import asyncio
import contextvars
import json
import os
import sys
import threading

seen = []
leaked = contextvars.ContextVar("leaked", default="clean")
MODE = os.environ.get("LIFESPAN", "")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    handler = ROUTES.get(scope["path"].partition("/api")[2] or scope["path"], not_found)
    await handler(scope, receive, send)


async def lifespan(scope, receive, send):
    if MODE == "unsupported":
        raise ValueError("lifespan is not for me")
    assert (await receive())["type"] == "lifespan.startup"
    if MODE == "failed":
        await send({"type": "lifespan.startup.failed", "message": "Traceback: no database"})
        return
    if MODE == "raised":
        raise RuntimeError("no database")
    if MODE == "slow":
        await asyncio.sleep(0.5)
    leaked.set("from the lifespan")
    scope["state"]["opened"] = "yes"
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    if MODE == "stuck":
        await asyncio.sleep(3600)
    await asyncio.sleep(0.05)
    print("the app says farewell", file=sys.stderr, flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send, body, status=200, headers=()):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"x-by", b"asgi_app")]})
    await send({"type": "http.response.body", "body": body})


async def not_found(scope, receive, send):
    await answer(send, b"no such path", 404)


async def read(receive):
    body, messages = b"", []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("cut off")
        assert message["type"] == "http.request" and type(message["body"]) is bytes
        messages.append(len(message["body"]))
        body += message["body"]
        if not message["more_body"]:
            return body, messages


async def show_scope(scope, receive, send):
    def plain(value):
        if isinstance(value, bytes):
            return value.decode("latin-1")
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value if isinstance(value, (str, int, float, type(None))) else type(value).__name__
    types = {key: type(value).__name__ for key, value in scope.items()}
    scope["state"]["mine"] = scope["state"].get("mine", 0) + 1
    pairs = all(type(name) is bytes and type(value) is bytes for name, value in scope["headers"])
    await answer(send, {"scope": plain(scope), "types": types, "pairs": pairs, "context": leaked.get()})


async def echo(scope, receive, send):
    body, messages = await read(receive)
    await answer(send, body, headers=[(b"x-messages", str(len(messages)).encode())])


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": iter([[b"content-type", b"text/plain"]])})
    for piece in (b"one", bytearray(b"two"), memoryview(b"three"), b""):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def much(scope, receive, send):
    """Counts the bytes that send has accepted, which shows that send waits for a client that does not read."""
    count = int(scope["query_string"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for index in range(count):
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        seen[:] = [index + 1]
    await send({"type": "http.response.body"})


async def show_seen(scope, receive, send):
    await answer(send, seen)


async def disconnect(scope, receive, send):
    """Waits until the client leaves; then send must raise."""
    seen[:] = ["waiting"]
    await receive()
    message = await receive()
    seen.append(message["type"])
    try:
        await answer(send, b"too late")
    except OSError as error:
        seen.append(type(error).__name__)
    seen.append((await receive())["type"])


async def two_waiters(scope, receive, send):
    """Two tasks of one request wait in receive. When one is cancelled, the other still gets the message."""
    await receive()
    first, second = asyncio.create_task(receive()), asyncio.ensure_future(receive())
    try:
        await asyncio.wait_for(receive(), 0.05)
    except asyncio.TimeoutError:
        pass
    first.cancel()
    await answer(send, b"done")
    seen[:] = [(await second)["type"], (await asyncio.gather(first, return_exceptions=True))[0].__class__.__name__]


async def slow_reader(scope, receive, send):
    """Reads nothing until it is told to, so that the body is not read from the connection."""
    await asyncio.sleep(0.3)
    body, messages = await read(receive)
    await answer(send, {"count": len(body), "largest": max(messages)})


async def raises(scope, receive, send):
    raise ZeroDivisionError("before the start")


async def raises_later(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ZeroDivisionError("after the start")


async def raises_at_the_end(scope, receive, send):
    await answer(send, b"whole")
    raise ZeroDivisionError("after the end")


async def says_nothing(scope, receive, send):
    pass


async def exits(scope, receive, send):
    sys.exit(7)


async def mistakes(scope, receive, send):
    """Each mistake raises in the app, and the response can still be given."""
    found = []

    async def attempt(*messages):
        try:
            for message in messages:
                await send(message)
            found.append("accepted")
        except Exception as error:
            found.append(type(error).__name__)

    start = {"type": "http.response.start", "status": 200, "headers": []}
    await attempt({"type": "http.response.body", "body": b""})
    await attempt({"type": "websocket.accept"})
    await attempt({"no": "type"})
    await attempt("a string")
    await attempt({"type": "http.response.start", "headers": []})
    await attempt({**start, "status": 101})
    await attempt({**start, "headers": [("x", "str")]}, {"type": "http.response.body"})
    await attempt({**start, "headers": [(b"x", b"a\r\nb: c")]}, {"type": "http.response.body"})
    await attempt({**start, "headers": [(b"x y", b"")]}, {"type": "http.response.body"})
    await attempt({**start, "headers": [b"xy"]}, {"type": "http.response.body"})
    await send({**start, "headers": [(b"transfer-encoding", b"chunked"), (b"x-found", ",".join(found).encode())]})
    await attempt(start)
    await attempt({"type": "http.response.body", "body": "str"})
    await send({"type": "http.response.body", "body": ",".join(found).encode()})
    try:
        await send({"type": "http.response.body", "body": b"more"})
    except RuntimeError:
        seen[:] = ["refused after the end"]


def bad_starts():
    """Mistakes by name, each with a message that must raise when it is sent."""
    def start(headers=(), status=200):
        return {"type": "http.response.start", "status": status, "headers": headers}

    def broken():
        yield b"x-good", b"1"
        raise ZeroDivisionError("of the app's own")
    return {
        "headers are a number": start(5), "headers are bytes": start(b"x"), "headers are a dict": start({b"x": b"1"}),
        "headers raise": start(broken()), "str name": start([("x", b"1")]), "str value": start([(b"x", "1")]),
        "number value": start([(b"x", 1)]), "one of a pair": start([(b"x",)]), "three of a pair": start([(b"x",) * 3]),
        "empty name": start([(b"", b"1")]), "space in a name": start([(b"x y", b"1")]),
        "colon in a name": start([(b"x:", b"1")]), "line break in a value": start([(b"x", b"1\r\ninjected: 1")]),
        "NUL in a value": start([(b"x", b"\0")]), "bad length": start([(b"content-length", b"+5")]),
        "two lengths": start([(b"content-length", b"5"), (b"content-length", b"6")]),
        "hop-by-hop": start([(b"keep-alive", b"5")]),
        "status str": start(status="200"), "status None": start(status=None),
        "status interim": start(status=100), "status huge": start(status=1 << 80), "status negative": start(status=-1),
        "status four digits": start(status=1000), "no status": {"type": "http.response.start"},
    }


async def refused_starts(scope, receive, send):
    """Sends each message and collects what it raises. The response after them must be complete."""
    told = {}
    for what, message in bad_starts().items():
        try:
            await send(message)
            told[what] = "accepted"
        except Exception as error:
            told[what] = f"{type(error).__name__}: {error}"
    await answer(send, told)


async def sends_within(scope, receive, send):
    """Sends a message whose values, when they are read, send messages themselves."""
    class Path:
        def __fspath__(self):
            send({"type": "http.response.body", "body": b"first", "more_body": True})
            return __file__

    class Pair:
        def __iter__(self):
            send({"type": "http.response.start", "status": 201, "headers": [(b"x-first", b"1")]})
            return iter((b"x-second", b"2"))

    class More:
        def __bool__(self):
            send({"type": "http.response.body", "body": b" within"})
            return True
    found = []
    for message in ({"type": "http.response.start", "status": 200, "headers": [Pair()]},
                    {"type": "http.response.pathsend", "path": Path()},
                    {"type": "http.response.body", "body": b" after", "more_body": More()}):
        try:
            await send(message)
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    seen[:] = found


async def raises_between(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-first", b"1")]})
    raise ZeroDivisionError("between the head and the body")


async def changes_its_headers(scope, receive, send):
    """Changes the list of headers after it was sent, which must have no effect."""
    headers = [(b"x-first", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    headers.clear()
    await asyncio.sleep(0.05)
    await send({"type": "http.response.body", "body": b"done"})


async def starts_then_reads(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body, _ = await read(receive)
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


async def pathsend(scope, receive, send):
    assert "http.response.pathsend" in scope["extensions"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.pathsend", "path": scope["query_string"].decode()})
    seen[:] = ["sent"]


async def context(scope, receive, send):
    before = leaked.get()
    leaked.set("from a request")
    await asyncio.sleep(0)
    await answer(send, [before, leaked.get()])


async def task(scope, receive, send):
    """What frameworks and debuggers read from the task that runs a request."""
    import io
    current = asyncio.current_task()
    current.print_stack(file=io.StringIO())
    async with asyncio.timeout(5) if sys.version_info >= (3, 11) else asyncio.Lock():
        await asyncio.sleep(0)
    thread = await asyncio.get_running_loop().run_in_executor(None, threading.get_ident)
    same = current is asyncio.current_task() and current in asyncio.all_tasks() and thread != threading.get_ident()
    await answer(send, [same, type(asyncio.get_running_loop()).__module__, bool(repr(current))])


async def from_a_thread(scope, receive, send):
    """A thread may call receive and send, but what they return must be awaited on the app's loop."""
    loop = asyncio.get_running_loop()

    def wait(awaitable):
        return asyncio.run_coroutine_threadsafe(awaitable, loop).result(30)

    async def elsewhere():
        await send({"type": "http.response.start", "status": 500})

    def call():
        found = [wait(receive())["type"]]
        for mistake in (lambda: asyncio.run(elsewhere()), lambda: wait(send({"type": "http.response.start"}))):
            try:
                mistake()
            except Exception as error:
                found.append(type(error).__name__)
        wait(send({"type": "http.response.start", "status": 200, "headers": []}))
        for _ in range(100):
            wait(send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True}))
        wait(send({"type": "http.response.body", "body": json.dumps(found).encode()}))
    await loop.run_in_executor(None, call)


async def sleep(scope, receive, send):
    seen[:] = ["asleep"]
    try:
        await asyncio.sleep(float(scope["query_string"] or b"3600"))
    except asyncio.CancelledError:
        seen.append("cancelled")
        print("the request was cancelled", file=sys.stderr, flush=True)
        raise
    await answer(send, b"awake")


async def deadline(scope, receive, send):
    """The query is Python code, which is run with the deadline."""
    limit = scope["extensions"]["evgateway.deadline"]
    name = scope["query_string"].decode()
    result = getattr(limit, name)(*{"set": [0.2], "extend": [60]}.get(name, []))
    seen[:] = [result, limit.remaining()]
    await sleep({**scope, "query_string": b"0.7"}, receive, send)


async def farewell(scope, receive, send):
    """Leaves behind a task, an async generator and a thread of the executor, all of which the worker must end."""
    async def generator():
        try:
            yield 1
        finally:
            print("the generator is closed", file=sys.stderr, flush=True)
    numbers = generator()
    await numbers.__anext__()
    seen[:] = [numbers, asyncio.create_task(linger())]
    await asyncio.get_running_loop().run_in_executor(None, int)
    await answer(send, b"left")


async def linger():
    try:
        await asyncio.sleep(3600)
    finally:
        print("the task is cancelled", file=sys.stderr, flush=True)


class Awaitable:
    def __init__(self, coroutine):
        self.coroutine = coroutine

    def __await__(self):
        return self.coroutine.__await__()


def awaitable(scope, receive, send):
    """An app need not be a coroutine function."""
    return Awaitable(answer(send, b"awaited"))


ROUTES = {
    "/": show_scope, "/echo": echo, "/stream": stream, "/much": much, "/seen": show_seen, "/disconnect": disconnect,
    "/two-waiters": two_waiters, "/slow-reader": slow_reader, "/raises": raises, "/raises-later": raises_later,
    "/raises-at-the-end": raises_at_the_end, "/says-nothing": says_nothing, "/exits": exits, "/mistakes": mistakes,
    "/pathsend": pathsend, "/context": context, "/task": task, "/from-a-thread": from_a_thread, "/sleep": sleep,
    "/deadline": deadline, "/farewell": farewell, "/awaitable": awaitable,
    "/refused-starts": refused_starts, "/raises-between": raises_between, "/sends-within": sends_within,
    "/changes-its-headers": changes_its_headers, "/starts-then-reads": starts_then_reads,
    "/caf\u00e9 \ufffd": show_scope,
}
