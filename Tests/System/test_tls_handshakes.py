"""Handshakes: what is agreed upon, what is refused, and what becomes of bytes that are no handshake."""

import random
import socket
import ssl
import subprocess

import pytest

from support.certificates import Bytes, is_closed
from support.classes import CLASSES
from support.wire import Wire

INLINE = CLASSES["inline"]
HELLO_HEAD = b"\x16\x03\x01"


def answers(server):
    with server.dial() as wire:
        assert wire.get("/x?id=1").body == b"me 1"


def s_client(server, *words, data=b""):
    """What openssl says of a connection."""
    result = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *words], input=data,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    return result.returncode, result.stdout.decode("latin-1")


# What is agreed upon


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_versions(secured, authority, version):
    server = secured(*INLINE)
    wanted = ssl.TLSVersion[version]
    context = authority.context(minimum_version=wanted, maximum_version=wanted)
    with server.dial(context) as wire:
        assert wire.socket.version() == version.replace("_", ".") and wire.socket.compression() is None
        assert wire.get("/x?id=1").body == b"me 1"


def test_old_versions_are_refused(secured):
    server = secured(*INLINE)
    for flag in ("-tls1", "-tls1_1"):
        code, text = s_client(server, flag, "-cipher", "ALL:@SECLEVEL=0")
        assert code != 0 and "alert protocol version" in text, text
    answers(server)


def test_minimum_version_is_that_of_the_settings(secured, authority):
    server = secured(*INLINE, "--ssl-min-version", "1.3")
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        server.dial(authority.context(maximum_version=ssl.TLSVersion.TLSv1_2))
    answers(server)


