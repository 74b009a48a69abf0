"""Apps that fork inside a request, and whose child comes back as its parent does.

/fork answers with the child's exit code, or as the child; ?how= names what the child does first. /hold?file= waits
until the file is there; /leave?file= answers at once, and its child waits. /process runs a function in a process of
`multiprocessing`.
"""
import asyncio
import multiprocessing
import os
import sys
import time
import urllib.parse

SLEEP = time.sleep      # in the child of an asyncio or gevent app too, whatever becomes of its loop
if "gevent.monkey" in sys.modules:
    SLEEP = sys.modules["gevent.monkey"].get_original("time", "sleep")
TEXT = [("Content-Type", "text/plain")]


def child(query):
    if query.get("how") == "exit":
        sys.exit(3)
    if query.get("how") == "raise":
        raise ValueError("the child's own")
    if query.get("how") == "wait":      # with gevent, the other greenlets' copies run meanwhile
        open(query["file"], "w").close()
        time.sleep(0.3)
    return b"child"


def fork(query):
    pid = os.fork()
    return child(query) if pid == 0 else b"parent %d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def work():
    time.sleep(0.01)


def answer(path, query):
    if path == "/fork":
        return fork(query)
    if path == "/leave":    # behind in a child that stays until the file is there
        if os.fork() == 0:
            while not os.path.exists(query["file"]):
                SLEEP(0.01)
            os._exit(0)
        return b"left"
    if path == "/process":
        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        process.join()
        return b"process %d" % process.exitcode
    return b"me"


def stream(query):
    yield b"first "
    yield fork(query)


def wsgi(environ, start_response):
    path, query = environ["PATH_INFO"], dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    if path == "/hold":
        sys.stderr.write("holding\n")
        while not os.path.exists(query["file"]):
            time.sleep(0.01)
    if path == "/stream":
        start_response("200 OK", TEXT)
        return stream(query)
    if path == "/write":
        start_response("200 OK", TEXT)(fork(query))
        return []
    body = answer(path, query)
    start_response("200 OK", TEXT)
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    query = dict(urllib.parse.parse_qsl(scope["query_string"].decode()))
    path = scope["path"]
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    if path == "/hold":
        sys.stderr.write("holding\n")
        while not os.path.exists(query["file"]):
            await asyncio.sleep(0.01)
    if path == "/stream":
        await send(start)
        await send({"type": "http.response.body", "body": b"first ", "more_body": True})
        return await send({"type": "http.response.body", "body": fork(query)})
    if path == "/task":
        async def fork_soon():
            return fork(query)
        body = await asyncio.create_task(fork_soon())
    else:
        body = answer(path, query)
    await send(start)
    await send({"type": "http.response.body", "body": body})
