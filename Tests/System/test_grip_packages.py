"""The libraries that people use with Pushpin, as they are, with GRIP_URL pointed at evgateway: gripcontrol and
pubcontrol in a Flask app, django-grip and django-eventstream in a Django project."""

import json
import socket

import pytest

from support.gateway import ROOT
from support.metrics import Metrics

APPS = ROOT / "Tests" / "System" / "wsgi_apps"
WSGI = ["inline", "threads", "gevent"]
KEY = "a key that only the app and the server know"
SIGNED = f"?iss=evgateway&key={KEY.replace(' ', '%20')}"


@pytest.fixture
def publisher():
    """An address for --publish-bind that is known before the server starts. Of no other IP address does the kernel give
    a port away meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.11", 0))
        return "%s:%d" % probe.getsockname()


@pytest.fixture
def serve(gateway, publisher, tmp_path, short_path):
    """Factory: a server that holds, with an app that publishes to it; `query` goes to GRIP_URL."""
    def start(app, worker_class, *flags, query=""):
        env = {"GRIP_URL": f"http://{publisher}{query}", "DATABASE": str(tmp_path / "db.sqlite3")}
        server = gateway(app, "-k", worker_class, "--grip", "--publish-bind", publisher, "--pythonpath", APPS,
                         "--admin-bind", f"unix:{short_path}/admin", *flags, env=env)
        metrics = Metrics(short_path / "admin")
        server.until_held = lambda count: metrics.wait_for(count, "evgateway_requests_held")
        return server
    return start


@pytest.fixture(params=[*WSGI, "asgi"])
def django(request, serve):
    attribute = "asgi" if request.param == "asgi" else "application"
    return serve(f"grip_django:{attribute}", request.param)


@pytest.fixture(params=WSGI)
def flask(request, serve):
    return serve("grip_flask:app", request.param)


class Stream:
    """A response that goes on; text is read as it comes."""

    def __init__(self, server, target, fields=()):
        self.wire, self.text = server.connect().request(target=target, fields=fields), ""
        self.head = self.wire.read_head()
        assert self.head.status == 200, self.head
        assert not [name for name, _ in self.head.fields if name.lower().startswith("grip-")]

    def until(self, end):
        while end not in self.text:
            self.text += self.wire.read_chunk().decode()
        piece, _, self.text = self.text.partition(end)
        return piece + end


class EventSource(Stream):
    """As a browser's: remembers the last id, and asks again with it."""

    def __init__(self, server, target="/events/", last=None):
        fields = [("Accept", "text/event-stream"), *([("Last-Event-ID", last)] if last else [])]
        super().__init__(server, target, fields)
        assert self.head.get("content-type") == "text/event-stream"
        self.last = last
        self.next("stream-open")

    def next(self, kind="message"):
        """The next event of a kind; those that keep the connection alive are passed over."""
        while True:
            event = {}
            for line in self.until("\n\n").splitlines():
                name, _, value = line.partition(":")
                event.setdefault(name, value.strip())
            self.last = event.get("id", self.last)
            if event.get("event") == kind:
                return json.loads(event["data"]) if event["data"] else None
            assert event.get("event") in (None, "keep-alive"), event


def said(server, target, **more):
    with server.connect() as wire:
        response = wire.request(target=target, **more).read()
    assert response.status == 200, response
    return response.body


def test_django_is_told_that_it_is_proxied(django):
    told = json.loads(said(django, "/proxied"))
    assert told["proxied"] and not told["signed"] and "link:next" in told["features"]


def test_django_longpoll_and_stream(django):
    """A view publishes by HTTP to its own server while it is being served, also where that is the only thread."""
    stream = Stream(django, "/stream")
    assert stream.until("\n") == "begins\n"
    with django.connect() as waits:
        waits.request(target="/poll")
        django.until_held(2)
        assert said(django, "/say?text=hello&blocking=") == b"said\n"
        assert waits.read().body == b"hello\n"
    assert stream.until("hello\n").endswith("hello\n")


def test_django_events_and_where_they_go_on(django):
    """Events in their order; a client that comes back with its last id gets what it has missed, and live ones after."""
    source = EventSource(django)
    for number in range(3):
        assert said(django, f"/send?text={number}") == b"sent\n"
        assert source.next() == {"text": str(number)}
    last = source.last
    assert last == "room:3"
    source.wire.close()
    for number in (3, 4):
        said(django, f"/send?text={number}")
    again = EventSource(django, last=last)
    assert [again.next(), again.next()] == [{"text": "3"}, {"text": "4"}]
    said(django, "/send?text=5")
    assert again.next() == {"text": "5"} and again.last == "room:6"


def test_django_many_sources(django):
    sources = [EventSource(django) for _ in range(20)]
    for number in range(10):
        said(django, f"/send?text={number}")
    for source in sources:
        assert [source.next()["text"] for _ in range(10)] == [str(number) for number in range(10)]


def test_flask_by_gripcontrol(flask):
    """Fields and a document say the same; what is published by a thread of the app, and what the request waits for."""
    stream = Stream(flask, "/stream")
    stream.until("begins\n")
    for number, target in enumerate(("/poll", "/poll-in-json", "/poll")):
        with flask.connect() as waits:
            waits.request(target=target)
            flask.until_held(2)
            said(flask, "/say" if number == 2 else "/say?blocking=", method="POST", body=b"%d" % number)
            assert waits.read().body == b"%d\n" % number
        assert stream.until("\n") == f"{number}\n"


@pytest.mark.parametrize("worker_class", WSGI)
def test_keys_of_both_directions(serve, publisher, worker_class):
    """The app knows the server by its signature, and the server the app by that of its token."""
    server = serve("grip_flask:app", worker_class, "--grip-key", KEY, "--publish-key", KEY, query=SIGNED)
    assert json.loads(said(server, "/signed")) == {"signed": True}
    with server.connect() as waits:
        waits.request(target="/poll")
        server.until_held(1)
        said(server, "/say?blocking=", method="POST", body=b"by token")
        assert waits.read().body == b"by token\n"


@pytest.mark.parametrize("query, told", [("", False), ("?iss=evgateway&key=another", False)])
def test_without_the_key_nothing_is_published(serve, query, told):
    """The server refuses what another signs, and the app sees that it was not signed as it should be."""
    server = serve("grip_flask:app", "inline", "--grip-key", KEY, "--publish-key", KEY, query=query)
    assert json.loads(said(server, "/signed")) == {"signed": told}
    with server.connect() as wire:
        assert wire.request("POST", "/say?blocking=", body=b"x").read().status == 500