@pytest.mark.parametrize("cipher", ["AES256-SHA", "ECDHE-ECDSA-AES128-SHA", "NULL", "aNULL"])
def test_weak_ciphers_are_refused(secured, cipher):
    server = secured(*INLINE)
    code, text = s_client(server, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
    assert code != 0 and "alert handshake failure" in text, text


def test_ciphers_are_those_of_the_settings(secured, authority):
    server = secured(*INLINE, "--ciphers", "ECDHE-ECDSA-CHACHA20-POLY1305:TLS_AES_128_GCM_SHA256")
    with server.dial(authority.context(maximum_version=ssl.TLSVersion.TLSv1_2)) as wire:
        assert wire.socket.cipher()[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
    with server.dial() as wire:
        assert wire.socket.cipher()[0] == "TLS_AES_128_GCM_SHA256"


def test_protocols_of_alpn(secured, authority):
    server = secured(*INLINE)
    context = authority.context()
    context.set_alpn_protocols(["http/1.1"])
    with server.dial(context) as wire:
        assert wire.socket.selected_alpn_protocol() == "http/1.1" and wire.get("/x?id=1").body == b"me 1"
    context.set_alpn_protocols(["acme/1", "spdy/3"])
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        server.dial(context)
    with server.dial() as wire:
        assert wire.socket.selected_alpn_protocol() is None


def test_protocols_are_those_of_the_settings(secured, authority):
    def chosen(server, *offered):
        context = authority.context()
        context.set_alpn_protocols(offered)
        with server.dial(context) as wire:
            return wire.socket.selected_alpn_protocol()
    server = secured(*INLINE)
    assert chosen(server, "http/1.1", "h2") == "h2" and chosen(server, "http/1.1") == "http/1.1"
    server = secured(*INLINE, "--http-protocols", "h1,h2")
    assert chosen(server, "h2", "http/1.1") == "http/1.1" and chosen(server, "h2") == "h2"
    server = secured(*INLINE, "--http-protocols", "h1")
    assert chosen(server, "h2", "http/1.1") == "http/1.1"


@pytest.mark.parametrize("name", CLASSES)
def test_http2_is_spoken_where_it_is_agreed_upon(secured, authority, tmp_path, name):
    server = secured(*CLASSES[name])
    (tmp_path / "body").write_bytes(body := random.Random(17).randbytes(3_000_000))
    common = ["curl", "-sS", "--http2", "--cacert", authority.certificate, "-w", "%{stderr}%{http_version}"]
    for target, more, expected in (("/x?id=5", [], b"me 5"), ("/stream?count=100&size=20000", [], b"x" * 2_000_000),
                                   ("/echo", ["--data-binary", f"@{tmp_path}/body"], body)):
        done = subprocess.run([*common, *more, f"https://localhost:{server.port}{target}"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=30)
        assert (done.returncode, done.stderr, done.stdout == expected) == (0, b"2", True)


def test_there_is_no_renegotiation(secured):
    server = secured(*INLINE)
    code, text = s_client(server, "-tls1_2", data=b"R\nGET /x?id=1 HTTP/1.1\r\n")
    assert "Secure Renegotiation IS supported" in text and "no renegotiation" in text.lower(), text
    answers(server)


# Bytes that are no handshake


@pytest.mark.parametrize("request_", [b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"G", b"\r\n\r\nPOST /x HTTP/1.0\r\n\r\n"])
def test_plain_http_gets_an_answer_that_says_what_is_wrong(secured, request_):
    server = secured(*INLINE)
    with Wire(server.address) as wire:
        answer = wire.send(request_).read()
        assert answer.status == 400 and b"HTTPS" in answer.body and answer.closes
        wire.half_close().expect_close()
    answers(server)


@pytest.mark.parametrize("first", [b"\x00", b"\x80\x2e\x01\x03\x01", b"\x15\x03\x01\x00\x02\x01\x00", b"\xff" * 100])
def test_other_bytes_get_none(secured, first):
    server = secured(*INLINE, "--log-level", "debug")
    with Wire(server.address) as wire:
        assert is_closed(wire.send(first).socket) == b""
    server.wait_for_log(r"\[DEBUG\] Closed a connection that does not speak TLS")
    answers(server)


def test_hello_at_a_plain_address_is_closed(gateway, authority):
    server = gateway(*INLINE, "--log-level", "debug")
    with Wire(server.address) as wire:
        assert is_closed(wire.send(Bytes(authority.context()).hello()).socket) == b""
    server.wait_for_log(r"\[DEBUG\] Closed a connection that begins TLS where plain HTTP is spoken")
    assert server.get("/x?id=1").body == b"me 1"


# Time and number


def test_slow_handshake_is_cut(secured, authority):
    server = secured(*INLINE, "--handshake-timeout", 0.5, "--header-timeout", 60)
    with Wire(server.address) as silent, Wire(server.address) as slow:
        slow.send(Bytes(authority.context()).hello()[:50])
        assert is_closed(silent.socket) == b"" and is_closed(slow.socket) == b""
    answers(server)


def test_handshake_that_comes_byte_by_byte_is_one(secured, authority):
    server = secured(*INLINE)
    client = Bytes(authority.context())
    with Wire(server.address) as wire:
        wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in client.hello():
            wire.send(bytes([byte]))
        client.drive(wire.socket, client.object.do_handshake)
        client.object.write(b"GET /x?id=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        for byte in client.outgoing.read():
            wire.send(bytes([byte]))
        came = b""
        while not came.endswith(b"me 1"):
            came += client.drive(wire.socket, lambda: client.object.read(65536))
        assert came.startswith(b"HTTP/1.1 200 ")


def test_request_in_the_packet_of_the_last_flight_is_answered(secured, authority):
    """With it, the socket has nothing more to tell."""
    server = secured(*INLINE)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = Bytes(authority.context(maximum_version=version))
        with Wire(server.address) as wire:
            wire.send(client.hello())
            while True:
                try:
                    client.incoming.write(wire.socket.recv(65536))
                    client.object.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    wire.send(client.outgoing.read())
            client.object.write(b"GET /x?id=1 HTTP/1.1\r\nHost: h\r\n\r\n")
            came = b""
            while not came.endswith(b"me 1"):
                came += client.drive(wire.socket, lambda: client.object.read(65536))


def test_client_that_leaves_in_the_middle_is_forgotten(secured, authority):
    server = secured(*INLINE, "--connections", 5)
    hello = Bytes(authority.context()).hello()
    for cut in (1, 10, len(hello)):
        for leave in ("close", "reset"):
            wire = Wire(server.address).send(hello[:cut])
            getattr(wire, leave)()
    for _ in range(5):
        answers(server)


def test_handshakes_count_as_connections(secured):
    server = secured(*INLINE, "--connections", 2, "--handshake-timeout", 0.7)
    with Wire(server.address) as one, Wire(server.address) as two:
        one.send(HELLO_HEAD)
        two.send(HELLO_HEAD)
        # Waits until the two are cut.
        with server.dial() as wire:
            assert wire.get("/x?id=1").body == b"me 1"
        assert is_closed(one.socket) == b""


# Whatever comes


def throw(wire, data):
    """Sends bytes and no more, and waits until the server closes, which it may do before it has seen all of them."""
    try:
        wire.send(data).half_close()
    except OSError:
        pass
    return is_closed(wire.socket)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_hello_that_is_cut_anywhere(secured, authority, version):
    """Cut off, and in two pieces."""
    server = secured(*INLINE)
    context = authority.context(maximum_version=version)
    length = len(Bytes(context).hello())
    for cut in range(1, length, 3):
        with Wire(server.address) as wire:
            throw(wire, Bytes(context).hello()[:cut])
    for cut in range(1, length, 17):
        client = Bytes(context)
        hello = client.hello()
        with Wire(server.address) as wire:
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.send(hello[:cut]).send(hello[cut:])
            client.drive(wire.socket, client.object.do_handshake)
    answers(server)


def test_hello_with_a_byte_changed_anywhere(secured, authority):
    server = secured(*INLINE)
    chance = random.Random(14)
    context = authority.context()
    for place in range(0, len(Bytes(context).hello()), 2):
        hello = bytearray(Bytes(context).hello())
        hello[place] ^= 1 << chance.randrange(8)
        with Wire(server.address) as wire:
            throw(wire, bytes(hello))
    answers(server)
    assert not server.log.matches("Traceback|CRITICAL|ended by")


def test_random_and_spliced_bytes(secured, authority):
    server = secured(*INLINE)
    chance = random.Random(15)
    context = authority.context()
    for _ in range(150):
        hello = Bytes(context).hello()
        noise = chance.randbytes(chance.randrange(1, 400))
        at = chance.randrange(len(hello))
        data = chance.choice([
            HELLO_HEAD + noise, hello[:at] + noise, hello + noise, hello[at:] + hello[:at], hello + hello,
            b"\x16\x03\x03\xff\xff" + noise * 50, hello[:5] + noise])
        with Wire(server.address) as wire:
            throw(wire, data)
    answers(server)


def test_records_that_are_changed_behind_the_handshake(secured, authority):
    """A message that was tampered with ends the connection: nothing of it reaches the app."""
    server = secured(*INLINE)
    chance = random.Random(16)
    for _ in range(20):
        client = Bytes(authority.context())
        with Wire(server.address) as wire:
            client.drive(wire.socket, client.object.do_handshake)
            client.object.write(b"GET /tampered HTTP/1.1\r\nHost: h\r\n\r\n")
            data = bytearray(client.outgoing.read())
            data[chance.randrange(5, len(data))] ^= 1 << chance.randrange(8)
            throw(wire, bytes(data))
    with server.dial() as wire:
        assert b"/tampered" not in wire.get("/called").body


def test_proxy_header_comes_before_the_handshake(secured, authority):
    server = secured("contract:app", "--proxy-protocol", "auto")
    client = Bytes(authority.context())
    header = b"PROXY TCP4 192.0.2.9 192.0.2.1 49152 443\r\n"
    for head in (header, b""):
        client = Bytes(authority.context())
        with Wire(server.address) as wire:
            wire.send(head + client.hello())
            client.drive(wire.socket, client.object.do_handshake)
            client.object.write(b"GET /peer HTTP/1.1\r\nHost: h\r\n\r\n")
            came = client.drive(wire.socket, lambda: client.object.read(65536))
            assert came.endswith(b"192.0.2.9:49152") or b"192.0.2.9" in came if head else b"127.0.0.1" in came
