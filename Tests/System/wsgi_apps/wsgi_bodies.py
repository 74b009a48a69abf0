"""Routes that return bodies: iterables of every kind, and files."""
import io
import os
import tempfile

from wsgi_routes import CLOSED, TEXT, Counted, blocks, route


# Iterables


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
    """Yields a block, and the next one when a file exists. If a server held blocks back, the first would never come."""
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
    """Sets a Content-Length of `announced` and returns `given` bytes, `as` a list or a generator."""
    start_response("200 OK", TEXT + [("Content-Length", q["announced"])])
    body = b"k" * int(q["given"])
    return [body] if q["as"] == "list" else Counted(q.get("id", "-"), [body[:5], body[5:]])


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
    with os.fdopen(writer, "wb") as end:   # gevent's os.close would wait for the hub, which the read below blocks
        end.write(b"through a pipe")
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](os.fdopen(reader, "rb"))
