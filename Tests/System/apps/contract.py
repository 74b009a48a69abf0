"""The WSGI app of the system tests. Each route does one thing that a test needs. Standard library only.

CONTRACT_BOOT=raise|exit|slow in the environment makes the import raise, exit or take long.
"""

import hashlib
import json
import os
import sys
import time
import urllib.parse

if os.environ.get("CONTRACT_BOOT") == "raise":
    raise RuntimeError("this app does not want to start")
if os.environ.get("CONTRACT_BOOT") == "exit":
    os._exit(9)

ROUTES = {}
TEXT = [("Content-Type", "text/plain; charset=utf-8")]
not_callable = 42


def route(path):
    def register(handler):
        ROUTES[path] = handler
        return handler
    return register


def app(environ, start_response):
    path = environ["PATH_INFO"]
    query = {key: values[-1] for key, values in urllib.parse.parse_qs(environ.get("QUERY_STRING", "")).items()}
    if path.startswith("/status/"):
        return status(environ, start_response, int(path[8:]))
    handler = ROUTES.get(path)
    if handler is None:
        return text(start_response, "no such route", "404 Not Found")
    return handler(environ, start_response, query)


application = app


def make_app(greeting="made", *, count=1):
    def made(environ, start_response):
        return text(start_response, f"{greeting} {count}")
    return made


def text(start_response, body, line="200 OK", fields=()):
    data = body.encode("utf-8")
    start_response(line, [*TEXT, ("Content-Length", str(len(data))), *fields])
    return [data]


@route("/")
def hello(environ, start_response, query):
    return text(start_response, "Hello, World!")


@route("/pid")
def pid(environ, start_response, query):
    return text(start_response, str(os.getpid()))


@route("/version")
def version(environ, start_response, query):
    return text(start_response, os.environ.get("CONTRACT_VERSION", "none"))


@route("/echo")
def echo(environ, start_response, query):
    """Answers with the environ's values, and the body's length and SHA-256."""
    body = environ["wsgi.input"].read()
    answer = {
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "query": environ.get("QUERY_STRING", ""),
        "protocol": environ["SERVER_PROTOCOL"],
        "content_length": environ.get("CONTENT_LENGTH"),
        "remote": environ.get("REMOTE_ADDR"),
        "fields": {key[5:]: value for key, value in environ.items() if key.startswith("HTTP_")},
        "length": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "body": body.decode("latin-1") if len(body) <= 4096 else None,
    }
    data = json.dumps(answer).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]


@route("/peer")
def peer(environ, start_response, query):
    """Answers with the peer's port, or with what the server has instead for a unix socket."""
    return text(start_response, json.dumps({"address": environ.get("REMOTE_ADDR"), "port": environ.get("REMOTE_PORT")}))


@route("/unread")
def unread(environ, start_response, query):
    return text(start_response, "not read")


@route("/sleep")
def sleep(environ, start_response, query):
    time.sleep(float(query.get("seconds", "1")))
    return text(start_response, "slept")


@route("/spin")
def spin(environ, start_response, query):
    while True:
        pass


@route("/raise")
def fail(environ, start_response, query):
    raise ValueError("the app raised " + query.get("word", "this"))


@route("/exit")
def leave(environ, start_response, query):
    os._exit(int(query.get("code", "7")))


@route("/stream")
def stream(environ, start_response, query):
    """Streams `count` numbered blocks of `size` bytes without a length, `delay` seconds apart."""
    start_response("200 OK", TEXT)
    return Blocks(int(query.get("count", "3")), int(query.get("size", "8")), float(query.get("delay", "0")), query)


@route("/bytes")
def sized(environ, start_response, query):
    """`count` bytes with a length, in blocks of 64 KiB."""
    count, block = int(query["count"]), b"x" * 65536
    start_response("200 OK", [*TEXT, ("Content-Length", str(count))])
    return (block[:min(65536, count - offset)] for offset in range(0, count, 65536))


class Blocks:
    """Counts the blocks that were taken; close() writes their number to the file of `?closed=`."""

    def __init__(self, count, size, delay, query):
        self.count, self.size, self.delay, self.given, self.query = count, size, delay, 0, query

    def __iter__(self):
        return self

    def __next__(self):
        if self.given == self.count:
            raise StopIteration
        if self.given == int(self.query.get("raise_at", "-1")):
            raise ValueError("the app raised in the middle")
        if self.delay and self.given:
            time.sleep(self.delay)
        self.given += 1
        return str(self.given).encode().rjust(self.size - 1, b".") + b"\n"

    def close(self):
        if "closed" in self.query:
            with open(self.query["closed"], "a") as file:
                file.write(f"{self.given}\n")


@route("/lengths")
def lengths(environ, start_response, query):
    """Announces `announced` bytes and yields `given`."""
    start_response("200 OK", [*TEXT, ("Content-Length", query["announced"])])
    return [b"y" * int(query["given"])]


@route("/field")
def field(environ, start_response, query):
    """Answers with a field from the query, percent-decoded, so that it may contain any character."""
    return text(start_response, "field", fields=[(query["name"], query["value"])])


@route("/reason")
def reason(environ, start_response, query):
    return text(start_response, "reason", "200 " + query["reason"])


@route("/log")
def log(environ, start_response, query):
    environ["wsgi.errors"].write(query.get("line", "a line") + "\n")
    environ["wsgi.errors"].flush()
    return text(start_response, "logged")


@route("/stderr")
def stderr(environ, start_response, query):
    print(query.get("line", "a line"), file=sys.stderr, flush=True)
    return text(start_response, "printed")


def status(environ, start_response, code):
    """Always returns a body. The server must drop it if the status or the method allows none."""
    start_response(f"{code} Status {code}", TEXT)
    return [b"a body\n"]
