"""What only the Swift chat does: it answers held polls when it leaves, on one thread, and tells of wrong settings."""

import json
import os
from signal import SIGHUP

import pytest

from support.chat import FOLDER, hear, say

PAGE = str(FOLDER / "page" / "index.html")


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "messages")


@pytest.fixture
def serve(gateway, example):
    def start(*flags, file="", hold=3600, **more):
        env = {"CHAT_HOLD": str(hold), "CHAT_FILE": file, "CHAT_PAGE": PAGE, **more.pop("env", {})}
        return gateway(example("longpoll"), *flags, "--graceful-timeout", 3600, env=env, **more)
    return start


def waiting(server, after, count=1):
    return [server.connect().request("GET", f"/messages?after={after}") for _ in range(count)]


def wait_until_held(server):
    """Returns when the requests sent before are parked: they are when a later request is answered."""
    assert server.get("/health").status == 200


def test_worker_that_leaves_answers_who_waits(serve):
    server = serve()
    clients = waiting(server, 0, 200)
    wait_until_held(server)
    assert server.stop() == 0
    for client in clients:
        with client:
            answer = client.read()
            assert json.loads(answer.body) == {"last": 0, "messages": []} and answer.closes


def test_reload_hands_who_waits_to_the_new_worker(serve, file):
    server = serve("--workers", 2, file=file)
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


def test_speaker_finds_what_it_said(serve, file):
    server = serve(file=file)
    with server.connect() as wire:
        for number in range(1, 101):
            assert json.loads(say(wire, str(number)).body) == {"id": number}
            last, texts = hear(wire)  # answered at once
            assert (last, texts[-1]) == (number, str(number))


def test_worker_has_one_thread(serve, file):
    server = serve(file=file)
    with server.connect() as wire:
        assert say(wire, "hi").status == 201 and hear(wire, 0) == (1, ["hi"])
    worker, = server.worker_pids()
    assert len(os.listdir(f"/proc/{worker}/task")) == 1


@pytest.mark.parametrize("arguments, env, reason", [
    ((), {"CHAT_HOLD": "soon"}, "CHAT_HOLD is a number of seconds"),
    ((), {"CHAT_HOLD": "-1"}, "CHAT_HOLD is a number of seconds"),
    (("--page", "no/such/page"), {}, "cannot read the page no/such/page"),
    (("--colour", "red"), {}, "usage: example-longpoll"),
])
def test_wrong_settings_are_told(serve, arguments, env, reason):
    server = serve(env=env, arguments=arguments, wait=False)
    assert server.wait() == 4
    assert reason in server.error_log()
