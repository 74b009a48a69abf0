"""nginx in front, as evgateway is deployed: keep-alive to the upstream, over TCP and over a unix socket."""

import hashlib
import json
import os
import signal

import pytest

from support.load import Load
from support.nginx import Nginx
from support.wire import Wire
from test_http_refused import REFUSED, SMUGGLED


@pytest.fixture(params=["tcp", "unix"])
def proxied(request, gateway, short_path):
    """Factory of a server and the nginx before it, both ready."""
    def start(app, *flags, **options):
        if request.param == "tcp":
            server = gateway(app, *flags)
            upstream = f"{server.host}:{server.port}"
        else:
            server = gateway(app, *flags, "--bind", f"unix:{short_path}/app")
            os.chmod(short_path / "app", 0o666)
            upstream = f"unix:{short_path}/app"
        return server, Nginx(short_path, upstream, **options)
    return start


def test_requests_pass(proxied):
    _, nginx = proxied("contract:app")
    with nginx, Wire(nginx.address) as client:
        for _ in range(20):
            assert client.get("/").body == b"Hello, World!"
        seen = json.loads(client.get("/echo?a=b").body)
    assert seen["query"] == "a=b" and seen["fields"]["X_FORWARDED_FOR"] == "192.0.2.7"


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_large_bodies_pass_both_ways(proxied, buffering):
    _, nginx = proxied("contract:app", buffering=buffering, request_buffering=buffering)
    body = os.urandom(3_000_000)
    with nginx, Wire(nginx.address) as client:
        seen = json.loads(client.request("POST", "/echo", body=body).read().body)
        assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
        assert len(client.get("/bytes?count=20000000").body) == 20_000_000
        assert client.get("/stream?count=1000").body.endswith(b"1000\n")


def test_reload_behind_a_proxy_loses_no_request(proxied):
    server, nginx = proxied("contract:app", "--workers", 2)
    with nginx, Load(nginx.address, clients=4, one_shot=2) as load:
        for _ in range(3):
            load.wait_for_more(100)
            before = server.wait_for_workers(2)
            server.signal(signal.SIGHUP)
            server.wait_for_workers(2, besides=before)
        load.wait_for_more(100)
        load.stop()
        assert set(load.outcomes) == {"ok"}, f"{load.failures[:10]}\n{nginx.error_log()}"


def test_upstream_connections_are_kept(proxied):
    _, nginx = proxied("contract:app")
    with nginx, Wire(nginx.address) as client:
        ports = {json.loads(client.get("/peer").body)["port"] for _ in range(20)}
    assert len(ports) == 1


def test_no_smuggled_request_is_answered(gateway, short_path):
    """The app gets a smuggled request only if nginx also read it as a request and answered it."""
    access, answered = short_path / "access.log", 0
    server = gateway("contract:app", "--access-logfile", access)
    # The client's half-close must not make nginx drop an answer that it has asked for.
    with Nginx(short_path, f"{server.host}:{server.port}", ignore_abort="on") as nginx:
        for _, data in REFUSED.values():
            with Wire(nginx.address) as client:
                try:
                    client.send(data + SMUGGLED.replace(b"/status/299", b"/hidden")).half_close()
                except (BrokenPipeError, ConnectionResetError):
                    pass
                answered += client.read_until_close().count(b"no such route")
    assert server.stop() == 0
    assert sum("/hidden " in line for line in access.read_text().splitlines()) == answered


def test_streamed_events_pass_at_once(gateway, example, short_path):
    server = gateway(example("server-sent-events"))
    with Nginx(short_path, f"{server.host}:{server.port}", buffering="off") as nginx, Wire(nginx.address) as client:
        client.request("GET", "/events?interval=0.1")
        assert client.read_head().get("content-type") == "text/event-stream"
        received = b""
        while received.count(b"data:") < 3:
            received += client.read_chunk()
