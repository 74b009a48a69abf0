"""HTTP/2 without TLS: who may speak it, what a request is, and how bodies go both ways."""

import json
import pathlib
import re
import subprocess

import h2.errors
import httpx
import pytest
from hyperframe.frame import PingFrame

from support import wait
from support.administration import Administration
from support.http2 import EMPTY_SETTINGS, PREFACE, Client, Raw

FLAG = "--http2-cleartext"
HINTS = {"inline": ("hinting:wsgi", "-k", "inline"), "threads": ("hinting:wsgi", "-k", "threads"),
         "gevent": ("hinting:wsgi", "-k", "gevent"), "asgi": ("hinting:asgi", "-k", "asgi")}


def echoed(answer):
    assert answer.status == 200
    return json.loads(answer.body)


# Who may speak it


def test_who_may_speak_it_without_tls(gateway):
    with Client(gateway("contract:app", "--http2-cleartext", "prior-knowledge")) as client:
        assert client.get("/").body == b"Hello, World!"
    for flags in ([], [FLAG, "off"], [FLAG, "--forwarded-allow-ips", "10.0.0.1"]):
        server = gateway("contract:app", *flags)
        with server.connect() as wire:
            wire.send(PREFACE)
            assert wire.read().status == 505
        assert server.get("/").status == 200


def test_preface_in_pieces(gateway):
    server = gateway("contract:app", FLAG)
    opening = PREFACE + EMPTY_SETTINGS + PingFrame(0, opaque_data=b"12345678").serialize()
    for cut in range(1, len(PREFACE) + 8):
        with Raw(server, opening[:cut]) as raw:
            raw.send(opening[cut:])
            assert raw.next(PingFrame).opaque_data == b"12345678"
    with Raw(server, b"") as raw:
        for byte in opening:
            raw.send(bytes([byte]))
        assert raw.next(PingFrame).opaque_data == b"12345678"


def test_only_as_the_first_that_comes(gateway):
    server = gateway("contract:app", FLAG)
    with server.connect() as wire:
        assert wire.get("/").status == 200
        wire.send(PREFACE)
        assert wire.read().status == 505


