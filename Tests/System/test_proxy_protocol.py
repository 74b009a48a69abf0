"""The PROXY protocol: what real proxies send, for every kind of app, and what gunicorn makes of the same bytes."""

import json
import socket
import struct

import pytest

from support import wait
from support.classes import CLASSES
from support.side_by_side import Case, Server
from support.tunnels import KINDS, Tunnel
from support.wire import Wire

CLIENT = "127.0.0.2"    # an address that no proxy has
V1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 49152 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ADDRESSES = bytes([203, 0, 113, 9, 192, 0, 2, 1]) + struct.pack(">HH", 49152, 443)
GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def v2(command=0x21, family=0x11, body=ADDRESSES):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


def asked(address, source=CLIENT):
    """Two requests on one connection to a proxy; what the app says to both, and the client's own port."""
    with socket.socket() as probe:
        probe.bind((source, 0))
        port = probe.getsockname()[1]
    wire = Wire.__new__(Wire)
    wire.buffer, wire.socket = b"", socket.create_connection(address, 30, source_address=(source, port))
    with wire:
        answers = [json.loads(wire.get().body) for _ in range(2)]
    return answers, port


@pytest.fixture
def announced(gateway, called_by):
    """Factory: starts apps/announced.py in the class of `called_by`."""
    app, *flags = CLASSES[called_by]
    return lambda *more: gateway(app.replace("both", "announced"), *flags, *more)


def test_app_is_told_the_client_of_real_proxies(announced, short_path):
    server = announced("--proxy-protocol", "--access-logfile", short_path / "access.log")
    for kind in KINDS:
        with Tunnel(kind, short_path, server.address) as tunnel:
            answers, port = asked(tunnel.address)
        for told in answers:
            if "client" in told:
                assert told == {"client": [CLIENT, port], "server": list(server.address), "scheme": "http"}, kind
            else:
                assert told == {
                    "REMOTE_ADDR": CLIENT, "REMOTE_PORT": str(port), "PROXY_PROTOCOL": "TCP4",
                    "PROXY_ADDR": tunnel.address[0], "PROXY_PORT": str(tunnel.address[1]),
                    "SERVER_PORT": str(server.port), "wsgi.url_scheme": "http"}, kind
    server.stop()
    lines = (short_path / "access.log").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [CLIENT] * 2 * len(KINDS)


@pytest.mark.parametrize("kind", ["haproxy v2", "nginx"])
def test_over_a_unix_socket(gateway, kind, short_path):
    gateway("announced:wsgi", "--proxy-protocol", "auto", "--bind", f"unix:{short_path}/app", "--socket-mode", "666",
            "--proxy-allow-from", "192.0.2.1")
    with Tunnel(kind, short_path, f"{short_path}/app") as tunnel:
        answers, _ = asked(tunnel.address)
    assert [told["REMOTE_ADDR"] for told in answers] == [CLIENT, CLIENT]


def test_swift_app(gateway, example, short_path):
    server = gateway(example("hello"), "--proxy-protocol", "v2", "--access-logfile", short_path / "access.log")
    with Tunnel("haproxy v2", short_path, server.address) as tunnel, Wire(tunnel.address) as wire:
        assert wire.get().status == 200
        own = wire.socket.getsockname()[0]
    server.stop()
    [line] = (short_path / "access.log").read_text().splitlines()
    assert line.startswith(f"{own} - - [")


