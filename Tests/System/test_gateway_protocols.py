"""uwsgi, FastCGI and SCGI as a web server speaks them: what an app sees of a request, and what is refused."""

import hashlib
import json
import os
import socket
import threading
import time
from urllib.parse import urlencode

import pytest

from support import wait
from support.classes import CLASSES
from support.gateway_wires import MESSAGES, PROTOCOLS, Front, environ, variables
from support.wire import Truncated

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.fixture
def sent(fronted):
    """Factory: `sent(server, pairs)` is the answer to exactly these variables."""
    def send(server, protocol, pairs, body=b""):
        with server.front() as front:
            return front.send(MESSAGES[protocol](pairs, body)).read()
    return send


# What the app sees


@each_protocol
def test_variables_are_the_request(fronted, protocol):
    server = fronted(protocol)
    told = environ(server.ask(
        "POST", "/a%20b/c?x=1&y=2", ("X-One", "1"), ("Cookie", "a=b"), ("User-Agent", "me"), body=b"12345",
        CONTENT_TYPE="text/plain", HTTPS="on", SERVER_PORT="8443", HTTP_HOST="shop.example:8443"))
    assert {name: told[name] for name in (
        "REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH", "REMOTE_ADDR",
        "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme", "HTTP_HOST", "HTTP_X_ONE", "HTTP_COOKIE",
        "HTTP_USER_AGENT")} == {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/a b/c", "SCRIPT_NAME": "", "QUERY_STRING": "x=1&y=2",
        "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "5", "REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "5000",
        "SERVER_NAME": "shop.example", "SERVER_PORT": "8443", "wsgi.url_scheme": "https",
        "HTTP_HOST": "shop.example:8443", "HTTP_X_ONE": "1", "HTTP_COOKIE": "a=b", "HTTP_USER_AGENT": "me"}


@each_protocol
@pytest.mark.parametrize("said, script, info", [
    ({"SCRIPT_NAME": "/app", "PATH_INFO": "/x y"}, "/app", "/x y"),
    ({"SCRIPT_NAME": "/app/", "PATH_INFO": "/x"}, "/app", "/x"),
    ({"SCRIPT_NAME": "/", "PATH_INFO": "/app/x"}, "", "/app/x"),
    ({"SCRIPT_NAME": "/app", "PATH_INFO": ""}, "/app", ""),
    # Without PATH_INFO the whole path is the name of a script that is nowhere.
    ({"SCRIPT_NAME": "/app/x", "PATH_INFO": None}, "", "/app/x"),
    ({"SCRIPT_NAME": "/app", "PATH_INFO": None}, "/app", "/x"),
    ({"SCRIPT_NAME": "/ap", "PATH_INFO": None}, "", "/ap"),
    ({"PATH_INFO": None}, "", "/app/x"),
    # A rule of the web server has decided on another path than the client has asked for.
    ({"PATH_INFO": "/rewritten?%"}, "", "/rewritten?%"),
    ({"PATH_INFO": "/caf\xc3\xa9", "REQUEST_URI": None}, "", "/caf\xc3\xa9"),
])
def test_path_below_the_script(fronted, protocol, said, script, info):
    server = fronted(protocol)
    target = "/app/x%20y" if said.get("PATH_INFO") == "/x y" else "/app" if said.get("PATH_INFO") == "" else "/app/x"
    told = environ(server.ask("GET", target, **said))
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == (script, info)


def test_asgi_app_sees_the_same(fronted):
    server = fronted("uwsgi", "-k", "asgi", app="fronted:asgi")
    told = environ(server.ask("GET", "/app/x", ("X-A", "1"), SCRIPT_NAME="/app", PATH_INFO="/x", REQUEST_SCHEME="https",
                              HTTP_HOST="h:81", SERVER_PORT="81"))
    assert told["client"] == ["192.0.2.7", 5000] and told["server"] == ["h", 81]
    assert (told["scheme"], told["path"], told["root_path"]) == ("https", "/app/x", "/app")
    assert ["x-a", "1"] in told["headers"]


