"""FastAPI, Starlette and Django from PyPI, with widely used clients."""

import httpx
import pytest
import requests

from support import wait
from support.gateway import ROOT

APPS = ROOT / "Tests" / "System" / "asgi_apps"


@pytest.fixture(params=["asyncio", "uvloop"])
def serve(request, gateway, python):
    def start(app, *flags, **more):
        return gateway(app, "-k", "asgi", "--asgi-loop", request.param, "--pythonpath", APPS, *flags, python=python,
                       **more)
    return start


def test_fastapi(serve):
    server = serve("fastapi_app:app")
    with httpx.Client(base_url=server.base_url, timeout=30) as client:
        answer = client.get("/", params={"name": "Ada"})
        assert answer.json() == {"hello": "Ada", "state": "opened", "client": "127.0.0.1",
                                 "url": f"{server.base_url}/?name=Ada"}
        assert answer.headers["x-marker"] == "seen"
        assert client.get("/blocking").json() == {"main": False}
        assert client.get("/number/7").json() == 7 and client.get("/number/x").status_code == 422
        assert client.post("/json", json={"a": [1, 2]}).json() == {"a": [1, 2]}
        answer = client.post("/upload", files={"file": ("name.bin", b"x" * 2_000_000)}, data={"title": "large"})
        assert answer.json() == {"title": "large", "name": "name.bin", "size": 2_000_000}
        assert client.get("/stream").text == "".join(f"{number}\n" for number in range(10))
        assert "A FastAPI app" in client.get("/file").text
        assert client.get("/background").json() == "started"
        wait.until(lambda: client.get("/done").json() == ["in the background"], "the background task has run")
        assert client.get("/fails").status_code == 500
        assert client.get("/is-disconnected").json() is False
        with client.stream("GET", "/endless") as answer:
            next(answer.iter_raw())
        wait.until(lambda: client.get("/done").json() == ["ended"], "the stream has ended with its client")
        assert client.get("/docs").status_code == 200 and "/number/{number}" in client.get("/openapi.json").text
    server.wait_for_log("ZeroDivisionError: in the handler")
    assert server.stop() == 0


def test_starlette(serve):
    server = serve("starlette_app:app", "--root-path", "/behind")
    body = bytes(range(256)) * 8000
    assert requests.post(f"{server.base_url}/echo", data=body, timeout=30).content == body
    assert requests.post(f"{server.base_url}/form", data={"a": "1"}, timeout=30).json() == {"a": "1"}
    assert requests.get(f"{server.base_url}/group", timeout=30).json() == [[0, 1, 2, 3, 4], True]
    where = requests.get(f"{server.base_url}/mounted/where", timeout=30).text
    assert where == f"{server.base_url}/behind/mounted/where /behind/mounted"
    assert "Traceback" not in server.error_log()


def test_django(serve):
    server = serve("django_asgi:application")
    with requests.Session() as client:
        assert client.get(f"{server.base_url}/?a=b").text == "GET /?a=b 127.0.0.1"
        assert [client.get(f"{server.base_url}/sync").json()["visits"] for _ in range(3)] == [1, 2, 3]
        answer = client.post(f"{server.base_url}/upload", files={"f": b"x" * 500_000}, data={"t": "u"})
        assert answer.json() == {"f": 500_000, "t": "u"}
        assert client.get(f"{server.base_url}/stream").text == "0;1;2;3;4;"
        with server.connect() as held:
            held.request("GET", "/held")
            wait.until(lambda: client.get(f"{server.base_url}/events").json() == ["held"], "the view runs")
            held.reset()
        wait.until(lambda: client.get(f"{server.base_url}/events").json() == ["held", "cancelled"], "it is cancelled")
    assert "Traceback" not in server.error_log()
