"""Clients that leave before the app was called: the app is not called, and the requests are counted and logged."""

import json

import pytest

from support import wait

DROPPED = "Dropped a request whose client left before the app was called"


@pytest.fixture
def watched(both, tmp_path):
    """A server with log level debug, and the path of its access log."""
    access = tmp_path / "access.log"
    return both("--log-level", "debug", "--access-logfile", access, "--access-logformat", "%(r)s %(s)s"), access


def called(server):
    return json.loads(server.get("/called").body)


@pytest.mark.parametrize("called_by", ["inline", "threads", "gevent"], indirect=True)
@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_client_that_leaves_its_body_unfinished(watched, framing):
    """The classes that read the body before they call a WSGI app. Others call it, and the app gets an error."""
    server, access = watched
    for turn in range(3):
        client = server.connect()
        client.send(f"POST /echo?left={turn} HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n{framing}\r\n\r\n")
        assert client.read_head().status == 100
        client.send(b"5\r\nhello\r\n" if "chunked" in framing else b"hello")
        client.reset()
        server.wait_for_log(DROPPED + f".*path=/echo", count=turn + 1)
    assert called(server) == ["/called?"]
    assert server.stop() == 0
    assert "Dropped requests whose clients left before the app was called requests=3" in server.error_log()
    lines = access.read_text().splitlines()
    assert sorted(lines)[1:] == [f"POST /echo?left={turn} HTTP/1.1 499" for turn in range(3)]
    assert "Traceback" not in server.error_log()


@pytest.mark.parametrize("called_by", ["gevent", "asyncio", "uvloop"], indirect=True)
def test_client_that_leaves_in_the_turn_in_which_it_came(watched, tmp_path):
    """The loop was blocked while the request and the client's departure arrived. It must see both before it calls the
    app."""
    server, access = watched
    with server.connect() as blocking, server.connect() as other:
        client = server.connect()
        assert client.get("/me").status == other.get("/me").status == 200
        blocking.request("GET", f"/block?file={tmp_path}/go")
        server.wait_for_log("^blocking")
        client.request("GET", "/me?id=left").reset()
        other.send("a change\r\n\r\n")
        (tmp_path / "go").touch()
        assert blocking.read().status == 200 and other.read().status == 400
    server.wait_for_log(DROPPED + ".*path=/me")
    assert "/me?id=left" not in called(server)
    assert server.stop() == 0
    assert "before the app was called requests=1" in server.error_log()
    assert "GET /me?id=left HTTP/1.1 499" in access.read_text().splitlines()


def test_client_that_leaves_while_the_app_runs_is_not_counted(watched, called_by, tmp_path):
    """A streamed response that the client does not read: here the app was called."""
    server, access = watched
    client = server.connect(receive_buffer=4096)
    client.request("GET", "/stream?count=1000&size=65536").read_head()
    client.reset()
    wait.until(lambda: "/stream" in access.read_text() if access.exists() else "", "the end is in the log")
    assert server.stop() == 0
    assert "before the app was called" not in server.error_log()


def test_client_that_closes_within_its_body_is_answered_400(gateway, tmp_path):
    """The client has closed only its sending side, so it may still read the answer."""
    access = tmp_path / "access.log"
    server = gateway("both:wsgi", "-k", "gevent", "--access-logfile", access, "--access-logformat", "%(r)s %(s)s")
    with server.connect() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhello").half_close()
        assert client.read().status == 400
    assert server.stop() == 0
    assert access.read_text() == "POST /echo HTTP/1.1 400\n" and "before the app" not in server.error_log()
