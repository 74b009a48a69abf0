"""evgateway.publish: what held requests get of it, from every worker class, from any thread of a worker; what it
refuses."""

import contextlib
import json
import subprocess
import urllib.parse

import pytest

from conftest import PYTHON
from support.gateway import APPS, ROOT, Gateway
from support.wire import Wire

CLASSES = {
    "inline": ("publishes:wsgi", "-k", "inline"),
    "threads": ("publishes:wsgi", "-k", "threads"),
    "gevent": ("publishes:wsgi", "-k", "gevent"),
    "asgi": ("publishes:asgi", "-k", "asgi"),
}


WAYS = ["direct", "bytes", "described", "thread", "formats", "format", "list", "item"]
OWN_WAYS = {"gevent": ["greenlet"], "asgi": ["task"]}


@pytest.fixture(scope="module", params=CLASSES)
def server(request):
    started = Gateway([*CLASSES[request.param], "-b", "127.0.0.1:0", "--grip", "--workers", "2",
                       "--python", str(PYTHON), "--pythonpath", str(APPS)])
    started.name = request.param
    try:
        yield started.wait_until_ready(2)
    finally:
        assert started.clean_up() == []


def publish(server, how, text=""):
    """Returns what the app says, and in which worker."""
    with Wire(server.address) as wire:
        answer = wire.get("/publish?" + urllib.parse.urlencode({"how": how, "text": text}))
        return answer.body.decode(), answer.get("x-worker")


@contextlib.contextmanager
def held(server):
    """A stream whose request is held: it has had a message."""
    with Wire(server.address) as wire:
        wire.request(target="/hold?channel=room")
        assert wire.read_head().status == 200
        stream = Stream(wire)
        assert stream.line() == "open"
        # The first bytes of an answer leave before the app has given the last.
        for _ in range(30):
            publish(server, "direct", f"{stream.MARK}\n")
            wire.socket.settimeout(1)
            with contextlib.suppress(TimeoutError):
                assert stream.any_line() == stream.MARK
                break
        wire.socket.settimeout(30)
        yield stream


class Stream:
    """The lines of a chunked body, but for those that are published for whoever begins."""

    MARK = "held?"

    def __init__(self, wire):
        self.wire, self.raw, self.body = wire, b"", b""

    def line(self):
        line = self.any_line()
        return line if line != self.MARK else self.line()

    def any_line(self):
        while b"\n" not in self.body:
            self.body += self._chunk()
        line, _, self.body = self.body.partition(b"\n")
        return line.decode("latin-1")

    def _chunk(self):
        while b"\r\n" not in self.raw:
            self._read()
        size, _, self.raw = self.raw.partition(b"\r\n")
        size = int(size, 16)
        assert size, "the stream has ended"
        while len(self.raw) < size + 2:
            self._read()
        chunk, self.raw = self.raw[:size], self.raw[size + 2:]
        return chunk

    def _read(self):
        data = self.wire.read_some()
        assert data, "the connection has ended"
        self.raw += data


def test_every_way_reaches_who_is_held(server):
    with held(server) as stream:
        for how in WAYS + OWN_WAYS.get(server.name, []):
            assert publish(server, how, f"by {how}\n")[0] == "published None"
            assert stream.line() == f"by {how}"


def test_every_worker_reaches_every_worker(server):
    """Whichever of the two workers has the stream, and whichever publishes: in the order in which each does."""
    with held(server) as one, held(server) as another:
        workers, sent = set(), 0
        while len(workers) < 2 or sent < 10:
            assert sent < 500, "one worker answers everything"
            said, worker = publish(server, "direct", f"{sent}\n")
            assert said == "published None"
            workers.add(worker)
            # Answered in the worker of the publisher; the message may be on its way still.
            assert one.line() == another.line() == str(sent)
            sent += 1


def test_a_long_poll_is_answered(server):
    with held(server) as stream, Wire(server.address) as poll:
        poll.request(target="/poll?channel=room")
        # A stream says when it is held; a poll does not. So publish until it has its answer.
        for number in range(200):
            publish(server, "direct", f"{number}\n")
            assert stream.line() == str(number)
            poll.socket.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                poll.buffer = poll.read_some()
                break
        poll.socket.settimeout(30)
        answer = poll.read()
    assert answer.status == 200 and answer.body.decode().strip().isdigit()


def test_large_messages_pass(server):
    with held(server) as stream:
        assert publish(server, "large", "begins ")[0] == "published None"
        assert stream.line() == "begins " + "x" * 1_000_000


def test_the_last_of_many_costs_no_more_than_the_first(server):
    """Each had added a wrapper to what the next ones go through: 50,000 took longer than a worker may stand still."""
    assert publish(server, "many", "x")[0] == "{'published None'}"


def test_binary_messages_pass(server):
    with held(server) as stream:
        assert publish(server, "binary", "end\n")[0] == "published None"
        assert stream.line() == "\xff\x00end"


def test_app_may_publish_while_it_is_imported(server):
    with Wire(server.address) as wire:
        assert wire.get("/import").body == b"published None"


@pytest.mark.parametrize("how, error", [
    ("empty", "ValueError: publish item object: 'channel' is empty"),
    ("control", "ValueError: publish item object: 'channel' has a control character: 'a\nb'"),
    ("nothing", "ValueError: no formats specified"),
    ("number", "TypeError: what is published is str, bytes, or formats, not int"),
    ("channel", "TypeError: channel is to be a str, not int"),
    ("surrogate", "UnicodeEncodeError: "), ("huge", "ValueError: a message of more than 16777216 bytes"),
    ("fork", "RuntimeError: a process that the app has forked cannot publish")])
def test_what_cannot_be_published_is_an_error(server, how, error):
    assert publish(server, how)[0].startswith(error)


def test_no_worker_no_bus(gateway):
    server = gateway("publishes:wsgi", "--preload")
    with Wire(server.address) as wire:
        assert wire.get("/import").body.startswith(b"RuntimeError: evgateway.publish works in a worker")


def test_outside_of_a_server(tmp_path):
    package = ROOT / "Sources" / "CPythonBridge" / "python"
    done = subprocess.run(
        [PYTHON, "-c", "import evgateway; evgateway.publish('a', 'b')"], cwd=tmp_path, text=True, capture_output=True,
        env={"PYTHONPATH": str(package)})
    assert done.returncode == 1 and "RuntimeError: evgateway.publish works in a worker of evgateway" in done.stderr


def test_over_http_it_is_the_same(gateway, short_path):
    """Published by the admin process, and held by workers."""
    server = gateway("publishes:wsgi", "--grip", "--workers", 2, "--publish-bind", f"unix:{short_path}/p")
    items = [{"channel": "room", "http-stream": {"content": f"{number}\n"}} for number in range(3)]
    with held(server) as one, held(server) as another, Wire(str(short_path / "p")) as wire:
        body = json.dumps({"items": items}).encode()
        assert wire.request("POST", "/publish/", body=body).read().body == b"Published\n"
        assert [stream.line() for stream in (one, another) for _ in items] == ["0", "1", "2"] * 2
