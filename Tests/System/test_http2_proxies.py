"""HTTP/2 from the proxies that speak it to a server: HAProxy and Caddy, and WebSockets that HAProxy passes on by it."""

import json
import threading

import pytest
import websocket

from support.fronts import FRONTS
from support.gateway import ROOT
from support.wire import Wire

CHANGES = {"haproxy": [("pool-purge-delay 5s", "proto h2")],
           "caddy": [("transport http {", "transport http {\n\t\t\tversions h2c 2")]}


@pytest.mark.parametrize("name", CHANGES)
def test_requests_come_by_it(gateway, short_path, name):
    server = gateway("contract:app", "-k", "threads", "--http2-cleartext", "--access-logfile", "-")
    with FRONTS[name](short_path, server.address, CHANGES[name]) as front:
        with Wire(front.address) as wire:
            seen = json.loads(wire.request("POST", "/echo?a=b", body=b"x" * 3000).read().body)
            assert (seen["protocol"], seen["query"], seen["length"]) == ("HTTP/2", "a=b", 3000)
            assert seen["fields"]["X_FORWARDED_FOR"] and seen["fields"]["HOST"]
            assert len(wire.get("/bytes?count=3000000").body) == 3_000_000
            assert wire.get("/status/204").status == 204 and wire.get("/raise").status == 500

        def many():
            with Wire(front.address) as wire:
                for _ in range(20):
                    assert wire.get("/").body == b"Hello, World!"
        clients = [threading.Thread(target=many) for _ in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        server.output.wait_for(r'"GET / HTTP/2" 200', count=160)


def test_socket_comes_by_it(gateway, short_path):
    server = gateway("websocket_app:app", "-k", "asgi", "--http2-cleartext", "--access-logfile", "-",
                     "--pythonpath", ROOT / "Tests" / "System" / "asgi_apps")
    with FRONTS["haproxy"](short_path, server.address, CHANGES["haproxy"]) as front:
        client = websocket.create_connection(f"ws://{front.here}/echo", timeout=30, subprotocols=["v1", "v2"])
        assert client.getsubprotocol() == "v2"
        for text in ("", "caf\u00e9", "x" * 100_000):
            client.send(text)
            assert client.recv() == text
        client.close()
    server.output.wait_for(r'"CONNECT /echo HTTP/2" 101')
