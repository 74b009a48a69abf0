"""asgiref, the specification's own package: its types check this server's messages, and its adapters run as apps."""

import json
import os

import httpx
import pytest
import requests

from support.gateway import ROOT

APPS = ROOT / "Tests" / "System" / "asgi_apps"


@pytest.fixture(params=["asyncio", "uvloop"])
def serve(gateway, request):
    return lambda app, *flags, **more: gateway(
        f"asgiref_apps:{app}", "-k", "asgi", "--asgi-loop", request.param, "--pythonpath", APPS, *flags, **more)


def test_scopes_and_messages_are_of_the_types_of_the_specification(serve, python, tmp_path):
    server = serve("typed", "--bind", "127.0.0.1:0", "--bind", f"unix:{tmp_path}/s", "--root-path", "/api",
                   "--request-timeout", 60, python=python)
    with server.connect() as client:
        client.get("/caf%C3%A9/%FF?a=1&b=%20", fields=[("X-A", "1"), ("Cookie", "a=\xe9"), ("X-Empty", "")])
        for body in (b"5\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n", b"0\r\n\r\n"):
            client.send(b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + body).read()
        client.request("PUT", "/", body=os.urandom(300_000)).read()
        client.send("OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n").read()
        client.send("PURGE http://h.example/x HTTP/1.0\r\n\r\n").read()
    with httpx.Client(transport=httpx.HTTPTransport(uds=f"{tmp_path}/s")) as client:
        assert client.get("http://t/").status_code == 200
    with server.connect() as client:
        client.request("GET", "/wait")
        server.wait_for_log("^waiting")
        client.reset()
    report = server.get("/report")
    found, seen = json.loads(report.body)
    assert found == [] and seen.count("http") == 9
    assert server.stop() == 0
    assert json.loads(server.wait_for_log("^judged (.*)")[1]) == [
        [], ["http", "http.disconnect", "http.request", "lifespan", "lifespan.shutdown", "lifespan.startup"]]


@pytest.mark.parametrize("app", ["adapted", "single"])
def test_adapters_serve_what_they_adapt(serve, python, app):
    """A WSGI app behind WsgiToAsgi, and an ASGI 2 class behind guarantee_single_callable. That an ASGI 2 app without
    adapter is refused is tested in test_choice.py."""
    server, data = serve(app, python=python), os.urandom(1_000_000)
    assert requests.get(f"{server.base_url}/me?id=%C3%A9", timeout=60).content == "me \u00e9".encode()
    assert requests.post(f"{server.base_url}/echo", data=data, timeout=60).content == data
    pieces = (data[start:start + 70_000] for start in range(0, len(data), 70_000))
    assert httpx.post(f"{server.base_url}/echo", content=pieces, timeout=60).content == data
    assert requests.get(f"{server.base_url}/stream?count=30&size=50000", timeout=60).content == b"x" * 1_500_000
    assert server.stop() == 0 and "Traceback" not in server.error_log()
