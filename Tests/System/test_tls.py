"""HTTP over TLS: what apps see, bodies both ways, and how connections end."""

import hashlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time

import pytest
import websocket

from support import procfs
from support.certificates import Bytes, SecureWire
from support.classes import CLASSES
from support.gateway import ROOT
from support.nginx import Nginx
from support.wire import Truncated, Wire


def told(wire, target="/", **more):
    return json.loads(wire.get(target, **more).body)


# Every class


def test_every_class_serves(secured, called_by):
    server = secured(*CLASSES[called_by])
    assert server.log.matches(rf"Listening at: https://127\.0\.0\.1:{server.port} ")
    body = os.urandom(300_000)
    with server.dial() as wire:
        assert wire.get("/x?id=1").body == b"me 1"
        assert wire.request("POST", "/echo", body=body).read().body == body
        assert wire.get("/stream?count=300&size=10000").body == b"x" * 3_000_000
        assert wire.get("/x?id=2").body == b"me 2"


def test_swift_app_serves(secured, example):
    with secured(example("hello")).dial() as wire:
        assert wire.get("/").body == b"Hello, World!"


@pytest.mark.parametrize("class_", ["inline", "threads", "gevent"])
def test_environ_tells_of_tls(secured, class_):
    server = secured("fronted:wsgi", "-k", class_)
    with server.dial() as wire:
        seen = told(wire)
        assert seen["wsgi.url_scheme"] == "https" and seen["HTTPS"] == "on" and seen["SSL_PROTOCOL"] == "TLSv1.3"
        assert seen["SSL_CIPHER"] == wire.socket.cipher()[0] and seen["SSL_TLS_SNI"] == "localhost"
        assert seen["SSL_CLIENT_VERIFY"] == "NONE" and "SSL_CLIENT_S_DN" not in seen
        assert seen["SERVER_PORT"] == str(server.port)


def test_scope_tells_of_tls(secured, authority):
    with secured("fronted:asgi", "-k", "asgi").dial() as wire:
        seen = told(wire)
        assert seen["scheme"] == "https"
        suites = {"TLS_AES_256_GCM_SHA384": 0x1302, "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
                  "TLS_AES_128_GCM_SHA256": 0x1301}
        assert seen["tls"] == {
            "server_cert": (authority.folder / "server.pem").read_text(), "client_cert_chain": [],
            "client_cert_name": None, "client_cert_error": None, "tls_version": 0x0304,
            "cipher_suite": suites[wire.socket.cipher()[0]]}


def test_plain_connection_has_no_tls_in_its_scope(gateway):
    server = gateway("fronted:asgi", "-k", "asgi")
    with server.connect() as wire:
        seen = told(wire, fields=[("X-Forwarded-Proto", "https")])
        assert seen["scheme"] == "https" and seen["tls"] is None
    with gateway("fronted:wsgi").connect() as wire:
        assert "HTTPS" not in told(wire, fields=[("X-Forwarded-Proto", "https")])


@pytest.mark.parametrize("app, path, flags", [
    ("asgi_apps/websocket_app:app", "/echo", ["-k", "asgi"]),
    ("wsgi_apps/socket_app:app", "/ws/echo", ["-k", "gevent"]),
    ("wsgi_apps/socket_app:app", "/ws/echo", ["-k", "threads"])])
def test_websocket_over_tls(secured, authority, app, path, flags):
    folder, _, app = app.partition("/")
    server = secured(app, *flags, "--pythonpath", ROOT / "Tests" / "System" / folder)
    client = websocket.create_connection(
        f"wss://localhost:{server.port}{path}", timeout=30, sslopt={"ca_certs": str(authority.certificate)})
    for size in (1, 70_000):
        client.send("x" * size)
        assert client.recv() == "x" * size
    client.close()


@pytest.mark.parametrize("class_", ["gevent", "threads"])
def test_app_that_takes_the_connection_over(secured, authority, class_):
    """flask-sock reads and writes a socket by itself. On gevent it sends no more than the socket takes at once."""
    server = secured("socket_app:app", "-k", class_, "--pythonpath", ROOT / "Tests" / "System" / "wsgi_apps")
    client = websocket.create_connection(
        f"wss://localhost:{server.port}/sock/echo", timeout=30, sslopt={"ca_certs": str(authority.certificate)})
    for size in (1, 100_000 if class_ == "gevent" else 1_000_000):
        client.send("x" * size)
        assert client.recv() == "x" * size
    client.close()
    with server.dial() as wire:
        wire.send("GET /raw/keeps HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nab")
        wire.send(b"cdefg")
        assert b"\r\n\r\nab" in wire.read_until_close()


