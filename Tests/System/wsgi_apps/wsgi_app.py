"""A WSGI app of the standard library alone: each route exercises one point of PEP 3333.

`app` is bare, `validated` the same behind wsgiref.validate. Calls of close() are counted by the `id` of the query and
read back from /closed?id=..., blocks given out from /given?id=...
"""
import collections
import hashlib
import io
import json
import os
import sys
import tempfile
import time
import urllib.parse
import wsgiref.validate

CLOSED = collections.Counter()
GIVEN = collections.Counter()
KEPT = {}
TEXT = [("Content-Type", "text/plain")]
ROUTES = {}


def route(function):
    ROUTES["/" + function.__name__.replace("_", "-")] = function
    return function


def query(environ):
    return dict(urllib.parse.parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))


def app(environ, start_response):
    handler = ROUTES.get(environ["PATH_INFO"], show_environ)
    return handler(environ, start_response, query(environ))


validated = wsgiref.validate.validator(app)


def json_body(start_response, value):
    body = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class Counted:
    """An iterable that knows how far it was asked and how often it was closed."""

    def __init__(self, name, blocks):
        self.name, self.blocks = name, iter(blocks)

    def __iter__(self):
        return self

    def __next__(self):
        block = next(self.blocks)
        GIVEN[self.name] += 1
        return block

    def close(self):
        CLOSED[self.name] += 1


# What the environ says


def show_environ(environ, start_response, q):
    plain = {key: value if isinstance(value, (str, bool)) else repr(value) for key, value in environ.items()}
    plain["types"] = {key: type(value).__name__ for key, value in environ.items()}
    plain["exact dict"] = type(environ) is dict
    return json_body(start_response, plain)


# The request body


def digest(reader):
    sha, count = hashlib.sha256(), 0
    for block in reader:
        sha.update(block)
        count += len(block)
    return {"length": count, "sha256": sha.hexdigest()}


@route
def read_all(environ, start_response, q):
    return json_body(start_response, digest([environ["wsgi.input"].read(), environ["wsgi.input"].read(10)]))


@route
def read_blocks(environ, start_response, q):
    size, stream = int(q.get("size", "65536")), environ["wsgi.input"]
    return json_body(start_response, digest(iter(lambda: stream.read(size), b"")))


@route
def read_lines(environ, start_response, q):
    stream = environ["wsgi.input"]
    how = {
        "readline": lambda: iter(stream.readline, b""),
        "readline-limit": lambda: iter(lambda: stream.readline(int(q["limit"])), b""),
        "readlines": lambda: stream.readlines(),
        "readlines-hint": lambda: stream.readlines(int(q["hint"])),
        "iterate": lambda: stream,
    }[q["how"]]
    lines = list(how())
    answer = digest(lines)
    answer.update(count=len(lines), longest=max(map(len, lines), default=0), rest=len(stream.read(1 << 30)))
    return json_body(start_response, answer)


@route
def mixed_reads(environ, start_response, q):
    stream = environ["wsgi.input"]
    parts = [stream.read(3), stream.readline(), stream.read(0), stream.readline(2), stream.readline(), stream.read(100)]
    parts += [stream.read(5), stream.readline(), b"".join(stream)]
    return json_body(start_response, [part.decode("latin-1") for part in parts])


@route
def unread(environ, start_response, q):
    start_response("200 OK", TEXT + [("Content-Length", "2")])
    return [b"ok"]


@route
def closed_input(environ, start_response, q):
    environ["wsgi.input"].close()
    try:
        environ["wsgi.input"].read()
    except ValueError as error:
        return json_body(start_response, str(error))


# The response


def blocks(start_response, q, values, headers=TEXT):
    start_response("200 OK", list(headers))
    return Counted(q.get("id", "-"), values)


@route
def generator(environ, start_response, q):
    start_response("200 OK", TEXT)
    return (b"block %d\n" % i for i in range(int(q.get("count", "3"))))


@route
def empty_blocks(environ, start_response, q):
    return blocks(start_response, q, [b"", b"", b"a", b"", b"b", b""])


@route
def nothing(environ, start_response, q):
    start_response("200 OK", TEXT)
    return {"list": [], "tuple": (), "generator": (x for x in ()), "empty": [b""], "empties": iter([b"", b""])}[q["as"]]


