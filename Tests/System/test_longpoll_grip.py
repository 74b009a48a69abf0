"""Examples/longpoll/grip.py, and the twenty lines of the article beside it: long polls that the server holds."""

import json
import re
import subprocess
import threading

import pytest

from support.gateway import ROOT
from support.metrics import Metrics

EXAMPLE = ROOT / "Examples" / "longpoll" / "grip.py"
ARTICLE = (ROOT / "Sources" / "EvGateway" / "EvGateway.docc" / "LongPolls.md").read_text()
README = (ROOT / "README.md").read_text()


@pytest.fixture
def chat(gateway, short_path):
    """Factory: `chat(app, worker_class, *flags)`; `until_held(count)` of what it returns waits for so many requests."""
    def start(app, worker_class, *flags):
        server = gateway(app, "-k", worker_class, "--grip", "--admin-bind", f"unix:{short_path}/admin", *flags)
        metrics = Metrics(short_path / "admin")
        server.until_held = lambda count: metrics.wait_for(count, "evgateway_requests_held")
        return server
    return start


@pytest.mark.parametrize("worker_class", ["inline", "threads", "gevent"])
def test_all_who_wait_are_answered(chat, worker_class):
    server = chat("Examples/longpoll/grip.py", worker_class, "--threads", 1)
    waiting = [server.connect().request(target="/messages") for _ in range(50)]
    server.until_held(50)
    with server.connect() as wire:
        assert wire.request("POST", "/messages", body=b"hello").read().status == 201
    for client in waiting:
        with client:
            answer = client.read()
            assert (answer.status, answer.body) == (200, b"hello")
    server.until_held(0)


def test_with_several_workers(chat):
    server = chat("Examples/longpoll/grip.py", "inline", "--workers", 3)
    waiting = [server.connect().request(target="/messages") for _ in range(60)]
    server.until_held(60)
    with server.connect() as wire:
        wire.request("POST", "/messages", body=b"hello").read()
    for client in waiting:
        with client:
            assert client.read().body == b"hello"


def test_the_page_shows_the_file():
    """README and the article have the example as it is, and the commands of README do what they say."""
    text = EXAMPLE.read_text()
    assert f"```python\n# Examples/longpoll/grip.py\n{text}```" in README
    assert f"```python\n# Examples/longpoll/grip.py\n{text}```" in ARTICLE


def test_the_commands_of_readme(chat):
    command, expected = re.search(r"\$ (curl 127\.0\.0\.1:8000/messages & .*)\n    (.*)\n", README).groups()
    server = chat("Examples/longpoll/grip.py", "inline")
    first, second = command.removesuffix("; wait").split(" & sleep 1; ")
    port = str(server.port)
    waits = subprocess.Popen(first.replace("8000", port).split(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    server.until_held(1)
    subprocess.run(second.replace("8000", port).split(), check=True, capture_output=True)
    assert waits.communicate(timeout=30)[0].decode() == expected


@pytest.fixture
def remembers(chat, tmp_path):
    """Factory: the app of the article that misses nothing, in a class."""
    blocks = re.findall(r"^```python\n(.*?)^```$", ARTICLE, re.MULTILINE | re.DOTALL)
    views = next(block for block in blocks if "prev-id" in block)
    events = next(block for block in blocks if "text/event-stream" in block)
    (tmp_path / "chat.py").write_text(
        "import json\nfrom evgateway import publish\nfrom flask import Flask, request\n\n"
        f"app, log = Flask(__name__), []\n\n\n{views}\n\n{events}")
    return lambda worker_class: chat("chat:app", worker_class, "--pythonpath", tmp_path)


@pytest.fixture
def remembering(remembers):
    return remembers("inline")


def say(server, text):
    with server.connect() as wire:
        assert wire.request("POST", "/messages", body=text).read().status == 201


def test_who_asks_for_what_comes_after_misses_nothing(remembering):
    """A message names the one before it: who is behind gets from the app what was missed."""
    fresh = remembering.connect().request(target="/messages?after=0")
    ahead = remembering.connect().request(target="/messages?after=1")
    remembering.until_held(2)
    say(remembering, b"one")
    assert [entry["text"] for entry in json.loads(fresh.read().body)] == ["one"]
    late = remembering.connect().request(target="/messages?after=0")
    assert [entry["text"] for entry in json.loads(late.read().body)] == ["one"]
    remembering.until_held(1)
    say(remembering, b"two")
    assert [entry["text"] for entry in json.loads(ahead.read().body)] == ["two"]
    for client in (fresh, ahead, late):
        client.close()


@pytest.mark.parametrize("worker_class", ["inline", "threads", "gevent"])
def test_nobody_misses_anything_between_two_polls(remembers, worker_class):
    """Clients poll while others post: each gets every message, in order, whatever comes while nobody waits."""
    server, seen = remembers(worker_class), [[] for _ in range(4)]

    def poll(texts):
        with server.connect() as wire:
            while len(texts) < 150:
                found = json.loads(wire.get(f"/messages?after={len(texts)}").body)
                assert [entry["id"] for entry in found] == list(range(len(texts) + 1, len(texts) + len(found) + 1))
                texts += [entry["text"] for entry in found]
    clients = [threading.Thread(target=poll, args=(texts,)) for texts in seen]
    for client in clients:
        client.start()
    for number in range(150):
        say(server, b"%d" % number)
    for client in clients:
        client.join(60)
    assert seen == [[str(number) for number in range(150)]] * 4


def test_the_events_of_the_article(remembering):
    with remembering.connect() as client:
        client.request(target="/events")
        head = client.read_head()
        assert head.get("content-type") == "text/event-stream"
        assert client.read_chunk() == b"event: open\ndata:\n\n"
