"""What only the Swift chat does: it answers held polls when it leaves, and has its own client for Redis."""

import contextlib
import json
import os
import pathlib
import socket
import tempfile
import threading
from signal import SIGCONT, SIGHUP, SIGSTOP

import pytest

from support import wait
from support.chat import FOLDER, Redis, hear, say

PAGE = str(FOLDER / "page" / "index.html")


@pytest.fixture
def redis():
    with tempfile.TemporaryDirectory(prefix="evg") as name, Redis(pathlib.Path(name)) as server:
        yield server


@pytest.fixture
def serve(gateway, example):
    def start(*flags, url="", hold=3600, **more):
        env = {"CHAT_HOLD": str(hold), "REDIS_URL": url, "CHAT_PAGE": PAGE, **more.pop("env", {})}
        return gateway(example("longpoll"), *flags, "--graceful-timeout", 3600, env=env, **more)
    return start


def wait_until_well(server, status=200):
    wait.until(lambda: server.get("/health").status == status, f"/health is {status}")


def waiting(server, after, count=1):
    return [server.connect().request("GET", f"/messages?after={after}") for _ in range(count)]


def wait_until_held(server):
    """Returns when the requests sent before are parked: they are when a later request is answered."""
    assert server.get("/health").status == 200


def command(redis, *words):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(redis.path))
        connection.sendall(resp(*words))
        return connection.recv(4096)


def resp(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)


def message(number, text):
    return json.dumps({"id": number, "name": "ann", "text": text}, separators=(",", ":"))


def keep(redis, number, text):
    """Adds a message to the list in Redis without a publish."""
    assert command(redis, "INCR", "chat:last") == b":%d\r\n" % number
    command(redis, "RPUSH", "chat:messages", message(number, text))


# Leaving

def test_worker_that_leaves_answers_who_waits(serve):
    server = serve()
    clients = waiting(server, 0, 200)
    wait_until_held(server)
    assert server.stop() == 0
    for client in clients:
        with client:
            answer = client.read()
            assert json.loads(answer.body) == {"last": 0, "messages": []} and answer.closes


def test_reload_hands_who_waits_to_the_new_worker(serve, redis):
    server = serve("--workers", 2, url=redis.url)
    old = server.worker_pids()
    clients = waiting(server, 0, 50)
    wait_until_held(server)
    server.signal(SIGHUP)
    for client in clients:
        with client:
            assert json.loads(client.read().body) == {"last": 0, "messages": []}
    server.wait_for_workers(2, besides=old)
    client, = waiting(server, 0)
    with server.connect() as wire:
        assert say(wire, "new").status == 201
    with client:
        assert json.loads(client.read().body)["last"] == 1


# Redis

def test_lost_subscription_is_made_good(serve, redis):
    """Polls stay held while the connection is lost, and then get the messages that were published meanwhile."""
    server = serve(url=redis.url)
    with server.connect() as wire:
        assert say(wire, "before").status == 201
    clients = waiting(server, 1, 20)
    wait_until_held(server)
    # Both in one transaction, so that the worker cannot subscribe again before the message is in the list.
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(redis.path))
        connection.sendall(resp("MULTI") + resp("CLIENT", "KILL", "TYPE", "pubsub") + resp("INCR", "chat:last")
                           + resp("RPUSH", "chat:messages", message(2, "meanwhile")) + resp("EXEC"))
        for client in clients:
            with client:
                assert json.loads(client.read().body) == {
                    "last": 2, "messages": [{"id": 2, "name": "ann", "text": "meanwhile"}]}
    wait_until_well(server)


def test_gap_is_filled(serve, redis):
    server = serve(url=redis.url)
    client, = waiting(server, 0)
    wait_until_held(server)
    keep(redis, 1, "untold")
    with server.connect() as wire:
        assert json.loads(say(wire, "told").body) == {"id": 2}
    with client:
        assert [told["text"] for told in json.loads(client.read().body)["messages"]] == ["untold", "told"]


def test_speaker_finds_what_it_said(serve, redis):
    server = serve(url=redis.url)
    with server.connect() as wire:
        for number in range(1, 101):
            assert json.loads(say(wire, str(number)).body) == {"id": number}
            last, texts = hear(wire)  # answered at once
            assert (last, texts[-1]) == (number, str(number))


