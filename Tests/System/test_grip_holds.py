"""Apps of every worker class have their requests held by GRIP: they wait without the app, and what is published on
their channels answers them, or becomes a part of their streams."""

import base64
import json

import pytest

from support import wait

APP = '''
import asyncio
import json
import threading
import evgateway

calls = {"poll": 0, "next": 0}
STATE = {"id": "1"}


def answer(path, query, header):
    """Status, fields and body of one request."""
    if path == "/publish":
        channel, _, text = query.partition("=")
        evgateway.publish(channel, text)
        return "200 OK", [], b"published"
    if path == "/item":
        item = json.loads(bytes.fromhex(query))
        evgateway.publish("news", item, item.pop("id", None), item.pop("prev-id", None))
        return "200 OK", [], b"published"
    if path == "/calls":
        return "200 OK", [], json.dumps(calls).encode()
    if path == "/seen":
        return "200 OK", [], json.dumps([header("Grip-Sig") or "", header("Grip-Feature") or ""]).encode()
    if path == "/poll":
        calls["poll"] += 1
        return "200 OK", [("Grip-Hold", "response"), ("Grip-Channel", "news"), ("X-Own", "kept")], b"nothing"
    if path == "/reliable":
        calls["poll"] += 1
        last = header("Grip-Last") or ""
        if last:
            return "200 OK", [], b"again after " + last.encode()
        return "200 OK", [("Grip-Hold", "response"), ("Grip-Channel", "news; prev-id=1")], b"nothing"
    if path == "/stream":
        return "200 OK", [("Content-Type", "text/event-stream"), ("Grip-Hold", "stream"), ("Grip-Channel", "news"),
                          ("Grip-Keep-Alive", "\\\\n; format=cstring; timeout=1")], b"begun;"
    if path == "/end":
        return "200 OK", [], b""
    if path == "/late":
        return "200 OK", [("Grip-Hold", "stream"), ("Grip-Channel", "news")], None
    if path == "/pages":
        return "200 OK", [("Grip-Link", "</page?n=2>; rel=next")], b"one;"
    if path == "/page":
        calls["next"] += 1
        if query == "n=2":
            return "200 OK", [("Grip-Link", "</page?n=3>; rel=next")], b"two;"
        return "200 OK", [("Grip-Hold", "stream"), ("Grip-Channel", "news"),
                          ("Grip-Link", "</page?n=4>; rel=next; timeout=600")], b"three;"
    if path == "/json":
        body = {"hold": {"mode": "response", "channels": [{"name": "news"}]}, "response": {"code": 200, "body": "late"}}
        return "200 OK", [("Content-Type", "application/grip-instruct")], json.dumps(body).encode()
    if path == "/gone":
        return "200 OK", [("Grip-Hold", "response"), ("Grip-Channel", "news"), ("Grip-Link", "</left>; rel=gone")], b""
    if path == "/left":
        calls["left"] = calls.get("left", 0) + 1
        return "200 OK", [], b""
    return "200 OK", [("Grip-Hold", "tomorrow")], b""


def wsgi(environ, start_response):
    status, fields, body = answer(
        environ["PATH_INFO"], environ["QUERY_STRING"],
        lambda name: environ.get("HTTP_" + name.upper().replace("-", "_")))
    start_response(status, fields)
    if environ["PATH_INFO"] == "/end":
        ended.set()
    return late() if body is None else [body]


ended = threading.Event()


def late():
    yield b"begun;"
    ended.wait()
    yield b"app;"


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "evgateway.subscribe", "channel": "news"})
        await send({"type": "websocket.send", "text": "listening"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    status, fields, body = answer(
        scope["path"], scope["query_string"].decode(), lambda name: headers.get(name.lower()))
    await send({"type": "http.response.start", "status": int(status[:3]),
                "headers": [(name.lower().encode(), value.encode()) for name, value in fields]})
    if body is None:
        await send({"type": "http.response.body", "body": b"begun;", "more_body": True})
        await gate().wait()
        body = b"app;"
    if scope["path"] == "/end":
        gate().set()
    await send({"type": "http.response.body", "body": body})


def gate():
    """Made on the loop that it is for."""
    return globals().setdefault("awaited", asyncio.Event())
'''

CLASSES = {
    "inline": ("held:wsgi", "-k", "inline"),
    "threads": ("held:wsgi", "-k", "threads"),
    "gevent": ("held:wsgi", "-k", "gevent"),
    "asgi": ("held:asgi", "-k", "asgi"),
}


@pytest.fixture(params=CLASSES)
def start(request, gateway, tmp_path):
    """Starts a server of each class, with one worker unless it is told otherwise."""
    (tmp_path / "held.py").write_text(APP)

    def run(*arguments):
        return gateway(*CLASSES[request.param], "--pythonpath", tmp_path, "--grip", *arguments)
    return run