# Bodies


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_large_bodies_pass_both_ways_at_once(secured, authority, version):
    """More than what sockets and buffers hold: who reads nothing is sent nothing, and is read no further."""
    server = secured("fronted:asgi", "-k", "asgi")
    body = os.urandom(1 << 20) * 20
    context = authority.context(minimum_version=version, maximum_version=version)
    with server.dial(context, timeout=60, receive_buffer=20_000) as wire:
        head = f"POST /back HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        # One object of TLS is not for two threads, so reading and writing take turns here.
        wire.socket.setblocking(False)
        came, rest, idle = bytearray(), memoryview(head + body), 0
        while b"\r\n0\r\n\r\n" not in came[-10:]:
            moved = False
            if rest:
                try:
                    rest = rest[wire.socket.send(rest[:100_000]):]
                    moved = True
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    pass
            if not moved or not rest:
                # What has not been read holds the server back, and the server this client.
                try:
                    came += wire.socket.recv(1 << 20)
                    moved = True
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            idle = 0 if moved else idle + 1
            if not moved:
                time.sleep(0.005)
            assert idle < 4000, (len(came), len(rest))
    assert came.startswith(b"HTTP/1.1 200 ") and decoded(bytes(came)) == hashlib.sha256(body).digest()


def decoded(answer):
    """The hash of a chunked body."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    digest, at = hashlib.sha256(), 0
    while True:
        end = rest.index(b"\r\n", at)
        size = int(rest[at:end], 16)
        if size == 0:
            return digest.digest()
        digest.update(rest[end + 2:end + 2 + size])
        at = end + 4 + size


@pytest.mark.parametrize("called_by", ["inline", "threads", "gevent"])
def test_files_go_whole_to_a_slow_reader(secured, tmp_path, called_by):
    data = os.urandom(5_000_003)
    (tmp_path / "file").write_bytes(data)
    with secured("fronted:wsgi", "-k", called_by).dial(receive_buffer=20_000) as wire:
        answer = wire.get(f"/file?path={tmp_path}/file")
        assert answer.get("content-length") == str(len(data)) and answer.body == data
        assert wire.get("/").status == 200


def test_requests_of_one_record_are_answered_in_turn(secured):
    """The socket does not tell of bytes that OpenSSL has read already."""
    server = secured(*CLASSES["gevent"])
    with server.dial() as wire:
        wire.send(b"".join(b"GET /x?id=%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(200)))
        for number in range(200):
            assert wire.read().body == b"me %d" % number


def test_many_records_may_come_while_the_app_does_not_read(secured, tmp_path):
    server = secured(*CLASSES["gevent"])
    with server.dial() as wire:
        go = tmp_path / "go"
        wire.send(f"GET /hold?file={go} HTTP/1.1\r\nHost: h\r\n\r\n")
        server.wait_for_log("holding")
        # More than the server reads while a request runs.
        pipelined = [b"GET /x?id=%d HTTP/1.1\r\nHost: h\r\nX: %s\r\n\r\n" % (n, b"y" * 4000) for n in range(100)]
        sender = threading.Thread(target=lambda: [wire.send(one) for one in pipelined], daemon=True)
        sender.start()
        time.sleep(0.2)
        go.touch()
        sender.join(30)
        wire.read()
        for number in range(100):
            assert wire.read().body == b"me %d" % number


def test_head_and_small_body_share_a_record(secured):
    """A sniffer between client and server counts records of application data."""
    server = secured("contract:app", "-k", "inline")
    front = socket.create_server(("127.0.0.1", 0))
    came = bytearray()

    def copy(source, sink, keep=None):
        while data := source.recv(65536):
            if keep is not None:
                keep.extend(data)
            sink.sendall(data)

    def between():
        client, _ = front.accept()
        upstream = socket.create_connection(server.address)
        threading.Thread(target=copy, args=(client, upstream), daemon=True).start()
        copy(upstream, client, came)

    threading.Thread(target=between, daemon=True).start()
    with SecureWire(front.getsockname(), server_context(server)) as wire:
        wire.get("/")
        del came[:]
        wire.get("/")
        assert records(came) == [23]
        del came[:]
        assert len(wire.get("/bytes?count=20000").body) == 20000
        assert records(came) == [23, 23]
    front.close()


def server_context(server):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def records(data):
    """The types of the records in these bytes."""
    types, at = [], 0
    while at < len(data):
        types.append(data[at])
        at += 5 + int.from_bytes(data[at + 3:at + 5], "big")
    return types


# The end


def test_client_that_says_goodbye_still_gets_its_answer(secured, authority, tmp_path):
    """As a half-close of TCP: the request that runs is answered, and no other is read."""
    server = secured(*CLASSES["gevent"], "--half-close-grace", 5)
    client, go = Bytes(authority.context()), tmp_path / "go"
    with Wire(server.address) as wire:
        client.drive(wire.socket, client.object.do_handshake)
        client.object.write(f"GET /hold?file={go} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        wire.send(client.outgoing.read())
        server.wait_for_log("holding")
        try:
            client.object.unwrap()
        except ssl.SSLWantReadError:
            pass
        wire.send(client.outgoing.read()).half_close()
        go.touch()
        # Python reads no answer behind its own goodbye, so its records are counted.
        assert 23 in records(wire.read_until_close())


def test_answer_without_a_length_ends_with_a_goodbye(secured):
    """HTTP/1.0: nothing but the end of TLS says that nothing is missing."""
    server = secured(*CLASSES["inline"])
    with server.dial() as wire:
        wire.request("GET", "/stream?count=50&size=10000", version="1.0")
        came = b""
        while data := wire.socket.recv(65536):     # raises for an end without a goodbye
            came += data
        assert came.endswith(b"x" * 500_000)


def test_app_that_breaks_off_gives_no_goodbye(secured):
    server = secured("contract:app")
    with server.dial() as wire, pytest.raises((Truncated, ConnectionResetError, ssl.SSLError)):
        wire.get("/lengths?announced=10&given=5")
    with server.dial() as wire, pytest.raises((ssl.SSLError, ConnectionResetError)):
        wire.request("GET", "/stream?raise_at=2", version="1.0")
        while wire.socket.recv(65536):
            pass


def test_end_without_a_goodbye_is_a_loss(secured):
    """A FIN over plain TCP may be a half-close; over TLS it is a truncation."""
    server = secured("fronted:asgi", "-k", "asgi", "--half-close-grace", 0)
    with server.dial() as wire:
        wire.request("GET", "/wait")
        server.wait_for_log("^waiting")
        os.close(wire.socket.detach())
        server.wait_for_log("the client has left")


def test_idle_connection_is_closed_after_keep_alive(secured):
    server = secured(*CLASSES["inline"], "--keep-alive", 0.3)
    with server.dial() as wire:
        assert wire.get("/x?id=1").body == b"me 1"
        assert wire.socket.recv(10) == b""      # with a goodbye


def test_reload_ends_no_request(secured, tmp_path):
    server = secured(*CLASSES["gevent"])
    before = server.worker_pids()
    with server.dial() as wire, server.dial() as idle:
        assert idle.get("/x?id=0").status == 200
        go = tmp_path / "go"
        wire.send(f"GET /hold?file={go} HTTP/1.1\r\nHost: h\r\n\r\n")
        server.wait_for_log("holding")
        server.signal(1)
        server.wait_for_log("Worker ready", count=2)
        go.touch()
        answer = wire.read()
        assert answer.status == 200 and answer.closes
    server.wait_for_workers(1, besides=before)
    with server.dial() as wire:
        assert wire.get("/x?id=3").body == b"me 3"


# Others


def test_curl_and_openssl_are_served(secured, authority):
    server = secured(*CLASSES["inline"])
    result = subprocess.run(
        ["curl", "-sS", "--cacert", authority.certificate, f"https://localhost:{server.port}/x?id=7"],
        stdout=subprocess.PIPE, timeout=30)
    assert (result.returncode, result.stdout) == (0, b"me 7")
    result = subprocess.run(
        ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{server.port}", "-alpn", "http/1.1"],
        input=b"GET /x?id=8 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=30)
    assert result.stdout.endswith(b"\r\n\r\nme 8")


def test_nginx_is_a_client(secured, authority, short_path):
    server = secured(*CLASSES["threads"])
    fields = (f"proxy_ssl_trusted_certificate {authority.certificate}; proxy_ssl_verify on; "
              "proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_session_reuse on;")
    os.chmod(authority.folder, 0o755)
    for path in [*authority.folder.parents]:
        if str(path).startswith("/tmp/pytest"):
            os.chmod(path, 0o755)
    with Nginx(short_path, f"127.0.0.1:{server.port}", fields=fields, scheme="https") as nginx:
        body = os.urandom(3_000_000)
        for number in range(5):
            with Wire(nginx.address) as wire:
                assert wire.get(f"/x?id={number}").body == b"me %d" % number
        with Wire(nginx.address) as wire:
            assert wire.request("POST", "/echo", body=body).read().body == body


def test_memory_of_idle_connections_is_bounded(secured):
    """OpenSSL's buffers of 17 KB each are given back while nothing comes."""
    server = secured(*CLASSES["inline"], "--connections", 1000)
    (worker,) = server.worker_pids()
    wires = []
    try:
        for _ in range(100):
            wires.append(server.dial())
            assert wires[-1].get("/x?id=1").status == 200
        before = procfs.resident_bytes(worker)
        for _ in range(200):
            wires.append(server.dial())
            assert wires[-1].get("/x?id=1").status == 200
        assert (procfs.resident_bytes(worker) - before) / 200 < 24_000
    finally:
        for wire in wires:
            wire.close()
