"""Heads of ASGI responses: what an app may send, when a mistake raises in the app, and when a head is sent."""

import json

import pytest

from support.gateway import ROOT


@pytest.fixture(params=["asyncio", "uvloop"])
def serve(gateway, request):
    apps = ROOT / "Tests" / "System" / "asgi_apps"
    return lambda **more: gateway(
        "asgi_app:app", "-k", "asgi", "--asgi-loop", request.param, "--pythonpath", apps, **more)


@pytest.fixture
def server(serve):
    return serve()


def test_mistakes_raise_in_the_app(server):
    answer = server.get("/mistakes")
    assert answer.status == 200 and answer.get("transfer-encoding") is None
    assert answer.body.decode().split(",") == [
        "RuntimeError", "ValueError", "KeyError", "TypeError", "KeyError", "ValueError", "TypeError", "ValueError",
        "ValueError", "TypeError", "RuntimeError", "TypeError"]
    assert json.loads(server.get("/seen").body) == ["refused after the end"]


def test_head_is_refused_by_the_message_that_brings_it(serve, python):
    """The start raises, not the first body message, so that the app's traceback shows the line of the mistake."""
    answer = serve(python=python).get("/refused-starts")
    told = json.loads(answer.body)
    assert answer.status == 200 and answer.get("x-by") == "asgi_app"
    said = {what: text.partition(":")[0] for what, text in told.items()}
    types = {"no status": "KeyError", "headers raise": "ZeroDivisionError"}
    for what in ("headers are a number", "headers are bytes", "headers are a dict", "str name", "str value",
                 "number value", "one of a pair", "three of a pair", "status str", "status None"):
        types[what] = "TypeError"
    assert said == {what: types.get(what, "ValueError") for what in told}
    assert told["headers are a number"] == "TypeError: headers must be an iterable of pairs of bytes, not <class 'int'>"
    assert told["str value"] == "TypeError: a header's value must be bytes, not <class 'str'>"
    assert told["status str"] == "TypeError: a status must be an int, not <class 'str'>"
    assert told["status huge"] == f"ValueError: {1 << 80} is no status of a final response"
    assert told["line break in a value"].endswith("refused response head: control byte in a response field value")


def test_head_is_kept_until_the_body(server):
    with server.connect() as client:
        answer = client.get("/raises-between")
        assert answer.status == 500 and answer.get("x-first") is None
        # Other requests are answered between the head and the body.
        client.request("GET", "/changes-its-headers")
        assert server.get("/").status == 200
        answer = client.read()
        assert answer.status == 200 and answer.get("x-first") == "1" and answer.body == b"done"


def test_heads_that_repeat_do_not_mix(server):
    """A head that comes twice is copied for the third response; the next one is another."""
    with server.connect() as client:
        def head_of(target):
            answer = client.get(target)
            return answer.status, [(name, value) for name, value in answer.fields if name.lower() != "date"]
        targets = ["/echo", "/stream", "/none", "/seen"]
        heads = {target: head_of(target) for target in targets}
        for target in [*targets[:1] * 4, *targets[1:2] * 4, *targets, *targets[2:3] * 3, *targets]:
            assert head_of(target) == heads[target]


def test_connection_is_kept_when_the_body_is_read_after_the_start(server):
    with server.connect() as client:
        answer = client.request("POST", "/starts-then-reads", body=b"x" * 500_000).read()
        assert answer.body == b"500000" and not answer.closes
        assert client.get("/").status == 200


def test_messages_within_messages_are_refused_in_order(serve, python):
    """Code of the app that runs while a message is read may send another one. Nothing is sent twice or lost."""
    server = serve(python=python)
    answer = server.get("/sends-within")
    assert (answer.status, answer.get("x-first"), answer.get("x-second")) == (201, "1", None)
    assert answer.body == b"first within"
    assert json.loads(server.get("/seen").body) == [
        "RuntimeError: http.response.start was sent before",
        "RuntimeError: http.response.pathsend after a part of the body", "ClientDisconnected: the client has left"]
    assert "Traceback" not in server.error_log()