def held(server, count=1):
    """Waits until so many requests are held: the app has answered them, and nothing of it runs."""
    def settled():
        return json.loads(server.get("/calls").body)["poll"] >= count
    wait.until(settled, "the app has been called")


def test_message_answers_a_long_poll(start):
    server = start()
    with server.connect() as client:
        client.request("GET", "/poll")
        held(server)
        assert server.get("/publish?news=hello").body == b"published"
        answer = client.read()
        assert (answer.status, answer.body, answer.get("X-Own")) == (200, b"hello", "kept")
        assert not [name for name, _ in answer.fields if name.lower().startswith("grip-")]
        client.request("GET", "/poll")
        held(server, 2)
        server.get("/publish?news=again")
        assert client.read().body == b"again", "the connection goes on"


def test_messages_become_parts_of_a_stream(start):
    server = start()
    with server.connect() as client:
        client.request("GET", "/stream")
        assert client.read_head().status == 200
        assert client.read_chunk() == b"begun;"
        server.get("/publish?news=one")
        parts = b""
        while b"one" not in parts:
            parts += client.read_chunk()
        assert parts.replace(b"\n", b"") == b"one"
        assert client.read_chunk() == b"\n", "a keep-alive follows the silence"


@pytest.mark.parametrize("start", ["threads", "gevent", "asgi"], indirect=True)
def test_message_behind_the_first_bytes_of_a_stream_is_kept(start):
    """Its app has not ended then; what it writes still comes first."""
    server = start()
    with server.connect() as client:
        client.request("GET", "/late")
        assert client.read_head().status == 200 and client.read_chunk() == b"begun;"
        assert server.get("/publish?news=one").body == b"published"
        server.get("/end")
        assert client.read_chunk() + client.read_chunk() == b"app;one"
        server.get("/publish?news=two")
        assert client.read_chunk() == b"two"


def test_pages_of_links_are_one_stream(start):
    server = start()
    with server.connect() as client:
        client.request("GET", "/pages")
        assert client.read_head().status == 200
        assert [client.read_chunk() for _ in range(3)] == [b"one;", b"two;", b"three;"]
        hint = json.dumps({"http-stream": {"action": "hint"}}).encode().hex()
        assert server.get("/item?" + hint).body == b"published"
        assert client.read_chunk() == b"three;", "a hint has the app asked once more"


def test_app_is_called_again_when_a_message_was_missed(start):
    server = start()
    with server.connect() as client:
        client.request("GET", "/reliable")
        held(server)
        item = {"id": "3", "prev-id": "2", "http-response": {"body": "three"}}
        server.get("/item?" + json.dumps(item).encode().hex())
        assert client.read().body == b"again after news; last-id=1"


def test_instruction_in_json(start):
    server = start()
    with server.connect() as client:
        client.request("GET", "/json")
        server.get("/calls")
        server.get("/publish?news=soon")
        assert client.read().body == b"soon"


def test_app_is_told_of_clients_that_leave(start):
    server = start()
    client = server.connect()
    client.request("GET", "/gone")
    server.get("/calls")
    client.close()
    wait.until(lambda: json.loads(server.get("/calls").body).get("left"), "the link was asked")


def test_bad_instruction_is_answered_502(start):
    server = start()
    answer = server.get("/bad")
    assert (answer.status, answer.body) == (502, b"Error while proxying to origin.\n")
    server.wait_for_log("GRIP instruction cannot be followed.*Grip-Hold must be set")


def test_app_is_told_and_clients_are_not_believed(start):
    server = start("--grip-key", "secret", "--grip-iss", "me")
    with server.connect() as client:
        client.send(b"GET /seen HTTP/1.1\r\nHost: x\r\nGrip-Sig: mine\r\nGrip-Feature: mine\r\n\r\n")
        signature, features = json.loads(client.read().body)
        claims = signature.split(".")[1]
        assert json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iss"] == "me"
        assert "link:next" in features and "mine" not in features


def test_worker_that_leaves_answers_with_what_the_app_has_said(start):
    server = start("--graceful-timeout", 2)
    with server.connect() as client:
        client.request("GET", "/poll")
        held(server)
        server.signal(15)
        assert client.read().body == b"nothing"
    assert server.wait() == 0


def test_message_reaches_other_workers(start):
    server = start("--workers", 3)
    clients = [server.connect() for _ in range(12)]
    for client in clients:
        client.request("GET", "/stream")
        client.read_head()
        assert client.read_chunk() == b"begun;"
    server.get("/publish?news=all")
    for client in clients:
        parts = b""
        while b"all" not in parts:
            parts += client.read_chunk()
        client.close()
