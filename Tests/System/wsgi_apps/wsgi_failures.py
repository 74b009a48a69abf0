"""Routes that raise, hang or use threads, and routes that report what others have left behind."""
import _thread
import atexit
import gc
import json
import os
import sys
import threading
import time

from wsgi_routes import CLOSED, GIVEN, TEXT, Counted, blocks, json_body, route


# Failures


@route
def boom(environ, start_response, q):
    if q.get("when") == "started":
        start_response("200 OK", TEXT + [("X-Secret", "1")])
    kind = {"ValueError": ValueError, "SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt,
            "GeneratorExit": GeneratorExit, "MemoryError": MemoryError}[q.get("kind", "ValueError")]
    raise kind("the secret of the app")


@route
def boom_later(environ, start_response, q):
    def body():
        for index in range(int(q["after"])):
            yield b"block\n"
        raise ValueError("the secret of the app")
    return blocks(start_response, q, body())


@route
def boom_in_close(environ, start_response, q):
    class Body(Counted):
        def close(self):
            super().close()
            raise ValueError("the secret of close")
    start_response("200 OK", TEXT)
    return Body(q.get("id", "-"), [b"whole"])


@route
def text_block(environ, start_response, q):
    return blocks(start_response, q, [b"bytes", "text"] if q.get("second") else ["text"])


@route
def none(environ, start_response, q):
    start_response("200 OK", TEXT)


# Threads


@route
def other_thread(environ, start_response, q):
    """Tries start_response and write on a thread of its own."""
    said = []

    def attempt():
        for call in (lambda: start_response("200 OK", TEXT), lambda: write(b"x")):
            try:
                call()
            except RuntimeError as error:
                said.append(str(error))
    write = start_response("200 OK", TEXT)
    run_on_thread(attempt)
    return [json.dumps(said).encode()]


def run_on_thread(function):
    """Runs on a system thread, also if gevent has replaced threads by greenlets."""
    monkey = sys.modules.get("gevent.monkey")
    start, lock = (monkey.get_original("_thread", name) if monkey else getattr(_thread, name)
                   for name in ("start_new_thread", "allocate_lock"))
    done = lock()
    done.acquire()
    start(lambda: (function(), done.release()), ())
    done.acquire()


@route
def background(environ, start_response, q):
    """Starts a thread that goes on after the request, and writes to the error log when the loop is idle."""
    threading.Thread(target=lambda: (time.sleep(0.2), print("from behind", file=environ["wsgi.errors"]))).start()
    start_response("200 OK", TEXT)
    return [b"ok"]


@route
def slow(environ, start_response, q):
    time.sleep(0.3)
    start_response("200 OK", TEXT)
    return [b"ok"]


@route
def at_exit(environ, start_response, q):
    atexit.register(lambda: open(q["file"], "w").write("farewell"))
    start_response("200 OK", TEXT)
    return [b"ok"]


@route
def hang(environ, start_response, q):
    while True:
        pass


# Reports


@route
def closed(environ, start_response, q):
    return json_body(start_response, CLOSED[q["id"]])


@route
def given(environ, start_response, q):
    return json_body(start_response, GIVEN[q["id"]])


@route
def objects(environ, start_response, q):
    """Numbers that grow with a leak: objects of the garbage collector, allocated blocks, open descriptors."""
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))
    return json_body(start_response, [len(gc.get_objects()), sys.getallocatedblocks(), descriptors])


@route
def errors(environ, start_response, q):
    stream = environ["wsgi.errors"]
    stream.write("one line\nhalf a ")
    stream.write("line\n")
    stream.writelines(["listed ", "lines\n"])
    stream.write("flushed")
    stream.flush()
    print("printed", file=stream)
    start_response("200 OK", TEXT)
    return [b"ok"]
