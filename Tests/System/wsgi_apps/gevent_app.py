"""For worker class gevent: waits of every kind, disconnects, deadlines, and greenlets that are ended."""
import contextvars
import gc
import json
import os
import socket
import subprocess
import sys
import threading
import time

TEXT = [("Content-Type", "text/plain")]
SEEN = {}
VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")
ROUTES = {}


def route(function):
    ROUTES["/" + function.__name__.replace("_", "-")] = function
    return function


def app(environ, start_response):
    query = dict(pair.partition("=")[::2] for pair in environ["QUERY_STRING"].split("&") if pair)
    return ROUTES[environ["PATH_INFO"]](environ, start_response, query)


def answered(start_response, value):
    start_response("200 OK", TEXT)
    return [json.dumps(value).encode()]


@route
def hello(environ, start_response, q):
    return answered(start_response, "hello")


@route
def seen(environ, start_response, q):
    return answered(start_response, SEEN.get(q["id"]))


@route
def sleep(environ, start_response, q):
    time.sleep(float(q["for"]))
    return answered(start_response, "slept")


@route
def patched(environ, start_response, q):
    return answered(start_response, "gevent" in socket.socket.__module__)


@route
def kinds(environ, start_response, q):
    """Waits with functions of the standard library and gevent, while other requests are served."""
    reader, writer = socket.socketpair()
    threading.Timer(0.05, lambda: writer.sendall(b"through a socket")).start()
    received = reader.recv(100).decode()
    lock = threading.Lock()
    lock.acquire()
    threading.Timer(0.05, lock.release).start()
    lock.acquire()
    address = socket.getaddrinfo("localhost", 80, socket.AF_INET)[0][4][0]
    output = subprocess.run([sys.executable, "-c", "print('child')"], stdout=subprocess.PIPE).stdout.decode().strip()
    reader.close(), writer.close()
    return answered(start_response, [received, address, output])


@route
def context(environ, start_response, q):
    before = VARIABLE.get()
    VARIABLE.set(q["id"])
    time.sleep(0.05)
    return answered(start_response, [before, VARIABLE.get()])


@route
def deep(environ, start_response, q):
    """Waits below many stack frames. Each frame checks its arguments afterwards."""
    def down(left, name):
        if not left:
            time.sleep(0.05)
            return name
        below = down(left - 1, f"{name}.{left}")
        return below if below.startswith(f"{name}.{left}") else None

    return answered(start_response, down(int(q["levels"]), q["id"]) == ".".join(
        [q["id"], *map(str, range(int(q["levels"]), 0, -1))]))


@route
def late_head(environ, start_response, q):
    """Lets other greenlets run between start_response and the first block."""
    start_response("200 OK", TEXT + [("X-Id", q["id"])])
    time.sleep(0.05)
    yield q["id"].encode()
    time.sleep(0.05)
    yield q["id"].encode()


@route
def echo(environ, start_response, q):
    """Reads a body as it arrives, and records how many bytes have come."""
    source, total = environ["wsgi.input"], 0
    size, SEEN["announced"] = int(q.get("size", 8192)), environ.get("CONTENT_LENGTH")
    while block := source.read(size):
        total += len(block)
        SEEN[q.get("id")] = total
    return answered(start_response, total)


@route
def lines(environ, start_response, q):
    source = environ["wsgi.input"]
    first, limited = source.readline(), source.readline(3)
    some = source.readlines(10)
    return answered(start_response, [first.decode(), limited.decode(), len(some), sum(len(line) for line in source)])


@route
def waits_for_client(environ, start_response, q):
    """Records how it learns that its client has left."""
    told = SEEN.setdefault(q["id"], [])
    gone = environ["evgateway.disconnected"]
    gone.on_disconnect(lambda: told.append("called back"))
    assert not gone.is_set() and not environ["waitress.client_disconnected"]() and gone.wait(0.01) is False
    told.append("waiting")
    told.append(gone.wait(60))
    told.append(environ["waitress.client_disconnected"]())
    return answered(start_response, None)


@route
def keeps_environ(environ, start_response, q):
    SEEN["kept"] = environ["evgateway.disconnected"], environ["evgateway.deadline"]
    return answered(start_response, None)


@route
def kept(environ, start_response, q):
    gone, deadline = SEEN["kept"]
    deadline.set(1)
    return answered(start_response, [gone.is_set(), gone.wait(5), deadline.remaining()])


@route
def notes_its_end(environ, start_response, q):
    """Waits for ever, and records what ends it."""
    told = SEEN.setdefault(q["id"], [])
    if "begin" in q:
        start_response("200 OK", TEXT)(b"begun")
    told.append("waiting")
    try:
        time.sleep(600)
    except BaseException as error:
        told.append(type(error).__name__)
        if "catch" in q:
            time.sleep(float(q["catch"]))
            told.append("went on")
            return answered(start_response, "caught")
        raise


@route
def writes_for_ever(environ, start_response, q):
    write = start_response("200 OK", TEXT)
    try:
        while True:
            write(b"x" * 65536)
    except OSError as error:
        SEEN[q["id"]] = type(error).__name__
        raise


@route
def writes_until_asked(environ, start_response, q):
    """Works for a while and yields a few bytes, again and again, until another request is served."""
    write = start_response("200 OK", TEXT)

    def blocks():
        while not SEEN.get("asked"):
            end = time.monotonic() + 0.002
            while time.monotonic() < end:
                pass
            yield b"x"

    if q["by"] == "iterable":
        return blocks()
    for block in blocks():
        write(block)
    return []


@route
def asked(environ, start_response, q):
    SEEN["asked"] = True
    return answered(start_response, "asked")


@route
def deadline(environ, start_response, q):
    limit = environ["evgateway.deadline"]
    before = limit.remaining()
    if "set" in q:
        limit.set(None if q["set"] == "none" else float(q["set"]))
    if "extend" in q:
        limit.extend(float(q["extend"]))
    time.sleep(float(q["sleep"]))
    return answered(start_response, [before, limit.remaining()])


@route
def ends(environ, start_response, q):
    """Ends its own greenlet in one of the ways that gevent has."""
    import gevent
    if q["how"] == "kill":
        gevent.getcurrent().kill(block=False)
        gevent.sleep(10)
    elif q["how"] == "kill-later":
        gevent.spawn_later(0.05, gevent.getcurrent().kill)
        gevent.sleep(10)
    elif q["how"] == "exit":
        raise gevent.GreenletExit
    elif q["how"] == "timeout":
        with gevent.Timeout(0.05):
            gevent.sleep(10)
    elif q["how"] == "child-exits":
        gevent.spawn(sys.exit, 3)
        gevent.sleep(0.05)
    return answered(start_response, "went on")


@route
def blocks(environ, start_response, q):
    end = time.monotonic() + float(q["for"])
    while time.monotonic() < end:
        pass
    return answered(start_response, "blocked")


@route
def census(environ, start_response, q):
    """Greenlets, threads and descriptors of this worker."""
    from greenlet import greenlet
    gc.collect()
    greenlets = sum(isinstance(thing, greenlet) and not thing.dead for thing in gc.get_objects())
    return answered(start_response, [greenlets, len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))])
