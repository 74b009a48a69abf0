"""The examples, built by scripts/build and served by the launcher."""

import json
import signal

import pytest

from support import wait
from support.gateway import ROOT

EXAMPLES = ROOT / "Examples"


def test_hello(gateway, example):
    server = gateway(example("hello"), "--workers", 2, "--connections", 1000)
    with server.connect() as client:
        for _ in range(10):
            answer = client.get("/")
            assert (answer.status, answer.body) == (200, b"Hello, World!")
            assert answer.get("content-type") == "text/plain; charset=utf-8"


def test_chat_answers_who_waits(gateway, example):
    server = gateway(example("longpoll-chat"))
    waiting = [server.connect().request("GET", "/messages?since=0") for _ in range(10)]
    wait.until(lambda: server.get("/waiting").body == b"10", "ten wait")
    with server.connect() as poster:
        posted = poster.request("POST", "/messages", body='say "hi" to all\n\u00e9'.encode()).read()
        assert posted.status == 201 and json.loads(posted.body) == {"id": 1}
    for client in waiting:
        answer = client.read()
        assert answer.get("content-type") == "application/json"
        assert json.loads(answer.body) == [{"id": 1, "text": 'say "hi" to all\n\u00e9'}]
        client.close()


def test_chat_answers_at_once_what_was_missed(gateway, example):
    server = gateway(example("longpoll-chat"))
    with server.connect() as client:
        for number in range(3):
            assert client.request("POST", "/messages", body=b"m%d" % number).read().status == 201
        assert [message["text"] for message in json.loads(client.get("/messages?since=1").body)] == ["m1", "m2"]


def test_chat_waits_as_long_as_it_is_asked(gateway, example):
    server = gateway(example("longpoll-chat"))
    with server.connect() as client:
        assert client.get("/messages?since=0&wait=0.2").status == 204
        assert client.get("/waiting").body == b"0"


@pytest.mark.parametrize("method, target, status", [
    ("GET", "/messages?since=x", 400), ("DELETE", "/messages", 405), ("GET", "/nowhere", 404),
])
def test_chat_refuses_what_it_does_not_know(gateway, example, method, target, status):
    server = gateway(example("longpoll-chat"))
    with server.connect() as client:
        assert client.request(method, target).read().status == status


def test_chat_refuses_a_message_that_is_too_long(gateway, example):
    server = gateway(example("longpoll-chat"))
    with server.connect() as client:
        assert client.request("POST", "/messages", body=b"x" * 100_000).read().status == 413


def test_events_arrive_one_by_one(gateway, example):
    server = gateway(example("server-sent-events"))
    with server.connect() as client:
        client.request("GET", "/events?interval=0.05")
        head = client.read_head()
        assert head.get("content-type") == "text/event-stream" and head.get("cache-control") == "no-cache"
        events = b""
        while events.count(b"\n\n") < 5:
            events += client.read_chunk()
    lines = [line for line in events.decode().split("\n\n") if line][:5]
    assert [line.splitlines()[0] for line in lines] == [f"id: {number}" for number in range(1, 6)]


def test_events_resume_after_the_last_one_seen(gateway, example):
    server = gateway(example("server-sent-events"))
    with server.connect() as client:
        client.request("GET", "/events?interval=0.05", fields=[("Last-Event-ID", "41")])
        client.read_head()
        assert client.read_chunk().startswith(b"id: 42\n")


def test_events_end_when_the_client_leaves(gateway, example):
    server = gateway(example("server-sent-events"))
    for _ in range(3):
        with server.connect() as client:
            client.request("GET", "/events?interval=0.01")
            client.read_head()
            client.read_chunk()
            client.reset()
    assert server.stop() == 0


def test_events_end_with_their_worker(gateway, example):
    server = gateway(example("server-sent-events"), "--graceful-timeout", 300)
    with server.connect() as client:
        client.request("GET", "/events?interval=60")
        client.read_head()
        assert client.read_chunk()
        server.signal(signal.SIGHUP)
        assert client.read_chunk() == b""
    assert server.stop() == 0


def test_flask_example(gateway, python):
    server = gateway("app.py", cwd=EXAMPLES / "flask-hello", python=python)
    assert server.get("/").body == b"Hello, World!"
    assert json.loads(server.get("/hello/you").body) == {"hello": "you"}
    assert server.get("/nowhere").status == 404
    with server.connect() as client:
        answer = client.request("POST", "/echo", fields=[("Content-Type", "application/json")], body=b'{"a": 1}').read()
        assert json.loads(answer.body) == {"a": 1}


def test_django_example(gateway, python):
    server = gateway("app.py", cwd=EXAMPLES / "django-hello", python=python)
    assert server.get("/", fields=[]).body == b"Hello, World!"
    assert json.loads(server.get("/hello/you/").body) == {"hello": "you"}
    assert server.get("/nowhere").status == 404
