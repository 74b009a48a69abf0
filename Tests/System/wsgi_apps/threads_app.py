"""For worker class threads: which thread runs a request, what requests wait for, and when a departure is noticed."""

import collections
import hashlib
import json
import threading
import time

import _evgateway

GATES = collections.defaultdict(threading.Event)
SEEN = collections.defaultdict(list)
BARRIERS = {}
LOCK = threading.Lock()


def app(environ, start_response):
    route = ROUTES[environ["PATH_INFO"]]
    query = dict(part.split("=") for part in environ["QUERY_STRING"].split("&") if part)
    answer = route(environ, query)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return answer if not isinstance(answer, (str, dict, list)) else [json.dumps(answer).encode()]


def me(environ, query):
    return {"thread": threading.current_thread().name, "multithread": environ["wsgi.multithread"]}


def meet(environ, query):
    """Returns when `count` requests with the same `id` are here at the same time."""
    with LOCK:
        barrier = BARRIERS.setdefault(query["id"], threading.Barrier(int(query["count"])))
    barrier.wait(float(query.get("seconds", 30)))
    return me(environ, query)


def hold(environ, query):
    """Holds its thread until the gate of its id is opened."""
    SEEN[query["id"]].append("called")
    print("holding", query["id"], file=environ["wsgi.errors"], flush=True)
    opened = GATES[query["id"]].wait(float(query.get("seconds", 60)))
    SEEN[query["id"]].append("opened")
    return str(opened)


def open_gate(environ, query):
    GATES[query["id"]].set()
    return "open"


def seen(environ, query):
    return SEEN[query["id"]]


def state(environ, query):
    return dict(zip(("threads", "busy", "queued"), _evgateway.threads_state()))


def blocks(environ, query):
    """Yields blocks without end, and counts them."""
    def made():
        try:
            while True:
                SEEN[query["id"]].append(1)
                yield b"x" * 65536
        finally:
            SEEN[query["id"]].append("closed")
    return made()


def size(environ, query):
    return (b"y" * int(query["size"]),)


def leaves(environ, query):
    """Records what the app knows about the client, before and after it has left."""
    disconnected, notes = environ["evgateway.disconnected"], SEEN[query["id"]]
    called = threading.Event()

    def callback():
        notes.append("callback on " + threading.current_thread().name)
        called.set()

    notes += [disconnected.is_set(), environ["waitress.client_disconnected"](), disconnected.wait(0.01)]
    disconnected.on_disconnect(callback)
    notes.append("waiting")
    notes += [disconnected.wait(30), disconnected.is_set(), environ["waitress.client_disconnected"](), called.wait(30)]
    disconnected.on_disconnect(lambda: notes.append("at once on " + threading.current_thread().name))
    disconnected.on_disconnect(lambda: 1 / 0) if "raise" in query else None
    notes.append("done")
    return "gone"


KEPT = []


def stays(environ, query):
    """Keeps the event after the end of its request."""
    disconnected = environ["evgateway.disconnected"]
    disconnected.on_disconnect(lambda: SEEN[query["id"]].append("callback"))
    KEPT.append(disconnected)
    waiter = threading.Thread(target=lambda: SEEN[query["id"]].append(disconnected.wait()), daemon=True)
    waiter.start()
    return "stays"


def kept(environ, query):
    kept = KEPT.pop()
    return [kept.is_set(), kept.wait(0)]


def upload(environ, query):
    """Reads a body piece by piece and records each."""
    body, notes, whole = environ["wsgi.input"], SEEN[query["id"]], hashlib.sha256()
    notes.append("called")
    try:
        while piece := body.read(int(query.get("piece", "65536"))):
            notes.append(len(piece))
            whole.update(piece)
    except OSError as error:
        notes.append(f"OSError: {error}")
        raise
    return whole.hexdigest()


def lines(environ, query):
    body = environ["wsgi.input"]
    first, some, rest = body.readline(), body.readlines(3), list(body)
    return [line.decode() for line in [first, *some, "|".encode(), *rest, body.read()]]


def nap(environ, query):
    time.sleep(float(query["seconds"]))
    return "rested"


ROUTES = {"/me": me, "/meet": meet, "/hold": hold, "/open": open_gate, "/seen": seen, "/state": state,
          "/blocks": blocks, "/size": size, "/leaves": leaves, "/stays": stays, "/kept": kept, "/upload": upload,
          "/lines": lines, "/nap": nap}
