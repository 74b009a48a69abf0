"""What a client sees of requests that are held, on one of two sides: Pushpin in front of the app of apps/gripped.py,
and evgateway that holds them itself.

Law: a case is a function of a `Play`; what it puts into `seen` is the same at each run, and equal on both sides but for
DIFFERENCES of grip_differences.py. A play uses only channels and paths that begin with its own key.
"""

import base64
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

from . import wait
from .side_by_side import flat
from .wire import Closed, ProtocolViolation, Truncated, Wire

# Nothing that a case waits for takes longer: the shortest hold of Pushpin is 5 s.
LIMIT = 15.0
IGNORED = {"date", "server"}


class Side:
    """`address` is that of clients, `app` that of the app itself, `publisher` where items are published."""

    def __init__(self, name, address, app, publisher, is_held):
        self.name, self.address, self.app, self.publisher = name, address, app, publisher
        # is_held(play, requests, channels): that so many requests listen to so many channels each.
        self.is_held = is_held

    def play_of(self, key):
        return Play(self, key)

    def knows_channels_of(self, keys):
        """A second after the first subscription to a channel the app is asked again. Here that has happened before the
        plays of these keys begin, and the channels are remembered for a minute. The second answer ends the request: one
        that was still held would take the items of a play for items that it has missed."""
        for client in [self.listens(key) for key in keys]:
            seen = client.answer()
            assert seen.get("body") == "known", seen

    def listens(self, key):
        play = self.play_of(f"{key}.known")
        play.plan(hold("response", ",".join(f"{key}-{name}; prev-id=0" for name in "abc"), body=""),
                  answer(body="known"))
        client = play.ask()
        play.until_held(1, 3)
        return client

    def play(self, case, key):
        play = self.play_of(key)
        try:
            case(play)
        except AssertionError as error:
            play.seen["gave up"] = str(error).splitlines()[0]
        finally:
            play.close()
        return flat(play.seen)


class Play:
    def __init__(self, side, key):
        self.side, self.key, self.seen, self.clients = side, key, {}, []

    def close(self):
        for client in self.clients:
            client.wire.close()

    # The app

    def plan(self, *answers):
        """What the app answers with: the n-th of these to the n-th request, then the last again."""
        with Wire(self.side.app, timeout=LIMIT) as wire:
            assert wire.request("POST", f"/plan/{self.key}", body=json.dumps(answers).encode()).read().status == 200

    def asked(self):
        """All requests that the app has seen, each with its fields `Grip-*`."""
        with Wire(self.side.app, timeout=LIMIT) as wire:
            return json.loads(wire.get(f"/seen/{self.key}").body)

    def until_asked(self, count):
        wait.until(lambda: len(self.asked()) >= count, f"the app is asked {count} times", timeout=LIMIT)

    # Clients

    def ask(self, method="GET", more="", version="1.1", fields=(), body=b""):
        client = Client(self.side.address, method, version)
        self.clients.append(client)
        client.wire.request(method, f"/case/{self.key}/{more}", fields, body, version)
        return client

    def until_held(self, requests=1, channels=1):
        """Waits until this many requests have been held since the play began, each with so many channels."""
        wait.until(lambda: self.side.is_held(self, requests, channels), f"{requests} requests are held", timeout=LIMIT)

    # Items

    def channel(self, name="a"):
        return f"{self.key}-{name}"

    def publish(self, *items):
        """Items as GRIP has them; `channel` is completed. Returns what the publisher is told."""
        told = publish(self.side.publisher, json.dumps(
            {"items": [{**item, "channel": self.channel(item.get("channel", "a"))} for item in items]}).encode())
        assert told["status"] == 200, told
        return told

    def respond(self, text, channel="a", **more):
        return self.publish({"channel": channel, **more, "http-response": {"body": text}})

    def stream(self, *texts, channel="a", **more):
        """The texts in this order, one document each."""
        for text in texts:
            self.publish({"channel": channel, **more, "http-stream": {"content": text}})


