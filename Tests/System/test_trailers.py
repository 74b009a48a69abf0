"""Fields behind the body of a response: to clients that ask for them, over HTTP/1.1 and HTTP/2."""

import h2.events
import pytest

from support.http2 import Client

TE = ("TE", "gzip;q=0.5, Trailers")
SENT = [("x-sum", "1"), ("x-end", "2")]


@pytest.fixture
def trailing(gateway):
    return gateway("trailing:asgi", "-k", "asgi", "--lifespan", "off", "--http2-cleartext")


def raw(server, path, *fields, version="1.1"):
    with server.connect() as wire:
        wire.request("GET", path, [*fields, ("Connection", "close")], version=version)
        data = b""
        while piece := wire.socket.recv(65536):
            data += piece
    return data.partition(b"\r\n\r\n")[2]


def told(client, stream):
    return [(name, value) for event in client.events if isinstance(event, h2.events.TrailersReceived)
            and event.stream_id == stream for name, value in event.headers]


def test_in_chunks(trailing):
    assert raw(trailing, "/part", TE) == b"4\r\npart\r\n0\r\nx-sum: 1\r\nX-End: 2\r\n\r\n"
    assert raw(trailing, "/large", TE).endswith(b"xx\r\n0\r\nx-sum: 1\r\nX-End: 2\r\n\r\n")


def test_connection_goes_on_behind_them(trailing):
    whole = b"4\r\npart\r\n0\r\nx-sum: 1\r\nX-End: 2\r\n\r\n"
    with trailing.connect() as wire:
        data = b""
        for _ in range(2):
            wire.request("GET", "/part", [TE])
            while data.count(whole) < 1:
                data += wire.socket.recv(65536)
            assert data.endswith(whole)
            data = b""


def test_clients_that_do_not_ask_get_none(trailing):
    assert raw(trailing, "/part") == b"4\r\npart\r\n0\r\n\r\n"
    assert raw(trailing, "/part", ("TE", "deflate")) == b"4\r\npart\r\n0\r\n\r\n"
    assert raw(trailing, "/part", TE, version="1.0") == b"part"


def test_answer_to_head_has_none(trailing):
    with trailing.connect() as wire:
        wire.request("HEAD", "/part", [TE])
        assert wire.read("HEAD").status == 200
        assert wire.get("/plain").status == 200


def test_they_end_a_stream(trailing):
    with Client(trailing) as client:
        for path, body in (("/part", b"part"), ("/large", b"x" * 3_000_000)):
            stream = client.ask(path, fields=[("te", "trailers")])
            assert client.finish(stream).body == body and told(client, stream) == SENT
        stream = client.ask("/part")
        assert client.finish(stream).body == b"part" and told(client, stream) == []


def test_an_answer_without_those_it_has_announced_breaks_off(trailing):
    assert raw(trailing, "/without", TE) == b"4\r\npart\r\n"
    with Client(trailing) as client:
        assert client.get("/without").reset is not None
    trailing.wait_for_log("ASGI")


def test_messages_that_are_not_in_order_are_refused(trailing):
    assert trailing.get("/plain").body == b"RuntimeError: http.response.start has announced no trailers"
    body = raw(trailing, "/wrong", TE)
    assert b"RuntimeError: http.response.start has announced no trailers" in body
    assert b"RuntimeError: http.response.trailers before the end of the body" in body
    assert body.count(b"x-wrong: ValueError: refused response head: ") == 2
