"""uwsgi, FastCGI and SCGI as a web server speaks them, byte by byte: what an app sees, what is refused, and how a
connection ends."""

import hashlib
import json
import os
import signal
import socket
import threading
import time

import pytest

from conftest import OTHER_PYTHON
from support import gateway_wires as wires
from support import procfs, wait
from support.classes import CLASSES
from support.gateway_wires import KEEP, MESSAGES, PROTOCOLS, Front, variables
from support.wire import Closed, Truncated, Wire

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.fixture
def fronted(gateway):
    """Factory: `fronted(protocol, *flags)` is a server that speaks it; `ask` of it is one request on a connection."""
    def start(protocol, *flags, app="fronted:wsgi", **more):
        server = gateway(app, "--protocol", protocol, *flags, **more)

        def connect(**more):
            return Front(server.address, protocol, **more)

        def ask(method="GET", target="/", *fields, **more):
            with connect() as front:
                return front.ask(method, target, fields, **more).read(method)
        server.front, server.ask = connect, ask
        return server
    return start


@pytest.fixture
def sent(fronted):
    """Factory: `sent(server, pairs)` is the answer to exactly these variables."""
    def send(server, protocol, pairs, body=b""):
        with server.front() as front:
            return front.send(MESSAGES[protocol](pairs, body)).read()
    return send


