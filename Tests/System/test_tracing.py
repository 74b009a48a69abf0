"""`--request-id`: one id for the app, the client and the logs, which no client can choose; and the trace of W3C's Trace
Context beside it."""

import json
import re

import pytest

from support import wait
from support.classes import CLASSES
from support.frames import opening
from support.gateway import ROOT
from support.nginx import Nginx
from support.wire import Wire

TESTS = ROOT / "Tests" / "System"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MADE, NEW = re.compile("[0-9a-f]{32}"), re.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-03")
FORMAT = "%(U)s %({x-request-id}i)s %({X-Request-ID}o)s"


@pytest.fixture
def alike(gateway, called_by):
    """Starts an app that answers with its environ or its scope."""
    def start(*flags, **more):
        app = "alike_app:asgi" if called_by in ("asyncio", "uvloop") else "alike_app:application"
        return gateway(app, *CLASSES[called_by][1:], "--pythonpath", TESTS / "gunicorn_apps", *flags, **more)
    return start


def seen(answer):
    """The fields that the app was sent, by their names in lower case."""
    told = json.loads(answer.body)
    if "environ" in told:
        return {name[5:].lower().replace("_", "-"): value for name, value in told["environ"].items()
                if name.startswith("HTTP_")}
    fields = [(name.lower(), value) for name, value in told["scope"]["headers"]]
    assert len(dict(fields)) == len(fields)
    return dict(fields)


def test_client_app_and_logs_see_the_same_id(alike, tmp_path):
    access = tmp_path / "access.log"
    server = alike("--request-id", "--access-logfile", access, "--access-logformat", FORMAT)
    said = [("X-Request-ID", "from-the-proxy"), ("traceparent", PARENT), ("tracestate", "a=1")]
    with server.connect() as wire:
        # The same fields again and again: what is kept of one request must not be told in the next.
        answers = [wire.get(f"/{number}", fields=[("Via", "x")]) for number in range(4)]
        passed = wire.get("/passed", fields=said)
        answers.append(wire.get("/4", fields=[("Via", "x")]))
    ids = [answer.get("x-request-id") for answer in answers]
    assert len(set(ids)) == 5 and all(MADE.fullmatch(each) for each in ids)
    for answer, each in zip(answers, ids):
        fields = seen(answer)
        assert fields["x-request-id"] == each and "tracestate" not in fields
        assert NEW.fullmatch(fields["traceparent"]) and fields["traceparent"].split("-")[1] == each
    assert passed.get("x-request-id") == "from-the-proxy" and not passed.get("traceparent")
    assert dict(said).items() <= {name.replace("x-request-id", "X-Request-ID"): value
                                  for name, value in seen(passed).items()}.items()
    server.get("/fail", fields=[("X-Request-ID", "this-one")])
    server.log.wait_for(r"\[ERROR\] Error handling request GET /fail \(.*\) request_id=this-one$")
    wait.until(lambda: "/fail" in access.read_text(), "the line of the last request")
    expected = [f"/{number} {each} {each}" for number, each in zip("0123", ids)]
    assert access.read_text().splitlines() == [
        *expected, "/passed from-the-proxy from-the-proxy", f"/4 {ids[4]} {ids[4]}", "/fail this-one this-one"]


def test_ids_of_others_are_replaced(alike):
    server = alike("--request-id", "--forwarded-allow-ips", "10.0.0.1", "--header-map", "dangerous")
    hostile = [("X-Request-ID", "evil"), ("X_Request_ID", "evil"), ("traceparent", PARENT), ("tracestate", "evil=1")]
    answer = server.get("/", fields=hostile)
    fields = seen(answer)
    assert MADE.fullmatch(fields["x-request-id"]) and answer.get("x-request-id") == fields["x-request-id"]
    assert NEW.fullmatch(fields["traceparent"]) and TRACE not in fields["traceparent"]
    assert "evil" not in answer.body.decode()


def test_what_is_no_id_is_replaced(alike):
    server = alike("--request-id")
    with server.connect() as wire:
        for name, value in [("X-Request-ID", "two words"), ("X-Request-ID", "x" * 129), ("X-Request-ID", "a\xe9"),
                            ("X-Request-ID", '"},{"'), ("traceparent", "ff" + PARENT[2:]), ("traceparent", "00-0-0-00"),
                            ("traceparent", PARENT.upper()), ("traceparent", PARENT + "-00")]:
            fields = seen(wire.get("/", fields=[(name, value), ("tracestate", "a=1")]))
            assert MADE.fullmatch(fields["x-request-id"]) and NEW.fullmatch(fields["traceparent"]), (name, value)
            assert "tracestate" not in fields


def test_nothing_is_touched_without_the_setting(alike, tmp_path):
    server = alike("--access-logfile", tmp_path / "log", "--access-logformat", FORMAT)
    answer = server.get("/", fields=[("X-Request-ID", "two words"), ("traceparent", "none"), ("tracestate", "a=1")])
    fields = seen(answer)
    assert (fields["x-request-id"], fields["traceparent"], fields["tracestate"]) == ("two words", "none", "a=1")
    assert not answer.get("x-request-id") and "x-request-id" not in seen(server.get("/"))
    wait.until(lambda: (tmp_path / "log").read_text() == "/ two words -\n/ - -\n", (tmp_path / "log").read_text)


