"""Requests that must be refused: one answer with the right status, then the end of the connection. No byte after the
refused request may be read as another request."""

import json
import os
import socket

import pytest

from conftest import PYTHON
from support import wire
from support.gateway import APPS, Gateway

SMUGGLED = b"GET /status/299 HTTP/1.1\r\nHost: test\r\n\r\n"
LONG = b"a" * 70000


def head(*lines):
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunked(body, *fields):
    return head(b"POST /echo HTTP/1.1", b"Host: test", b"Transfer-Encoding: chunked", *fields) + body


def sized(*fields):
    return head(b"POST /echo HTTP/1.1", b"Host: test", *fields)


REFUSED = {
    # RFC 9112 section 6: framing
    "length and chunked": (400, chunked(b"0\r\n\r\n", b"Content-Length: 4")),
    "two lengths": (400, sized(b"Content-Length: 4", b"Content-Length: 5")),
    "two equal lengths": (400, sized(b"Content-Length: 4", b"Content-Length: 4")),
    "list of lengths": (400, sized(b"Content-Length: 4, 4")),
    "signed length": (400, sized(b"Content-Length: +4")),
    "negative length": (400, sized(b"Content-Length: -4")),
    "length with underscore": (400, sized(b"Content-Length: 1_0")),
    "hexadecimal length": (400, sized(b"Content-Length: 0x4")),
    "empty length": (400, sized(b"Content-Length: ")),
    "length beyond 64 bits": (400, sized(b"Content-Length: 99999999999999999999")),
    "length of superscript digits": (400, sized(b"Content-Length: \xb2")),
    "unknown coding": (501, sized(b"Transfer-Encoding: gzip")),
    "chunked is not last": ((400, 501), sized(b"Transfer-Encoding: chunked, gzip")),
    "gzip before chunked": (501, sized(b"Transfer-Encoding: gzip, chunked")),
    "chunked twice": (400, sized(b"Transfer-Encoding: chunked, chunked")),
    "two coding lines": (400, sized(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
    "empty coding": (400, sized(b"Transfer-Encoding: ")),
    "coding with vertical tab": (400, sized(b"Transfer-Encoding: \x0bchunked")),
    "chunked from HTTP/1.0": (400, head(b"POST /echo HTTP/1.0", b"Host: test", b"Transfer-Encoding: chunked")),
    # RFC 9112 section 7.1: chunks
    "chunk size without digits": (400, chunked(b"\r\n\r\n")),
    "chunk size with prefix": (400, chunked(b"0x3\r\nabc\r\n0\r\n\r\n")),
    "chunk size with sign": (400, chunked(b"+3\r\nabc\r\n0\r\n\r\n")),
    "chunk size with space": (400, chunked(b" 3\r\nabc\r\n0\r\n\r\n")),
    "chunk size overflows": (400, chunked(b"10000000000000003\r\nabc\r\n0\r\n\r\n")),
    "chunk size line ends in LF": (400, chunked(b"3\nabc\r\n0\r\n\r\n")),
    "bare CR in extension": (400, chunked(b"3;a\rb\r\nabc\r\n0\r\n\r\n")),
    "chunk is longer than its size": (400, chunked(b"3\r\nabcd\r\n0\r\n\r\n")),
    "chunk ends in LF": (400, chunked(b"3\r\nabc\n0\r\n\r\n")),
    "junk after the last chunk": (400, chunked(b"0\r\njunk\r\n\r\n")),
    "extensions without end": (400, chunked(b"1;" + b"x" * 20000 + b"\r\na\r\n0\r\n\r\n")),
    # RFC 9112 section 2.2 and 5: lines and fields
    "bare LF after the request line": (400, b"GET / HTTP/1.1\nHost: test\r\n\r\n"),
    "bare LF after a field": (400, b"GET / HTTP/1.1\r\nHost: test\n\r\n"),
    "bare CR in a value": (400, head(b"GET / HTTP/1.1", b"Host: test", b"X: a\rb")),
    "NUL in a value": (400, head(b"GET / HTTP/1.1", b"Host: test", b"X: a\x00b")),
    "control character in a value": (400, head(b"GET / HTTP/1.1", b"Host: test", b"X: a\x01b")),
    "folded line": (400, head(b"GET / HTTP/1.1", b"Host: test", b"X: a", b" b")),
    "space before the first field": (400, head(b"GET / HTTP/1.1", b" Host: test")),
    "space before the colon": (400, head(b"GET / HTTP/1.1", b"Host: test", b"X : a")),
    "space in a name": (400, head(b"GET / HTTP/1.1", b"Host: test", b"X Y: a")),
    "empty name": (400, head(b"GET / HTTP/1.1", b"Host: test", b": a")),
    "no colon": (400, head(b"GET / HTTP/1.1", b"Host: test", b"nothing")),
    "byte beyond ASCII in a name": (400, head(b"GET / HTTP/1.1", b"Host: test", b"X\xe9: a")),
    # RFC 9112 section 3: request line and Host
    "no host": (400, head(b"GET / HTTP/1.1")),
    "two hosts": (400, head(b"GET / HTTP/1.1", b"Host: a", b"Host: a")),
    "host with a path": (400, head(b"GET / HTTP/1.1", b"Host: a/b")),
    "host with a space": (400, head(b"GET / HTTP/1.1", b"Host: a b")),
    "host with user": (400, head(b"GET / HTTP/1.1", b"Host: u@a")),
    "host with a bad port": (400, head(b"GET / HTTP/1.1", b"Host: a:b")),
    "asterisk with GET": (400, head(b"GET * HTTP/1.1", b"Host: test")),
    "authority with GET": (400, head(b"GET test:80 HTTP/1.1", b"Host: test")),
    "target without slash": (400, head(b"GET index HTTP/1.1", b"Host: test")),
    "space in the target": (400, head(b"GET /a b HTTP/1.1", b"Host: test")),
    "two spaces": (400, head(b"GET  / HTTP/1.1", b"Host: test")),
    "method is no token": (400, head(b"G@T / HTTP/1.1", b"Host: test")),
    "lower case version": (400, head(b"GET / http/1.1", b"Host: test")),
    "no version": (400, head(b"GET /", b"Host: test")),
    "version 2.0": (505, head(b"GET / HTTP/2.0", b"Host: test")),
    "version of two digits": ((400, 505), head(b"GET / HTTP/1.10", b"Host: test")),
    "CONNECT": ((400, 405, 501), head(b"CONNECT test:80 HTTP/1.1", b"Host: test:80")),
    "HTTP/2 preface": ((400, 505), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    # Limits
    "request line too long": (414, head(b"GET /" + LONG[:5000] + b" HTTP/1.1", b"Host: test")),
    "field too long": (431, head(b"GET / HTTP/1.1", b"Host: test", b"X: " + LONG[:9000])),
    "too many fields": (431, head(b"GET / HTTP/1.1", b"Host: test", *[b"X%d: y" % n for n in range(101)])),
    "head too long": (
        (414, 431), head(b"GET / HTTP/1.1", b"Host: test", *[b"X%d: " % n + LONG[:8000] for n in range(10)])),
    # RFC 9110 section 10.1.1
    "unknown expectation": (417, sized(b"Content-Length: 4", b"Expect: something-else")),
}


@pytest.fixture(scope="module")
def server():
    started = Gateway(["--bind", "127.0.0.1:0", "--python", PYTHON, "--pythonpath", APPS, "contract:app"])
    try:
        yield started.wait_until_ready()
    finally:
        assert not started.clean_up()


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_and_nothing_after_it_is_read(server, name):
    expected, data = REFUSED[name]
    with server.connect() as client:
        client.send(data + SMUGGLED)
        answer = client.read()
        assert answer.status in (expected if isinstance(expected, tuple) else (expected,))
        assert answer.closes
        client.expect_close()


def test_worker_survives_random_bytes(server):
    workers = server.worker_pids()
    for seed in range(50):
        with server.connect() as client:
            try:
                client.send(os.urandom(4096) + b"\r\n\r\n" + SMUGGLED)
                client.half_close()
                assert b"299" not in client.read_until_close()
            except (ConnectionResetError, BrokenPipeError):
                pass
    assert server.get("/").status == 200
    assert server.worker_pids() == workers


# Bodies that are cut short never look complete (RFC 9112 sections 6.3 and 8)


@pytest.mark.parametrize("data", [
    sized(b"Content-Length: 10") + b"abc",
    chunked(b"3\r\nabc\r\n"),
    chunked(b"5\r\nab"),
    chunked(b"3\r\nabc\r\n0\r\n"),
], ids=["length", "no last chunk", "inside a chunk", "no end after the last chunk"])
def test_short_body_is_no_success(server, data):
    with server.connect() as client:
        client.send(data).half_close()
        rest = client.read_until_close()
    assert b" 200 " not in rest and b"sha256" not in rest


# The client always reads the answer, even while it is still sending (RFC 9112 section 9.6)


@pytest.mark.parametrize("attempt", range(5))
def test_answer_to_a_refused_upload_is_read(gateway, attempt):
    server = gateway("contract:app", "--limit-request-body", 1000)
    body = b"z" * 10_000_000
    with server.connect() as client:
        try:
            client.request("POST", "/echo", body=body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = client.read()
    assert answer.status == 413 and answer.closes


def test_answer_to_a_chunked_upload_over_the_limit_is_read(gateway):
    server = gateway("contract:app", "--limit-request-body", 1000)
    with server.connect() as client:
        try:
            client.send(chunked((b"fff\r\n" + b"z" * 0xfff + b"\r\n") * 2500 + b"0\r\n\r\n"))
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.read().status == 413


def test_answer_to_a_malformed_request_is_read_while_sending(server):
    with server.connect() as client:
        try:
            client.send(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n" + b"z" * 10_000_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.read().status == 400


def test_unread_body_is_drained_or_ends_the_connection(server):
    with server.connect() as client:
        client.request("POST", "/unread", body=b"GET /status/299 HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        answer = client.read()
        assert answer.body == b"not read"
        if answer.closes:
            client.expect_close()
        else:
            assert client.get("/").body == b"Hello, World!"


def test_answer_before_the_end_of_a_large_upload_is_read(server):
    with server.connect() as client:
        try:
            client.request("POST", "/unread", body=b"z" * 10_000_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert client.read().body == b"not read"


def test_body_at_the_limit_is_taken(gateway):
    server = gateway("contract:app", "--limit-request-body", 1000)
    with server.connect() as client:
        assert json.loads(client.request("POST", "/echo", body=b"z" * 1000).read().body)["length"] == 1000
        assert client.request("POST", "/echo", body=b"z" * 1001).read().status == 413


def test_limits_follow_the_options(gateway):
    server = gateway(
        "contract:app", "--limit-request-line", 100, "--limit-request-fields", 3, "--limit-request-field_size", 50)
    with server.connect() as client:
        assert client.get("/?" + "a" * 80).status == 200
        assert client.get("/?" + "a" * 100).status == 414
    with server.connect() as client:
        assert client.get("/", fields=[("A", "b"), ("C", "d")]).status == 200
        assert client.get("/", fields=[("A", "b"), ("C", "d"), ("E", "f")]).status == 431
    assert server.get("/", fields=[("A", "b" * 60)]).status == 431


def test_silence_before_the_first_byte_gets_no_answer(gateway):
    server = gateway("contract:app", "--header-timeout", 1)
    with server.connect() as client:
        client.expect_close()


def test_wire_reads_strictly():
    """These tests rely on their client, so the client itself must refuse bytes that are not a valid message."""
    for data in [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\nA: b\n\n", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
                 b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"]:
        ours, theirs = socket.socketpair()
        client = wire.Wire.__new__(wire.Wire)
        client.socket, client.buffer = ours, b""
        theirs.sendall(data)
        theirs.close()
        with pytest.raises((wire.ProtocolViolation, ConnectionError)):
            client.read()
        ours.close()