def test_proxy_that_shares_connections_keeps_the_clients_apart(gateway, short_path):
    """HAProxy in HTTP mode sends one header for each connection, and so must not use it for another client."""
    server = gateway("announced:wsgi", "--proxy-protocol")
    with Tunnel("haproxy v2", short_path, server.address, mode="http", more="http-reuse always") as tunnel:
        for source in (CLIENT, "127.0.0.3", CLIENT):
            answers, _ = asked(tunnel.address, source)
            assert [told["REMOTE_ADDR"] for told in answers] == [source, source]


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2"])
def test_health_checks_make_no_noise(gateway, option, short_path):
    server = gateway("announced:wsgi", "--proxy-protocol", "--access-logfile", short_path / "access.log",
                     "--log-level", "info")
    before = server.log_position()
    # HAProxy says "up" when three checks have been well.
    with Tunnel("haproxy v1", short_path, server.address,
                more="option log-health-checks\n    log stdout format raw local0",
                option=f"{option} check inter 50ms rise 3 fall 1000") as tunnel:
        asked(tunnel.address)
        wait.until(lambda: "passed" in tunnel.output.read_text() or "succeeded" in tunnel.output.read_text(),
                   lambda: f"checks pass: {tunnel.output.read_text()}")
    lines = server.log.lines[before:]
    server.stop()
    assert lines == [] and len((short_path / "access.log").read_text().splitlines()) == 2


# Bytes of a test


def send(server, *pieces):
    with server.connect() as wire:
        for piece in pieces:
            wire.send(piece)
        return wire.read()


def test_header_of_somebody_who_may_not_send_one_is_forbidden(gateway, short_path):
    server = gateway("announced:wsgi", "--proxy-protocol", "--proxy-allow-from", "192.0.2.1, 10.0.0.0/8",
                     "--access-logfile", short_path / "access.log")
    for header in (V1, v2()):
        answer = send(server, header + GET)
        assert answer.status == 403 and answer.closes
    assert json.loads(send(server, GET).body)["REMOTE_ADDR"] == "127.0.0.1"
    assert len(server.log.matches("Refused a PROXY header: its sender is not in --proxy-allow-from")) == 1
    server.stop()
    lines = (short_path / "access.log").read_text().splitlines()
    assert len(lines) == 3 and '"PROXY TCP4 203.0.113.9 192.0.2.1 49152 443" 403' in lines[0]
    assert all(line.isprintable() for line in lines)


def test_reload_changes_who_may_send_one(gateway, short_path):
    file = short_path / "gunicorn.conf.py"
    file.write_text("proxy_protocol = True\nproxy_allow_ips = '192.0.2.1'\n")
    server = gateway("announced:wsgi", "--config", file)
    assert send(server, V1 + GET).status == 403
    file.write_text("proxy_protocol = 'v1'\nproxy_allow_ips = '127.0.0.0/8'\n")
    before = server.worker_pids()
    server.signal(1)
    server.wait_for_workers(1, besides=before)
    assert json.loads(send(server, V1 + GET).body)["REMOTE_ADDR"] == "203.0.113.9"
    assert send(server, v2() + GET).status == 400


def test_header_in_pieces_and_a_slow_one(gateway):
    server = gateway("announced:wsgi", "--proxy-protocol", "--header-timeout", "0.3")
    for header in (V1, v2()):
        assert json.loads(send(server, *(bytes([byte]) for byte in header + GET)).body)["REMOTE_ADDR"] == "203.0.113.9"
        assert send(server, header[:14]).status == 408
    with server.connect() as silent:
        silent.expect_close()


def test_without_the_setting_a_header_is_a_bad_request(contract):
    for header in (V1, v2()):
        assert send(contract, header + GET).status == 400


# gunicorn