@route
def sequence(environ, start_response, q):
    start_response("200 OK", TEXT)
    values = [b"one ", b"two ", b"three"]
    return {"list": values, "tuple": tuple(values), "iter": iter(values), "set": dict.fromkeys(values),
            "bytearray": [bytearray(b"x")], "str": "text", "long": [b"x" * 100_000] * 5}[q["as"]]


@route
def many(environ, start_response, q):
    """`count` blocks of `size` bytes."""
    block = b"y" * int(q["size"])
    return blocks(start_response, q, (block for _ in range(int(q["count"]))))


@route
def endless(environ, start_response, q):
    block = b"z" * 65536
    return blocks(start_response, q, iter(lambda: block, None))


@route
def steps(environ, start_response, q):
    """Gives a block, then waits until a file appears before the next: whoever holds blocks back never sees one."""
    def body():
        yield b"first\n"
        while not os.path.exists(q["file"]):
            pass
        yield b"second\n"
    return blocks(start_response, q, body())


@route
def late_start(environ, start_response, q):
    def body():
        start_response("200 OK", TEXT + [("X-Late", "yes")])
        yield b""
        yield b"late"
    return body()


@route
def length(environ, start_response, q):
    """Announces `announced` and gives `given` bytes, `as` a list or a generator."""
    start_response("200 OK", TEXT + [("Content-Length", q["announced"])])
    body = b"k" * int(q["given"])
    return [body] if q["as"] == "list" else Counted(q.get("id", "-"), [body[:5], body[5:]])


@route
def status(environ, start_response, q):
    start_response(q["line"], TEXT)
    return [b"body"]


@route
def headers(environ, start_response, q):
    start_response("200 OK", TEXT + [("X-Twice", "1"), ("X-Twice", "2"), ("X-Latin", "caf\u00e9")])
    return [b"ok"]


@route
def bad_start(environ, start_response, q):
    """A start_response that must be refused; the app reports what it raised and answers in its second attempt."""
    status, head = "200 OK", list(TEXT)
    kind = q["kind"]
    if kind == "bytes status":
        status = b"200 OK"
    elif kind in ("200OK", "20", "100 Continue", "abc def"):
        status = kind
    elif kind == "tuple headers":
        head = tuple(head)
    elif kind == "list pair":
        head.append(["X", "y"])
    elif kind == "triple":
        head.append(("X", "y", "z"))
    else:
        head.append({"bytes name": (b"X", "y"), "bytes value": ("X", b"y"), "int value": ("X", 1), "none": None,
                     "newline value": ("X", "a\r\nInjected: 1"), "newline name": ("X\r\nInjected", "a"),
                     "nul": ("X", "a\0b"), "euro": ("X", "\u20ac"), "space name": ("X Y", "a"),
                     "transfer-encoding": ("Transfer-Encoding", "chunked"), "keep-alive": ("Keep-Alive", "5"),
                     "bad length": ("Content-Length", "+5"), "surrogate": ("X", "\udc80")}[kind])
    try:
        start_response(status, head)
    except Exception as error:
        if q.get("raise"):
            raise
        return json_body(start_response, [type(error).__name__, str(error)])
    return [b"accepted"]


@route
def start_twice(environ, start_response, q):
    start_response("200 OK", TEXT)
    try:
        start_response("201 Created", TEXT)
    except RuntimeError as error:
        return [str(error).encode()]
    return [b"accepted"]


@route
def no_start(environ, start_response, q):
    return {"list": [b"body"], "empty": [], "generator": (b for b in [b"x"]),
            "file": environ["wsgi.file_wrapper"](open(__file__, "rb"))}[q["as"]]


@route
def error_page(environ, start_response, q):
    """exc_info before the head is sent replaces it, as keyword or by position."""
    start_response("200 OK", TEXT + [("X-First", "1"), ("Content-Length", "1000")])
    try:
        raise KeyError("lost")
    except KeyError:
        info = sys.exc_info()
        if q.get("keyword"):
            start_response("500 Oh", TEXT, exc_info=info)
        else:
            start_response("500 Oh", TEXT, info)
    return [b"error page"]