def test_field_and_traces_are_those_of_the_settings(alike, tmp_path):
    access = tmp_path / "access.log"
    server = alike("--request-id-header", "X-Correlation-ID", "--new-traces", "none", "--access-logfile", access,
                   "--access-logformat", "json")
    with server.connect() as wire:
        made = wire.get("/", fields=[("X-Request-ID", "of the app"), ("tracestate", "a=1")])
        kept = wire.get("/", fields=[("X-Correlation-ID", "mine"), ("traceparent", PARENT)])
    fields = seen(made)
    assert MADE.fullmatch(fields["x-correlation-id"]) and made.get("x-correlation-id") == fields["x-correlation-id"]
    assert fields["x-request-id"] == "of the app" and not {"traceparent", "tracestate"} & fields.keys()
    assert seen(kept)["x-correlation-id"] == kept.get("x-correlation-id") == "mine"
    wait.until(lambda: access.read_text().count("\n") == 2, access.read_text)
    lines = [json.loads(line) for line in access.read_text().splitlines()]
    assert [(line["request_id"], line["trace_id"]) for line in lines] == [
        (fields["x-correlation-id"], None), ("mine", TRACE)]


@pytest.mark.parametrize("choice, flags", [("sampled", "03"), ("unsampled", "02")])
def test_new_traces_are_sampled_or_not(gateway, choice, flags):
    server = gateway("alike_app:application", "-k", "inline", "--pythonpath", TESTS / "gunicorn_apps", "--request-id",
                     "--new-traces", choice)
    assert seen(server.get("/"))["traceparent"].endswith(f"-{flags}")


def test_app_decides_what_its_answer_says(gateway, tmp_path):
    (tmp_path / "own.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('x-REQUEST-id', 'own')])\n    return [b'x']\n")
    server = gateway("own:app", "-k", "threads", "--pythonpath", tmp_path, "--request-id")
    assert server.get("/").all("x-request-id") == ["own"]


def test_swift_app(gateway, example):
    server = gateway(example("hello"), "--request-id")
    with server.connect() as wire:
        assert wire.get("/", fields=[("X-Request-ID", "a-1")]).get("x-request-id") == "a-1"
        assert MADE.fullmatch(wire.get("/").get("x-request-id"))


def test_workers_make_different_ids(gateway):
    server = gateway("contract:app", "-k", "inline", "--workers", 3, "--request-id")
    ids = set()
    for _ in range(20):
        with server.connect() as wire:
            ids |= {wire.get("/").get("x-request-id") for _ in range(20)}
    assert len(ids) == 400


def test_answers_of_the_server_have_an_id(gateway, tmp_path, called_by):
    server = gateway(*CLASSES[called_by], "--request-id", "--health-path", "/healthz", "--request-timeout", 0.3,
                     "--log-level", "debug", "--access-logfile", tmp_path / "log", "--access-logformat", FORMAT)
    assert server.get("/healthz", fields=[("X-Request-ID", "probe")]).get("x-request-id") == "probe"
    broken = server.connect().send("GET / HTTP/1.1\r\nX-Request-ID: evil\r\nHost : a\r\n\r\n").read()
    refused = broken.get("x-request-id")
    assert broken.status == 400 and MADE.fullmatch(refused)
    server.log.wait_for(rf"\[DEBUG\] Refused a request .*request_id={refused}\b")
    twice = server.connect().request("GET", "/", fields=[("X-Forwarded-Proto", "http"), ("X-Forwarded-Ssl", "on")])
    server.log.wait_for(rf"Refused a request .*request_id={twice.read().get('x-request-id')} .*trace_id=")
    wait.until(lambda: f"- {refused} {refused}\n" in (tmp_path / "log").read_text(), "the line of what was not read")
    if called_by == "inline":
        return      # it looks at no clock while it is in the app
    late = server.get(f"/hold?file={tmp_path / 'end'}", fields=[("X-Request-ID", "late"), ("traceparent", PARENT)])
    (tmp_path / "end").touch()
    assert late.status == 504 and late.get("x-request-id") == "late"
    server.log.wait_for(rf"passed its deadline .* method=GET path=/hold request_id=late trace_id={TRACE}$")


def test_line_about_a_slow_reader_names_its_request(gateway):
    server = gateway(*CLASSES["threads"], "--request-id", "--write-timeout", 0.5)
    with Wire(server.address, receive_buffer=4096) as wire:
        wire.request("GET", "/stream?count=100&size=1000000", fields=[("X-Request-ID", "slow")])
        server.log.wait_for(r"peer reads nothing .*request_id=slow trace_id=[0-9a-f]{32}$")


@pytest.mark.parametrize("flags", [
    ("websocket_app:app", "-k", "asgi", "--pythonpath", TESTS / "asgi_apps"),
    ("socket_app:app", "-k", "threads", "--pythonpath", TESTS / "wsgi_apps")], ids=["asgi", "threads"])
def test_opening_of_a_websocket_has_one(gateway, flags):
    server = gateway(*flags, "--request-id")
    with server.connect() as wire:
        head = wire.send(opening("/ws/echo", [("X-Request-ID", "socket")])).read_head()
        assert head.status == 101 and head.get("x-request-id") == "socket"


def test_id_of_nginx_is_the_one(gateway, short_path, tmp_path):
    access = tmp_path / "log"
    server = gateway("alike_app:application", "-k", "gevent", "--pythonpath", TESTS / "gunicorn_apps", "--request-id",
                     "--access-logfile", access, "--access-logformat", FORMAT)
    fields = "proxy_set_header X-Request-ID $request_id; add_header X-Nginx-ID $request_id;"
    with Nginx(short_path, f"{server.host}:{server.port}", fields=fields) as nginx, Wire(nginx.address) as client:
        answer = client.get("/", fields=[("X-Request-ID", "evil")])
    of_nginx = answer.get("x-nginx-id")
    assert MADE.fullmatch(of_nginx) and answer.get("x-request-id") == seen(answer)["x-request-id"] == of_nginx
    wait.until(lambda: access.read_text() == f"/ {of_nginx} {of_nginx}\n", access.read_text)