SAME = {
    "v1": V1 + GET,
    "v1 of IPv6": b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n" + GET,
    "v1 and two requests": V1 + GET + GET,
    "v2": v2() + GET,
    "v2 of IPv6": v2(family=0x21, body=bytes(range(32)) + b"\0\1\0\2") + GET,
    "v2 with TLV": v2(body=ADDRESSES + b"\4\0\2ab") + GET,
    "no header": GET,
    "a method that begins as one": b"PROXIES / HTTP/1.1\r\nHost: h\r\n\r\n",
    "v1 of another protocol": b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n" + GET,
    "v1 with a word too many": b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n" + GET,
    "v1 of no address": b"PROXY TCP4 localhost 2.2.2.2 1 2\r\n" + GET,
    "v1 of two families": b"PROXY TCP4 ::1 2.2.2.2 1 2\r\n" + GET,
    "v1 of no port": b"PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n" + GET,
    "two headers": V1 + V1 + GET,
    "two headers of both kinds": V1 + v2() + GET,
    "half a signature": SIGNATURE[:11] + b"x" + GET,
}
# What gunicorn answers in another way: its answer, that of evgateway, and why.
DIFFERENT = {
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n" + GET, 400, 200, "the specification asks for it; health checks send it"),
    "v2 UNSPEC": (v2(0x21, 0, b"") + GET, 500, 200, "the specification asks for it"),
    "v2 of a Unix socket": (v2(0x21, 0x31, bytes(216)) + GET, 500, 200, "a client that has no IP address"),
    "v2 of another version": (v2(0x31) + GET, 500, 400, "the fault is the sender's"),
    "v2 cut short": (v2(body=ADDRESSES[:11]) + GET, 500, 400, "the fault is the sender's"),
    "v1 port with a sign": (b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n" + GET, 200, 400, "no proxy writes it"),
    "v2 with a TLV that has no end": (v2(body=ADDRESSES + b"\4\0\7ab") + GET, 200, 400, "the header is corrupt"),
    "v1 line that does not end": (b"PROXY TCP4 " + b"1" * 100 + GET, 400, 400, "gunicorn reads on to the next CRLF"),
}


@pytest.fixture(scope="module", params=["auto", "v1", "v2", "auto, of others"])
def both(request, tmp_path_factory):
    """gunicorn and evgateway with the same file."""
    folder = tmp_path_factory.mktemp("proxy")
    mode, _, others = request.param.partition(", ")
    allowed = "192.0.2.0/24" if others else "127.0.0.0/8,::1"
    case = Case("proxy", config=f"proxy_protocol = '{mode}'\nproxy_allow_ips = '{allowed}'\n")
    servers = [Server(name, folder / name, case) for name in ("gunicorn", "evgateway")]
    for server in servers:
        server.wait_until_listening()
    yield servers, request.param
    for server in servers:
        server.reserved.close()
        server.clean_up()


def seen(server, data):
    """The status, and what the app was told."""
    with server.connect() as wire:
        answer = wire.send(data).read()
    told = json.loads(answer.body)["environ"] if answer.status == 200 else {}
    facts = {name: told[name] for name in ("REMOTE_ADDR", "REMOTE_PORT", "PROXY_PROTOCOL", "PROXY_ADDR", "PROXY_PORT")
             if name in told}
    if "PROXY_PROTOCOL" not in facts:
        facts.pop("REMOTE_PORT", None)
    return answer.status, facts


@pytest.mark.parametrize("name", SAME)
def test_gunicorn_says_the_same(both, name):
    (gunicorn, evgateway), _ = both
    assert seen(gunicorn, SAME[name]) == seen(evgateway, SAME[name])


def test_health_check_of_v2_has_an_address(both):
    """gunicorn gives the app None, which no WSGI app expects."""
    (gunicorn, evgateway), mode = both
    if mode in ("auto", "v2"):
        local = v2(0x20, 0, b"") + GET
        assert seen(gunicorn, local) == (200, {
            "REMOTE_ADDR": None, "REMOTE_PORT": "None", "PROXY_PROTOCOL": "LOCAL", "PROXY_ADDR": None,
            "PROXY_PORT": "None"})
        assert seen(evgateway, local) == (200, {"REMOTE_ADDR": "127.0.0.1"})


@pytest.mark.parametrize("name", DIFFERENT)
def test_where_gunicorn_answers_in_another_way(both, name):
    (gunicorn, evgateway), mode = both
    data, theirs, ours, why = DIFFERENT[name]
    if mode == ("v2" if data.startswith(b"PROXY ") else "v1"):
        theirs = ours = 400
    elif mode == "auto, of others":
        theirs = ours = 403
    assert (seen(gunicorn, data)[0], seen(evgateway, data)[0]) == (theirs, ours), why