def test_upgrade_is_answered_as_before(gateway):
    server = gateway("contract:app", FLAG)
    answer = server.get("/", fields=[
        ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")])
    assert answer.status == 200 and answer.body == b"Hello, World!"


def test_behind_a_proxy_header(gateway):
    server = gateway("contract:app", FLAG, "--proxy-protocol", "v1", "--forwarded-allow-ips", "192.0.2.7")
    header = b"PROXY TCP4 192.0.2.7 192.0.2.1 7 80\r\n"
    with Raw(server, header + PREFACE + EMPTY_SETTINGS) as raw:
        raw.send(PingFrame(0, opaque_data=b"12345678"))
        assert raw.next(PingFrame).opaque_data == b"12345678"


# Clients


def test_every_class_serves_every_client(both):
    server = both(FLAG)
    url = "http://%s:%d" % server.address
    curl = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-d", "abc", f"{url}/echo"], capture_output=True)
    assert curl.stdout == b"abc", curl.stderr
    nghttp = subprocess.run(["nghttp", "-m", "5", f"{url}/me?id=7"], capture_output=True)
    assert nghttp.stdout == b"me 7" * 5, nghttp.stderr
    with httpx.Client(http1=False, http2=True, base_url=url) as client:
        answer = client.post("/echo", content=b"x" * 300_000)
        assert (answer.http_version, answer.content) == ("HTTP/2", b"x" * 300_000)
        assert len(client.get("/stream?count=40&size=5000").content) == 200_000
    load = subprocess.run(["h2load", "-n", "400", "-c", "4", "-m", "20", f"{url}/me?id=1"], capture_output=True,
                          text=True)
    assert "400 succeeded, 0 failed, 0 errored" in load.stdout


def test_swift_app(gateway, example):
    server = gateway(example("hello"), FLAG)
    with Client(server) as client:
        streams = [client.ask("/") for _ in range(50)]
        assert {client.finish(stream).status for stream in streams} == {200}
        assert b"Hello" in client.answers[streams[0]].body


# The request


def test_what_a_wsgi_app_sees(gateway, worker_class):
    server = gateway("contract:app", FLAG, "-k", worker_class)
    with Client(server) as client:
        fields = [("cookie", "a=1"), ("x-two", "1"), ("cookie", "b=2"), ("x-two", "2"), ("te", "trailers")]
        seen = echoed(client.get("/echo?q=%20", fields=fields))
        assert (seen["protocol"], seen["method"], seen["path"], seen["query"]) == ("HTTP/2", "GET", "/echo", "q=%20")
        assert seen["fields"] == {"HOST": "test.example", "COOKIE": "a=1; b=2", "X_TWO": "1,2", "TE": "trailers"}
        # Nobody says how long it is, and the app has it whole.
        seen = echoed(client.get("/echo", method="POST", body=b"abc"))
        assert (seen["content_length"], seen["body"]) in (("3", "abc"), (None, "abc"))
        assert "TRANSFER_ENCODING" not in seen["fields"]
        seen = echoed(client.get("/echo", method="POST", body=b"abcd", fields=[("content-length", "4")]))
        assert (seen["content_length"], seen["body"]) == ("4", "abcd")


def test_what_an_asgi_app_sees(gateway):
    server = gateway("asgi_app:app", FLAG, "--pythonpath", "Tests/System/asgi_apps")
    with Client(server) as client:
        scope = echoed(client.get("/?a=b", fields=[("cookie", "a=1"), ("cookie", "b=2")]))["scope"]
    assert (scope["http_version"], scope["scheme"], scope["query_string"]) == ("2", "http", "a=b")
    assert scope["headers"] == [["host", "test.example"], ["cookie", "a=1; b=2"]]


@pytest.mark.parametrize("fields", [
    [("Upper", "1")], [("connection", "close")], [("transfer-encoding", "chunked")], [("upgrade", "h2c")],
    [("keep-alive", "1")], [("proxy-connection", "x")], [("te", "gzip")], [("x", "a\nb")], [("x", " a")],
    [("x y", "1")], [("", "1")], [(":late", "1")], [("host", "other.example")], [("x", "a\0")]])
def test_malformed_fields_reset_the_stream(gateway, fields):
    server = gateway("contract:app", FLAG)
    with Client(server) as client:
        assert client.get("/", fields=fields).reset == h2.errors.ErrorCodes.PROTOCOL_ERROR
        assert client.get("/").status == 200


@pytest.mark.parametrize("path", ["", "x", "http://a/", "/a b", "/a\r\nX: y", "*x"])
def test_malformed_paths_reset_the_stream(gateway, path):
    server = gateway("contract:app", FLAG)
    with Client(server) as client:
        assert client.get(path).reset == h2.errors.ErrorCodes.PROTOCOL_ERROR


def test_refusals_of_http_are_answered(gateway):
    server = gateway("contract:app", FLAG, "--limit-request-line", "200", "--limit-request-fields", "20")
    with Client(server) as client:
        assert client.get("/", authority="a b".replace(" ", "/")).status == 400
        assert client.get("/" + "x" * 300).status == 414
        assert client.get("/", fields=[(f"x-{number}", "") for number in range(30)]).status == 431
        assert client.get("/", fields=[("expect", "more")], method="POST", body=b"x").status == 417
        assert client.get("/", fields=[("content-length", "+1")], method="POST", body=b"x").status == 400
        assert client.get("/").status == 200


@pytest.mark.parametrize("length, body", [("3", b"ab"), ("3", b"abcd"), ("0", b"a"), ("3", None)])
def test_length_that_is_not_that_of_the_body(gateway, worker_class, length, body):
    server = gateway("contract:app", FLAG, "-k", worker_class)
    with Client(server) as client:
        answer = client.get("/echo", method="POST", fields=[("content-length", length)], body=body)
        # Where no body is announced the answer may have been made before one comes.
        assert answer.reset == h2.errors.ErrorCodes.PROTOCOL_ERROR or length == "0" and answer.status == 200
        assert client.get("/").status == 200


def test_trailers_are_dropped(gateway):
    server = gateway("contract:app", FLAG)
    with Client(server) as client:
        stream = client.ask("/echo", method="POST", end=False)
        client.h2.send_data(stream, b"abc")
        client.h2.send_headers(stream, [("x-sum", "1")], end_stream=True)
        client.flush()
        seen = echoed(client.finish(stream))
        assert seen["body"] == "abc" and "X_SUM" not in seen["fields"]


# Bodies


def test_upload_and_download_of_megabytes(both):
    server = both(FLAG)
    data = bytes(range(256)) * 12_000
    with Client(server) as client:
        assert client.get("/echo", method="POST", body=data).body == data
        streams = [client.ask("/stream?count=30&size=20000") for _ in range(5)]
        assert {len(client.finish(stream).body) for stream in streams} == {600_000}


def test_window_is_that_of_what_the_app_has_taken(gateway):
    server = gateway("asgi_app:app", FLAG, "--pythonpath", "Tests/System/asgi_apps")
    with Client(server) as client:
        stream = client.ask("/slow-reader", method="POST", end=False)
        client.h2.send_data(stream, b"x" * 16_384)
        for _ in range(3):
            client.h2.send_data(stream, b"x" * 16_000)
        client.flush()
        sent = 16_384 + 48_000
        # Nothing was taken, so that no more may come.
        client.get("/")
        assert client.h2.local_flow_control_window(stream) == 65_535 - sent
        client.send(stream, b"y" * 100_000)
        assert echoed(client.finish(stream))["count"] == sent + 100_000


def test_slow_client_holds_the_app_back(gateway):
    server = gateway("asgi_app:app", FLAG, "--pythonpath", "Tests/System/asgi_apps")
    with Client(server) as client:
        client.takes = False
        slow = client.ask("/much?40")
        client.read_until(lambda: len(client.answers[slow].body) == 65_535)
        # Others are served meanwhile: a window of the connection's is kept for them.
        client.h2.increment_flow_control_window(1_000_000)
        client.flush()
        count = echoed(client.get("/seen"))[0]
        assert count < 8
        client.h2.increment_flow_control_window(20_000_000)
        client.h2.increment_flow_control_window(20_000_000, slow)
        client.flush()
        assert len(client.finish(slow).body) >= 40 * 65_536


@pytest.mark.parametrize("method, path, status, length", [
    ("HEAD", "/bytes?count=70000", 200, "70000"), ("GET", "/status/204", 204, None), ("GET", "/status/304", 304, "7"),
    ("GET", "/bytes?count=0", 200, "0"), ("HEAD", "/stream", 200, None)])
def test_answers_without_a_body(gateway, method, path, status, length):
    server = gateway("contract:app", FLAG)
    with Client(server) as client:
        answer = client.get(path, method=method)
        assert (answer.status, answer["content-length"], answer.body) == (status, length, b"")
        assert re.fullmatch(r"\w{3}, .* GMT", answer["date"]) and answer["server"] == "evgateway"


def test_files_go_in_frames(gateway):
    server = gateway("asgi_app:app", FLAG, "--pythonpath", "Tests/System/asgi_apps")
    with Client(server) as client:
        assert client.get(f"/pathsend?{__file__}").body == pathlib.Path(__file__).read_bytes()


def test_body_that_breaks_off_resets_the_stream(gateway):
    server = gateway("contract:app", FLAG)
    with Client(server) as client:
        answer = client.get("/lengths?announced=20&given=5")
        assert (answer.reset, answer.ended) == (h2.errors.ErrorCodes.INTERNAL_ERROR, False)
        assert len(client.get("/lengths?announced=5&given=20").body) == 5
        assert client.get("/raise").status == 500
    server = gateway("asgi_app:app", FLAG, "--pythonpath", "Tests/System/asgi_apps")
    with Client(server) as client:
        answer = client.get("/raises-later")
        assert (answer.reset, answer.body, answer.ended) == (h2.errors.ErrorCodes.INTERNAL_ERROR, b"half", False)


def test_expected_continue(gateway, worker_class):
    server = gateway("contract:app", FLAG, "-k", worker_class)
    with Client(server) as client:
        stream = client.ask("/echo", method="POST", fields=[("expect", "100-continue")], end=False)
        client.read_until(lambda: client.answers[stream].interim)
        assert dict(client.answers[stream].interim[0])[":status"] == "100"
        client.send(stream, b"abc")
        assert echoed(client.finish(stream))["body"] == "abc"


def test_answer_before_the_body_ends_the_stream(gateway):
    server = gateway("contract:app", FLAG, "-k", "gevent", "--limit-request-body", "1000")
    with Client(server) as client:
        stream = client.ask("/echo", method="POST", fields=[("content-length", "100000")], end=False)
        answer = client.finish(stream)
        client.read_until(lambda: answer.reset is not None)
        assert (answer.status, answer.reset) == (413, h2.errors.ErrorCodes.NO_ERROR)
        assert client.get("/").status == 200


@pytest.mark.parametrize("kind", HINTS)
def test_early_hints(gateway, kind):
    server = gateway(*HINTS[kind], FLAG)
    with Client(server) as client:
        answer = client.get("/two")
        assert answer.status == 200 and answer.body == b"fine"
        interim = [dict(fields) for fields in answer.interim]
        assert [fields[":status"] for fields in interim] == ["103"] * len(interim) and len(interim) == 2
        assert interim[0]["link"]


# What else knows of requests


def test_log_and_ids(gateway):
    server = gateway("contract:app", FLAG, "--request-id", "--access-logfile", "-",
                     "--access-logformat", "%(r)s %(H)s %(s)s %(b)s %({x-request-id}o)s")
    with Client(server) as client:
        answer = client.get("/", fields=[("x-request-id", "given-id-0123456789")])
        assert answer["x-request-id"] == "given-id-0123456789"
        client.get("/", authority="bad/host")
    server.output.wait_for(r"^GET / HTTP/2 HTTP/2 200 13 given-id-0123456789$")
    server.output.wait_for(r"^GET / .* 400 \d+ ")


def test_health_is_answered_without_the_app(gateway):
    server = gateway("contract:app", FLAG, "--health-path", "/up")
    with Client(server) as client:
        assert client.get("/up").body == b"ok\n"


def test_streams_are_in_the_table(gateway, short_path, tmp_path):
    admin = Administration(short_path / "admin.sock")
    server = gateway("both:wsgi", FLAG, "-k", "threads", "--threads", 4, *admin.flags)
    admin.wait_until_there()
    with Client(server) as client:
        streams = [client.ask(f"/hold?file={tmp_path}/go&id={number}") for number in range(3)]
        server.log.wait_for("holding", count=3)
        held = wait.until(lambda: [one for one in admin.connections() if one["state"] == "app"], "they are seen")
        assert sorted(one["target"][-4:] for one in held) == ["id=0", "id=1", "id=2"]
        (tmp_path / "go").touch()
        for stream in streams:
            client.finish(stream)
        wait.until(lambda: [one["state"] for one in admin.connections()] == ["idle"], "all are answered")


def test_requests_are_counted(measured):
    server, metrics = measured("contract:app", FLAG)
    with Client(server) as client:
        for _ in range(3):
            client.get("/")
        client.get("/raise")
        metrics.wait_for(3, "evgateway_requests_total", code="2xx")
        metrics.wait_for(1, "evgateway_requests_total", code="5xx")


def test_reset_cancels_the_request(gateway):
    server = gateway("asgi_app:app", FLAG, "--pythonpath", "Tests/System/asgi_apps")
    with Client(server) as client:
        stream = client.ask("/disconnect")
        wait.until(lambda: b"waiting" in client.get("/seen").body, "the app waits")
        client.reset(stream)
        wait.until(lambda: b"http.disconnect" in client.get("/seen").body, "the app knows")