@route
def late_error_page(environ, start_response, q):
    """exc_info after the head is sent raises its exception in the app."""
    start_response("200 OK", TEXT)

    def body():
        yield b"begun\n"
        try:
            raise KeyError("lost")
        except KeyError:
            try:
                start_response("500 Oh", TEXT, sys.exc_info())
            except KeyError as error:
                yield b"raised " + str(error).encode()
    return body()


@route
def written(environ, start_response, q):
    write = start_response("200 OK", TEXT + ([("Content-Length", q["length"])] if "length" in q else []))
    write(b"written ")
    write(b"")
    write(b"twice")
    return [b" and returned"]


@route
def written_only(environ, start_response, q):
    write = start_response("200 OK", TEXT)
    for _ in range(int(q.get("count", "3"))):
        write(b"w" * 65536)
    return []


@route
def bad_write(environ, start_response, q):
    start_response("200 OK", TEXT)("text")
    return []


@route
def stale(environ, start_response, q):
    """Keeps start_response and write past their request, then uses them in another one."""
    if q["step"] == "keep":
        KEPT["write"], KEPT["start"] = start_response("200 OK", TEXT), start_response
        return [b"kept"]
    said = []
    for call in (lambda: KEPT["write"](b"x"), lambda: KEPT["start"]("200 OK", TEXT)):
        try:
            call()
        except RuntimeError as error:
            said.append(str(error))
    return json_body(start_response, said)


@route
def other_thread(environ, start_response, q):
    """Tries start_response and write on a thread of its own."""
    import threading
    said = []

    def attempt():
        for call in (lambda: start_response("200 OK", TEXT), lambda: write(b"x")):
            try:
                call()
            except RuntimeError as error:
                said.append(str(error))
    write = start_response("200 OK", TEXT)
    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return [json.dumps(said).encode()]


@route
def background(environ, start_response, q):
    """A thread that goes on after the request, and writes to the error log once the loop sleeps."""
    import threading
    threading.Thread(target=lambda: (time.sleep(0.2), print("from behind", file=environ["wsgi.errors"]))).start()
    start_response("200 OK", TEXT)
    return [b"ok"]


@route
def at_exit(environ, start_response, q):
    import atexit
    atexit.register(lambda: open(q["file"], "w").write("farewell"))
    start_response("200 OK", TEXT)
    return [b"ok"]


@route
def hang(environ, start_response, q):
    while True:
        time.sleep(0.01)


# Files


def big_file(size):
    name = os.path.join(tempfile.gettempdir(), f"evgateway-test-{os.getuid()}-{os.getpid()}-{size}")
    file = open(name, "w+b")
    os.unlink(name)
    block = bytes(range(256)) * 256
    while size >= len(block):
        size -= file.write(block)
    file.write(block[:size])
    file.seek(0)
    return file


class CountedFile:
    """A file whose close() is counted, and whose descriptor can be hidden."""

    def __init__(self, file, name, hidden=False):
        self.file, self.name = file, name
        self.read, self.tell = file.read, file.tell
        if not hidden:
            self.fileno = file.fileno

    def close(self):
        CLOSED[self.name] += 1
        self.file.close()


@route
def file(environ, start_response, q):
    body = big_file(int(q["size"]))
    body.seek(int(q.get("offset", "0")))
    if q.get("read"):
        body.read(int(q["read"]))
    if q.get("kind") == "memory":
        body = io.BytesIO(body.read())
    start_response("200 OK", TEXT + ([("Content-Length", q["length"])] if "length" in q else []))
    return environ["wsgi.file_wrapper"](CountedFile(body, q.get("id", "-"), q.get("kind") == "hidden"), 4096)


@route
def pipe(environ, start_response, q):
    reader, writer = os.pipe()
    os.write(writer, b"through a pipe")
    os.close(writer)
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](os.fdopen(reader, "rb"))


# What goes wrong


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


# What others see


@route
def closed(environ, start_response, q):
    return json_body(start_response, CLOSED[q["id"]])


@route
def given(environ, start_response, q):
    return json_body(start_response, GIVEN[q["id"]])


@route
def objects(environ, start_response, q):
    """What a leak would show in: the objects that the collector knows, the interpreter's blocks, open descriptors."""
    import gc
    gc.collect()
    return json_body(start_response, [len(gc.get_objects()), sys.getallocatedblocks(), len(os.listdir("/proc/self/fd"))])


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