def test_redis_that_hangs_is_an_outage(serve, redis):
    """Messages posted meanwhile are refused after a time limit, and polls stay held."""
    server = serve(url=redis.url)
    client, = waiting(server, 0)
    wait_until_held(server)
    os.kill(redis.process.pid, SIGSTOP)
    try:
        wires = [server.connect() for _ in range(5)]
        answers = [wire.request("POST", "/messages", body=b'{"name": "ann", "text": "hi"}') for wire in wires]
        assert server.get("/").status == 200
        for wire in answers:
            with wire:
                assert wire.read().status == 503
    finally:
        os.kill(redis.process.pid, SIGCONT)
    with server.connect() as wire:
        assert say(wire, "again").status == 201
    with client:
        assert json.loads(client.read().body)["messages"]


def test_strange_announcements_are_ignored(serve, redis):
    server = serve(url=redis.url)
    client, = waiting(server, 0)
    wait_until_held(server)
    for text in ["", "x", "[]", '{"id":0,"a":1}', '{"id":99999999999999999999,"a":1}', "\0" * 100_000]:
        command(redis, "PUBLISH", "chat", text)
    with server.connect() as wire:
        assert say(wire, "sense").status == 201
    with client:
        assert [told["text"] for told in json.loads(client.read().body)["messages"]] == ["sense"]
    assert server.get("/health").status == 200


def test_worker_has_one_thread(serve, redis):
    server = serve(url=redis.url)
    with server.connect() as wire:
        assert say(wire, "hi").status == 201 and hear(wire, 0) == (1, ["hi"])
    worker, = server.worker_pids()
    assert len(os.listdir(f"/proc/{worker}/task")) == 1


class FakeRedis:
    """Accepts connections, stores the first bytes of each, and answers each with the bytes given."""

    def __init__(self, answer):
        self.answer, self.received = answer, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.changed = threading.Condition()
        self.open = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.open.append(connection)
                with contextlib.suppress(OSError):
                    self.received.append(connection.recv(4096))
                    connection.sendall(self.answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        for connection in self.open:
            connection.close()


@pytest.mark.parametrize("credentials, database, first", [
    ("", "", resp("SUBSCRIBE", "chat")), ("", "/3", resp("SELECT", "3")),
    (":p%40ss@", "/3", resp("AUTH", "p@ss")), ("ann:secret@", "", resp("AUTH", "ann", "secret")),
])
def test_credentials_and_database_come_first(serve, credentials, database, first):
    with FakeRedis(b"-ERR not you\r\n") as fake:
        server = serve(url=f"redis://{credentials}localhost:{fake.port}{database}")
        assert fake.received[0] == first
        assert server.get("/health").status == 503
        with server.connect() as wire:
            answer = say(wire, "hi")
            assert answer.status == 503 and answer.get("retry-after") == "1"
        server.stop()


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*99999999999999\r\n", b"$99999999999\r\n", b"*-7\r\n", b"*1\r\n" * 100,
    b":1\r\n" * 100, b"+" + b"x" * 200_000, b"\0" * 100_000,
], ids=range(8))
def test_nonsense_from_redis_is_an_outage(serve, answer):
    with FakeRedis(answer) as fake:
        server = serve(url=f"redis://127.0.0.1:{fake.port}")
        workers = server.worker_pids()
        wait.until(lambda: len(fake.received) > 3, "the worker tries again")
        with server.connect() as wire:
            assert wire.get("/health").status == 503
            assert wire.get("/").status == 200
        assert server.worker_pids() == workers
        server.stop()


# Settings

@pytest.mark.parametrize("arguments, env, reason", [
    ((), {"REDIS_URL": "http://127.0.0.1"}, "REDIS_URL is redis://"),
    ((), {"CHAT_HOLD": "soon"}, "CHAT_HOLD is a number of seconds"),
    ((), {"CHAT_HOLD": "-1"}, "CHAT_HOLD is a number of seconds"),
    (("--page", "no/such/page"), {}, "cannot read the page no/such/page"),
    (("--colour", "red"), {}, "usage: example-longpoll"),
])
def test_wrong_settings_are_told(serve, arguments, env, reason):
    server = serve(env=env, arguments=arguments, wait=False)
    assert server.wait() == 4
    assert reason in server.error_log()
