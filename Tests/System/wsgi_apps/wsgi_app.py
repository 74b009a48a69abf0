"""A WSGI app that uses only the standard library. Each route tests one rule of PEP 3333.

`app` is the app itself, `validated` the same app wrapped by wsgiref.validate.
"""
import hashlib
import sys
import wsgiref.validate

import wsgi_bodies  # noqa: F401  (registers its routes)
import wsgi_failures  # noqa: F401
from wsgi_routes import ROUTES, TEXT, json_body, query, route

KEPT = {}


def app(environ, start_response):
    handler = ROUTES.get(environ["PATH_INFO"], show_environ)
    return handler(environ, start_response, query(environ))


validated = wsgiref.validate.validator(app)


# environ


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
    """Calls start_response in a way that must raise. The app then answers with the exception."""
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
    """Keeps start_response and write after the end of their request, and uses them in another one."""
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