class Client:
    def __init__(self, address, method, version):
        self.wire, self.method, self.body = Wire(address, timeout=LIMIT), method, b""
        self.version, self.head, self.left = version, None, None

    def answer(self):
        """One whole response, and whether the connection is kept after it."""
        if self.version == "1.0":
            return self.all_bytes()
        try:
            return received(self.wire, self.wire.read(self.method))
        except (Closed, Truncated, ProtocolViolation, TimeoutError, ConnectionResetError) as error:
            return {"failed": f"{type(error).__name__}: {error}"}

    def all_bytes(self):
        """What comes until the connection is closed."""
        head, _, body = self.wire.read_until_close().partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        pairs = [field.split(": ", 1) for field in fields]
        return {"line": line, "fields": fields_of(pairs), "body": body.decode("latin-1")}

    def begin(self):
        """The head of a response whose body comes bit by bit."""
        try:
            self.head = self.wire.read_head()
        except (Closed, Truncated, TimeoutError) as error:
            return {"failed": type(error).__name__}
        if length := self.head.get("content-length"):
            self.left = int(length)
        return {"status": f"{self.head.status} {self.head.reason}", "fields": fields_of(self.head.fields)}

    def until(self, end):
        """The body up to and with `end`, as it comes: ends of chunks are not seen."""
        end, latest = end.encode(), time.monotonic() + LIMIT
        try:
            while end not in self.body:
                if time.monotonic() > latest:
                    raise TimeoutError
                if not (piece := self._piece()):
                    piece, self.body = self.body, b""
                    return piece.decode("latin-1") + "(the end)"
        except (Truncated, TimeoutError) as error:
            return f"{self.body.decode('latin-1')}({type(error).__name__})"
        at = self.body.index(end) + len(end)
        piece, self.body = self.body[:at], self.body[at:]
        return piece.decode("latin-1")

    def rest(self):
        """The body up to its end, and how it ends."""
        try:
            while self._piece():
                pass
            ended = "the last chunk" if self._chunked() else "closed" if self.left is None else "its length"
        except (Truncated, TimeoutError, ConnectionResetError) as error:
            ended = type(error).__name__
        return {"body": self.body.decode("latin-1"), "ended by": ended}

    def _chunked(self):
        return self.head.get("transfer-encoding") == "chunked"

    def _piece(self):
        if self._chunked():
            piece = self.wire.read_chunk()
        elif self.left == 0:
            piece = b""
        else:
            piece = self.wire.read_some()
            if self.left is not None:
                self.left -= len(piece)
        self.body += piece
        return piece


def fields_of(pairs):
    fields = {}
    for name, value in pairs:
        if name.lower() not in IGNORED:
            fields.setdefault(name.lower(), []).append(value)
    return fields


def received(wire, response):
    if response.closes:
        wire.expect_close()
    body = response.body
    shown = body.decode("latin-1") if len(body) < 1000 else f"{len(body)} bytes, {sum(body)} in all"
    return {"status": f"{response.status} {response.reason}", "fields": fields_of(response.fields), "body": shown,
            "connection": "closed" if response.closes else "kept"}


def publish(address, document, method="POST", target="/publish/", fields=()):
    with Wire(address, timeout=LIMIT) as wire:
        response = wire.request(method, target, fields, document).read(method)
        return {"status": response.status, "type": response.get("content-type"), "body": response.body.decode()}


class Plays:
    """All cases that a run asks for are played on both sides at the same time, since most only wait."""

    def __init__(self, sides, cases, keys):
        self.pool = ThreadPoolExecutor(24)
        self.results = {
            name: [self.pool.submit(side.play, cases[name], keys(name)) for side in sides] for name in cases}

    def both(self, name):
        return [result.result() for result in self.results[name]]

    def close(self):
        self.pool.shutdown()


def key_of(name):
    """A name that may stand in paths and channels."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


# Answers of the app

def answer(*fields, body="", status="200 OK", kind="text/plain", **more):
    """`fields` are pairs; a body of bytes goes as base64."""
    content = {"base64": base64.b64encode(body).decode()} if isinstance(body, bytes) else {"body": body}
    return {"status": status, "fields": [["Content-Type", kind], *map(list, fields)], **content, **more}


def hold(mode, channel, *fields, body, **more):
    return answer(("Grip-Hold", mode), ("Grip-Channel", channel), *fields, body=body, **more)


def instruct(document, **more):
    text = document if isinstance(document, str) else json.dumps(document)
    return answer(kind="application/grip-instruct", body=text, **more)


def replaced(value, key):
    """A value with the key in the place of each `{}` within its strings."""
    if isinstance(value, dict):
        return {name: replaced(item, key) for name, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, key) for item in value]
    return value.replace("{}", key) if isinstance(value, str) else value