@each_protocol
def test_fields_of_the_way_to_the_web_server_end_there(fronted, protocol):
    server = fronted(protocol)
    told = environ(server.ask("GET", "/", *(
        (name, "x") for name in ("Connection", "Keep-Alive", "Upgrade", "TE", "Trailer", "Transfer-Encoding",
                                 "Proxy-Connection", "Expect", "Proxy"))))
    assert sorted(name for name in told if name.startswith("HTTP_")) == ["HTTP_HOST"]


@each_protocol
def test_repeated_field_is_one_as_over_http(fronted, protocol, sent):
    server = fronted(protocol)
    pairs = variables(fields=[("X-A", "1"), ("X-A", "2"), ("Cookie", "a=1"), ("Cookie", "b=2")])
    told = environ(sent(server, protocol, pairs))
    assert (told["HTTP_X_A"], told["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


@each_protocol
@pytest.mark.parametrize("address, trusted, scheme", [
    ("10.0.0.1", "10.0.0.0/8", "https"), ("192.0.2.7", "10.0.0.0/8", "http"), ("unix:", "10.0.0.0/8", "https"),
    (None, "10.0.0.0/8", "http")])
def test_fields_are_believed_if_the_client_of_the_web_server_is(fronted, protocol, address, trusted, scheme):
    server = fronted(protocol, "--forwarded-allow-ips", trusted)
    told = environ(server.ask("GET", "/", ("X-Forwarded-Proto", "https"), REMOTE_ADDR=address))
    assert told["wsgi.url_scheme"] == scheme


@each_protocol
def test_request_without_a_host_is_one_of_http_1_0(fronted, protocol):
    server = fronted(protocol)
    told = environ(server.ask("GET", "/", HTTP_HOST=None, SERVER_NAME=None))
    assert told["SERVER_PROTOCOL"] == "HTTP/1.0" and "HTTP_HOST" not in told
    told = environ(server.ask("GET", "/", HTTP_HOST=None, SERVER_NAME="::1", SERVER_PORT="81"))
    assert told["HTTP_HOST"] == "[::1]:81"


@each_protocol
def test_web_socket_is_an_ordinary_request(fronted, protocol):
    server = fronted(protocol)
    answer = server.ask(
        "GET", "/", ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
    assert "HTTP_UPGRADE" not in environ(answer)


# In all classes


@each_protocol
def test_every_class_serves(gateway, called_by, protocol):
    server = gateway(*CLASSES[called_by], "--protocol", protocol)
    body = os.urandom(300_000)
    with Front(server.address, protocol) as front:
        assert front.ask("GET", "/x?id=1").read().body == b"me 1"
    with Front(server.address, protocol) as front:
        assert front.ask("POST", "/echo", body=body).read().body == body
    with Front(server.address, protocol) as front:
        assert front.ask("GET", "/stream?count=300&size=10000").read().body == b"x" * 3_000_000
    with Front(server.address, protocol) as front:
        answer = front.ask("HEAD", "/x?id=1").read("HEAD")
        assert (answer.status, answer.get("content-length")) == (200, "4")


@each_protocol
def test_swift_app_serves(gateway, example, protocol):
    server = gateway(example("hello"), "--protocol", protocol)
    with Front(server.address, protocol) as front:
        answer = front.ask("GET", "/").read()
        assert (answer.status, answer.body) == (200, b"Hello, World!")


@each_protocol
@pytest.mark.parametrize("code", [204, 304, 404, 500])
def test_status_and_body(fronted, protocol, code):
    server = fronted(protocol, app="contract:app")
    answer = server.ask("GET", f"/status/{code}")
    assert (answer.status, answer.reason, answer.body) == (code, f"Status {code}", b"" if code < 400 else b"a body\n")


@each_protocol
def test_errors_of_the_app(fronted, protocol):
    server = fronted(protocol, app="contract:app")
    assert server.ask("GET", "/raise").status == 500
    with pytest.raises((Truncated, ConnectionResetError)):
        server.ask("GET", "/lengths?announced=10&given=5")
    # Without a length only a reset shows that something is missing.
    with pytest.raises((Truncated, ConnectionResetError)):
        server.ask("GET", "/stream?raise_at=2")
    assert server.ask("GET", "/").status == 200


@each_protocol
def test_field_named_status_does_not_count(fronted, protocol):
    server = fronted(protocol, app="contract:app")
    if protocol == "uwsgi":
        return
    with server.front() as front:
        answer = front.ask("GET", "/field?name=stAtus&value=404%20Gone").read()
        assert answer.status == 200 and answer.get("date") and answer.body == b"field"


@each_protocol
@pytest.mark.parametrize("name, value", [("X", "a\r\nX-Evil: 1"), ("X", "a\nb"), ("X: y\r\nZ", "a"), ("X", "a\0b")])
def test_response_cannot_be_split(fronted, protocol, name, value):
    server = fronted(protocol, app="contract:app")
    answer = server.ask("GET", "/field?" + urlencode({"name": name, "value": value}))
    assert answer.status == 500 and answer.get("x-evil") is None
    if value != "a":
        answer = server.ask("GET", "/reason?" + urlencode({"reason": value}))
        assert answer.status == 500 and answer.get("x-evil") is None


@each_protocol
@pytest.mark.parametrize("called_by", ["inline", "threads", "gevent"])
def test_files_go_whole(gateway, tmp_path, protocol, called_by):
    data = os.urandom(20_000_003)
    (tmp_path / "file").write_bytes(data)
    server = gateway("fronted:wsgi", "-k", called_by, "--protocol", protocol)
    with Front(server.address, protocol, receive_buffer=20_000) as front:
        answer = front.ask("GET", f"/file?path={tmp_path}/file").read()
    assert answer.get("content-length") == str(len(data)) and answer.body == data


@each_protocol
def test_bodies_stream_both_ways(fronted, protocol):
    """More than what sockets and buffers hold: who reads nothing is sent nothing, and is read no further."""
    server = fronted(protocol, "-k", "asgi", app="fronted:asgi")
    size = 30_000_000
    body = os.urandom(1 << 20) * 29
    body = body[:size]
    with server.front(timeout=60) as front:
        sender = threading.Thread(target=lambda: front.ask("POST", "/back", body=body), daemon=True)
        sender.start()
        wait.until(lambda: front.socket.recv(1, socket.MSG_PEEK), "the answer has begun")
        time.sleep(0.3)
        assert sender.is_alive()
        answer = front.read()
        sender.join(30)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()


# What lies


LIES = {
    "two lengths": dict(CONTENT_LENGTH="5", HTTP_CONTENT_LENGTH="6"),
    "length of the field alone": dict(CONTENT_LENGTH=None, HTTP_CONTENT_LENGTH="5"),
    "length with a sign": dict(CONTENT_LENGTH="+5"),
    "negative length": dict(CONTENT_LENGTH="-5"),
    "length that is too long": dict(CONTENT_LENGTH="9" * 20),
    "no method": dict(REQUEST_METHOD=None),
    "method with a space": dict(REQUEST_METHOD="GET /x"),
    "method with a line end": dict(REQUEST_METHOD="GET\r\nX"),
    "space in the target": dict(REQUEST_URI="/a b"),
    "line end in the target": dict(REQUEST_URI="/a\r\nX: y"),
    "line end in the query": dict(REQUEST_URI="/a?b", QUERY_STRING="a\nb"),
    "no path": dict(REQUEST_URI=None, PATH_INFO=None),
    "path without a slash": dict(REQUEST_URI=None, PATH_INFO="a"),
    "script without a slash": dict(SCRIPT_NAME="app"),
    "host with a space": dict(HTTP_HOST="a b"),
    "host with a path": dict(HTTP_HOST="a/b"),
    "host with a line end": dict(HTTP_HOST="a\r\nX: y"),
    "address that is none": dict(REMOTE_ADDR="localhost"),
    "port that is none": dict(SERVER_PORT="http"),
    "line end in a field": dict(HTTP_X="a\r\nY: z"),
    "line feed in a field": dict(HTTP_X="a\nY: z"),
    "content type with a line end": dict(CONTENT_TYPE="text/plain\r\nX: y"),
    "name of a field in small letters": dict(HTTP_proxy="http://evil"),
    "name of a field with a dash": {"HTTP_TRANSFER-ENCODING": "chunked"},
    "name with a space": {"HTTP_X Y": "1"},
}


@each_protocol
@pytest.mark.parametrize("name", LIES)
def test_variable_that_lies_is_refused(fronted, protocol, name):
    server = fronted(protocol)
    assert server.ask("GET", "/a", **LIES[name]).status == 400
    server.wait_for_log("Refused a request by" if "host" not in name else "")


@each_protocol
@pytest.mark.parametrize("name, value", [
    ("REQUEST_METHOD", "POST"), ("HTTP_HOST", "other"), ("CONTENT_LENGTH", "1"), ("REMOTE_ADDR", "127.0.0.1")])
def test_variable_with_two_values_is_refused(fronted, protocol, sent, name, value):
    server = fronted(protocol)
    assert sent(server, protocol, [*variables(), (name, value)]).status == 400
    server.wait_for_log("a variable is there twice, with two values")
    # nginx lets a line stand twice in a configuration.
    pairs = variables(CONTENT_LENGTH="0")
    assert sent(server, protocol, [*pairs, (name, dict(pairs)[name])]).status == 200


def test_nul_is_refused(fronted, sent):
    for protocol in ("uwsgi", "fastcgi"):
        server = fronted(protocol)
        assert sent(server, protocol, [*variables(), ("X", "a\0b")]).status == 400


@each_protocol
def test_limits_on_variables(fronted, protocol, sent):
    server = fronted(protocol, "--limit-request-fields", "10", "--limit-request-field_size", "100")
    assert sent(server, protocol, variables(fields=[(f"X-{n}", "1") for n in range(8)])).status == 200
    assert sent(server, protocol, variables(fields=[(f"X-{n}", "1") for n in range(11)])).status == 431
    assert sent(server, protocol, variables(fields=[("X", "1" * 101)])).status == 431
    assert sent(server, protocol, variables() + [(f"X{n}", "1") for n in range(100)]).status == 431
    assert sent(server, protocol, variables() + [("X", "1" * 60000)]).status == 200
    if protocol != "uwsgi":
        assert sent(server, protocol, variables() + [("X", "1" * 70000)]).status == 431


@each_protocol
def test_body_beyond_the_limit(fronted, protocol):
    server = fronted(protocol, "--limit-request-body", "1000")
    assert server.ask("POST", "/", body=bytes(1001)).status == 413
    assert server.ask("POST", "/", body=bytes(1000)).status == 200


# Who may


@each_protocol
def test_peer_that_may_not_is_forbidden(fronted, protocol):
    server = fronted(protocol, "--uwsgi-allow-from", "192.0.2.0/24")
    assert server.ask("GET", "/").status == 403
    assert server.ask("GET", "/").status == 403
    server.wait_for_log("its sender is not in --uwsgi-allow-from")
    assert len(server.log.matches("--uwsgi-allow-from")) == 1


@each_protocol
def test_peer_of_a_unix_socket_always_may(fronted, protocol, short_path):
    server = fronted(protocol, "--uwsgi-allow-from", "192.0.2.0/24", "--bind", f"unix:{short_path}/s")
    assert environ(server.ask("GET", "/"))["REMOTE_ADDR"] == "192.0.2.7"
    assert f"Listening at: {protocol}://unix:{short_path}/s" in server.error_log()