def environ(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)


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
    answer = server.ask("GET", "/", ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
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
    from urllib.parse import urlencode
    server = fronted(protocol, app="contract:app")
    answer = server.ask("GET", "/field?" + urlencode({"name": name, "value": value}))
    assert answer.status == 500 and answer.get("x-evil") is None
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
        (worker,) = server.worker_pids()
        wait.until(lambda: front.socket.recv(1, socket.MSG_PEEK), "the answer has begun")
        time.sleep(0.3)
        assert sender.is_alive()
        answer = front.read()
        sender.join(30)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()
    assert procfs.memory(worker) < 200 << 20 if hasattr(procfs, "memory") else True


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


# The frames


@each_protocol
def test_request_in_pieces(fronted, protocol):
    server = fronted(protocol, app="contract:app")
    data = MESSAGES[protocol](variables("POST", "/echo", body=b"abc"), b"abc")
    with server.front() as front:
        for byte in data:
            front.send(bytes([byte]))
        assert environ(front.read())["body"] == "abc"
    for cut in range(1, len(data), 7):
        with server.front() as front:
            front.send(data[:cut])
            time.sleep(0.001)
            assert environ(front.send(data[cut:]).read())["body"] == "abc"


@each_protocol
def test_slow_variables_are_cut(fronted, protocol):
    server = fronted(protocol, "--header-timeout", "0.3")
    with server.front() as front:
        front.send(MESSAGES[protocol](variables())[:20])
        assert front.read().status == 408
    with server.front() as silent:
        silent.expect_close()


@each_protocol
@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", bytes(range(256)) * 4, b"\xff" * 100, b"99999:"])
def test_other_bytes_are_refused(fronted, protocol, data):
    server = fronted(protocol)
    with server.front() as front:
        answer = front.send(data).read()
    assert answer.status in (400, 431)
    server.wait_for_log(f"Refused a request by {protocol}")


@each_protocol
def test_bytes_behind_a_request_are_none(fronted, protocol):
    server = fronted(protocol, app="contract:app")
    message = MESSAGES[protocol](variables())
    with server.front() as front:
        assert front.send(message + message).read().status == 200
        with pytest.raises((Closed, ConnectionResetError)):
            front.read()


@pytest.mark.parametrize("one, two", [(1, 0), (5, 0), (0, 1), (255, 255)])
def test_modifier_other_than_pythons_is_refused(fronted, one, two):
    server = fronted("uwsgi")
    for _ in range(2):
        with server.front() as front:
            assert front.send(wires.uwsgi(variables(), b"", one, two)).read().status == 400
    server.wait_for_log("only modifier1 0 is served")
    assert len(server.log.matches("modifier1")) == 1


def test_scgi_begins_with_the_length(fronted):
    server = fronted("scgi")
    for block in (b"SCGI\x001\0CONTENT_LENGTH\x000\0", b"CONTENT_LENGTH\x000\0SCGI\x002\0", b"CONTENT_LENGTH\x000\0", b""):
        with server.front() as front:
            assert front.send(b"%d:%s," % (len(block), block)).read().status == 400


# Connections of FastCGI


def test_connection_is_kept(fronted):
    server = fronted("fastcgi", app="contract:app")
    with server.front() as front:
        for number in range(5):
            answer = front.ask("POST", f"/echo?n={number}", body=b"x" * number, keep=True).read()
            assert environ(answer)["length"] == number
        assert front.ask("GET", "/status/304", keep=True).read().status == 304
        assert front.ask("HEAD", "/", keep=True).read("HEAD").status == 200
        assert front.ask("GET", "/unread", keep=True, body=bytes(60_000)).read().body == b"not read"
        assert front.ask("GET", "/", keep=False).read().status == 200
        front.expect_close()


def test_body_that_nobody_reads_is_swallowed_up_to_a_limit(fronted):
    server = fronted("fastcgi", app="fronted:asgi")
    with server.front() as front:
        front.send(wires.begin(1, KEEP) + wires.stream(wires.PARAMS, wires.params(
            variables("POST", "/", CONTENT_LENGTH="1000000"))))
        assert front.read().status == 200
        front.send(wires.record(wires.STDIN, bytes(60_000)))
        try:
            for _ in range(20):
                front.send(wires.record(wires.STDIN, bytes(60_000)))
            front.expect_close()
        except (BrokenPipeError, ConnectionResetError):
            pass


def test_body_without_a_length(fronted):
    server = fronted("fastcgi", app="contract:app")
    with server.front() as front:
        for body in (b"", b"x", os.urandom(200_000)):
            answer = front.ask("POST", "/echo", body=body, CONTENT_LENGTH="", keep=True).read()
            seen = environ(answer)
            assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert "TRANSFER_ENCODING" not in environ(server.ask("GET", "/echo"))["fields"]


@pytest.mark.parametrize("announced, given", [(10, 5), (5, 10)])
def test_body_that_is_not_as_long_as_announced(fronted, announced, given):
    server = fronted("fastcgi", app="contract:app")
    answer = server.ask("POST", "/echo", body=b"x" * given, CONTENT_LENGTH=str(announced))
    if given < announced:
        assert answer.status >= 400
    else:
        assert environ(answer)["body"] == "x" * announced


def test_second_request_at_a_time_is_refused_politely(fronted):
    server = fronted("fastcgi", app="contract:app")
    with server.front() as front:
        front.send(wires.begin(1, KEEP) + wires.stream(wires.PARAMS, wires.params(variables("POST", "/echo", body=b"x"))))
        front.send(wires.begin(2, KEEP) + wires.stream(wires.PARAMS, wires.params(variables(target="/")), 2)
                   + wires.stream(wires.STDIN, b"", 2))
        assert front.read_record() == (wires.END, 2, bytes([0, 0, 0, 0, 1, 0, 0, 0]))
        front.send(wires.stream(wires.STDIN, b"x"))
        assert environ(front.read())["length"] == 1
        assert front.ask("GET", "/", keep=True).read().status == 200


def test_role_other_than_a_responder_and_questions(fronted):
    server = fronted("fastcgi", app="contract:app")
    with server.front() as front:
        front.send(wires.begin(1, KEEP, role=3))
        assert front.read_record() == (wires.END, 1, bytes([0, 0, 0, 0, 3, 0, 0, 0]))
        front.send(wires.record(wires.GET_VALUES, wires.params([("FCGI_MPXS_CONNS", ""), ("OTHER", "")]), 0))
        assert front.read_record() == (wires.VALUES, 0, wires.params([("FCGI_MPXS_CONNS", "0")]))
        front.send(wires.record(77, b"abc", 0))
        assert front.read_record() == (wires.UNKNOWN, 0, bytes([77, 0, 0, 0, 0, 0, 0, 0]))
        assert front.ask("GET", "/", keep=True).read().status == 200


def test_abort_cancels_and_the_connection_goes_on(fronted):
    server = fronted("fastcgi", app="fronted:asgi")
    with server.front() as front:
        front.ask("GET", "/wait", keep=True)
        server.wait_for_log("waiting")
        front.send(wires.record(wires.ABORT))
        server.wait_for_log("the client has left")
        with pytest.raises(Closed):
            front.read()
        assert front.ask("GET", "/", keep=True).read().status == 200


def test_idle_connection_is_closed_after_keep_alive(fronted):
    server = fronted("fastcgi", "--keep-alive", "0.3")
    with server.front() as front:
        assert front.ask("GET", "/", keep=True).read().status == 200
        front.expect_close()
    server = fronted("fastcgi", "--keep-alive", "0")
    with server.front() as front:
        assert front.ask("GET", "/", keep=True).read().status == 200
        front.expect_close()


def test_peer_that_asks_and_reads_nothing_is_dropped(fronted):
    server = fronted("fastcgi")
    with server.front(receive_buffer=4096) as front:
        question = wires.record(wires.GET_VALUES, wires.params([("FCGI_MAX_REQS", "")]), 0) * 2000
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(2000):
                front.send(question)
    assert server.ask("GET", "/").status == 200


# Who leaves


@each_protocol
@pytest.mark.parametrize("target", ["/wait", "/ticks"])
def test_app_is_told_that_the_client_has_left(fronted, protocol, target):
    """A web server closes its connection then."""
    server = fronted(protocol, "--half-close-grace", "0.1", app="fronted:asgi")
    with server.front() as front:
        front.ask("GET", target)
        server.wait_for_log("waiting") if target == "/wait" else front.read_piece()
    server.wait_for_log("the client has left")


@each_protocol
def test_half_closed_connection_gets_its_answer(fronted, protocol):
    server = fronted(protocol, app="contract:app")
    with server.front() as front:
        front.ask("POST", "/echo", body=b"abc").half_close()
        assert environ(front.read())["body"] == "abc"


@each_protocol
def test_stuck_reader_is_dropped(fronted, protocol):
    server = fronted(protocol, "--write-timeout", "0.5", app="contract:app")
    with server.front(receive_buffer=4096) as front:
        front.ask("GET", "/bytes?count=50000000")
        server.wait_for_log("Closed a connection whose peer reads nothing")


# Beside the app


@each_protocol
def test_health_and_access_log(fronted, protocol, tmp_path):
    log = tmp_path / "log"
    server = fronted(protocol, "--health-path", "/healthz", "--access-logfile", log, app="contract:app")
    assert server.ask("GET", "/healthz").body == b"ok\n"
    assert server.ask("GET", "/status/404?x", ("User-Agent", "me")).status == 404
    assert server.ask("GET", "/bad", HTTP_HOST="a b\r\n127.0.0.1 forged").status == 400
    assert server.ask("GET", "/a\r\n127.0.0.1 forged").status == 400
    with server.front() as front:
        front.send(b"\xff" * 30).read()
    server.stop()
    lines = [line for line in log.read_text().splitlines() if "healthz" not in line]
    assert len(lines) == 4 and not any(line.startswith("127.0.0.1 forged") for line in lines), lines
    assert lines[0].startswith("192.0.2.7 ") and '"GET /status/404?x HTTP/1.1" 404 7' in lines[0] and '"me"' in lines[0]
    assert '"GET /bad HTTP/1.1" 400' in lines[1] and " 400 " in lines[2] and " 400 " in lines[3]


@each_protocol
def test_max_requests_and_reloads_lose_nothing(fronted, protocol):
    server = fronted(protocol, "--workers", "2", "--max-requests", "150", app="contract:app")
    stop, failures, count = threading.Event(), [], [0]

    def client():
        front = None
        while not stop.is_set():
            name = os.urandom(4).hex()
            try:
                front = front or server.front()
                answer = front.ask("GET", f"/echo?id={name}", keep=protocol == "fastcgi").read()
                if environ(answer)["query"] != f"id={name}":
                    failures.append(answer)
                count[0] += 1
                if protocol != "fastcgi" or b"" == peek(front):
                    front.close()
                    front = None
            except Closed:
                # A kept connection that the server has closed before it has seen the request: web servers ask again.
                kept, front = front, None
                kept.close()
                if protocol != "fastcgi":
                    failures.append("closed")
            except (OSError, AssertionError) as error:
                failures.append(repr(error))
                front = None

    def peek(front):
        front.socket.setblocking(False)
        try:
            return front.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        finally:
            front.socket.settimeout(30)

    threads = [threading.Thread(target=client, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        reached = count[0] + 200
        wait.until(lambda: count[0] >= reached or failures, "200 more answers")
        before = server.wait_for_workers(2)
        server.signal(signal.SIGHUP)
        wait.until(lambda: not set(before) & set(server.worker_pids()), "none of these workers is left")
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not failures, failures[:5]


@each_protocol
def test_stopping_answers_what_runs(fronted, protocol):
    server = fronted(protocol, app="contract:app")
    with server.front() as front:
        front.ask("GET", "/sleep?seconds=1", keep=protocol == "fastcgi")
        wait.until(lambda: procfs.children(server.pid), "the worker is there")
        time.sleep(0.2)
        server.signal(signal.SIGTERM)
        assert front.read().body == b"slept"
        front.expect_close()
    assert server.wait() == 0


# Addresses


def test_each_address_has_its_protocol(gateway, short_path, tmp_path):
    file = tmp_path / "gunicorn.conf.py"
    binds = [f"{name}://unix:{short_path}/{name}" for name in ("http", *PROTOCOLS)]
    file.write_text(f"bind = {binds!r}\nwsgi_app = 'fronted:wsgi'\n")
    server = gateway(None, "-c", file, "--python", str(__import__("conftest").PYTHON), "--pythonpath",
                     str(__import__("conftest").APPS), bare=True)

    def answers(name, spoken):
        address = f"{short_path}/{name}"
        if spoken == "http":
            with Wire(address) as wire:
                return wire.get("/").status == 200
        with Front(address, spoken) as front:
            return environ(front.ask("GET", "/").read())["REMOTE_ADDR"] == "192.0.2.7"
    for name in ("http", *PROTOCOLS):
        assert answers(name, name)
        shown = f"Listening at: {name + '://' if name != 'http' else ''}unix:{short_path}/{name} "
        assert shown in server.error_log()
    # Another one at the same address, after a reload; the socket stays.
    file.write_text(file.read_text().replace("uwsgi://", "scgi://").replace("fastcgi://", "http://"))
    before = server.worker_pids()
    server.signal(signal.SIGHUP)
    server.wait_for_workers(1, besides=before)
    server.wait_for_log(f"Listening at: scgi://unix:{short_path}/uwsgi ")
    for name, spoken in {"uwsgi": "scgi", "fastcgi": "http", "scgi": "scgi", "http": "http"}.items():
        assert answers(name, spoken)
    # A new master reads the same file.
    server.signal(signal.SIGUSR2)
    server.wait_for_log(f"Listening at: scgi://unix:{short_path}/uwsgi ", count=2)
    server.wait_for_log(r"Worker ready \(pid: (\d+)\)", count=3)
    server.signal(signal.SIGQUIT)
    server.wait()
    for name, spoken in {"uwsgi": "scgi", "fastcgi": "http"}.items():
        assert answers(name, spoken)
    (new,) = [pid for pid in procfs.session_members(server.pid) if procfs.children(pid)]
    os.kill(new, signal.SIGTERM)
    wait.until(lambda: not procfs.session_members(server.pid), "the new master has left")


def test_two_protocols_at_one_address_are_refused(gateway):
    server = gateway("contract:app", "-b", "127.0.0.1:1,uwsgi://127.0.0.1:1", wait=False)
    assert server.wait() != 0 and "cannot have two protocols" in server.error_log()
