"""HTTP/1.1 on the wire: what RFC 9110 and RFC 9112 require of an origin server, tested with raw sockets."""

import hashlib
import json
import re

import pytest

from support import wire

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def post(fields, body=b"", target="/echo", version="1.1"):
    lines = [f"POST {target} HTTP/{version}", "Host: test", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


# Requests that are answered


def test_hello_carries_the_usual_fields(contract):
    answer = contract.get("/")
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"Hello, World!")
    assert answer.get("content-length") == "13"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.get("date"))
    assert answer.get("server")
    assert not answer.closes


def test_keeps_the_connection_for_the_next_request(contract):
    with contract.connect() as client:
        for _ in range(5):
            assert client.get("/").body == b"Hello, World!"


def test_pipelined_requests_are_answered_in_order(contract):
    with contract.connect() as client:
        for number in range(50):
            client.request("GET", f"/echo?n={number}")
        for number in range(50):
            assert json.loads(client.read().body)["query"] == f"n={number}"


def test_pipelined_bodies_do_not_run_into_each_other(contract):
    with contract.connect() as client:
        chunked = post(["Transfer-Encoding: chunked"], b"6\r\nsecond\r\n0\r\n\r\n")
        client.send(post(["Content-Length: 5"], b"first") + chunked + GET)
        assert json.loads(client.read().body)["body"] == "first"
        assert json.loads(client.read().body)["body"] == "second"
        assert client.read().body == b"Hello, World!"


def test_rest_of_a_chunked_body_that_the_app_does_not_read_is_swallowed(both, called_by):
    server = both(*(["--stream-request-body"] if called_by in ("threads", "gevent") else []))
    with server.connect() as client:
        for number in range(20):
            client.send(f"POST /me?id={number} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\nxxx")
            if called_by != "inline":       # which calls the app when it has the whole body
                assert client.read().body == b"me %d" % number
            client.send(b"x" * 1997 + b"\r\n3\r\nxxx\r\n0\r\n\r\nGET /me?id=next HTTP/1.1\r\nHost: t\r\n\r\n")
            if called_by == "inline":
                assert client.read().body == b"me %d" % number
            assert client.read().body == b"me next"


def test_request_may_come_one_byte_at_a_time(contract):
    with contract.connect() as client:
        for byte in post(["Transfer-Encoding: chunked"], b"3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n"):
            client.send(bytes([byte]))
        assert json.loads(client.read().body)["body"] == "abc"
        assert client.get("/").status == 200


def test_empty_lines_before_a_request_are_skipped(contract):
    with contract.connect() as client:
        client.send(b"\r\n" + GET + b"\r\n" + GET)
        assert [client.read().status, client.read().status] == [200, 200]


@pytest.mark.parametrize("target, path, host", [
    (b"/echo?a=b", "/echo", "test"),
    (b"http://other.example:81/echo?a=b", "/echo", "other.example:81"),
])
def test_authority_of_absolute_form_replaces_host(contract, target, path, host):
    with contract.connect() as client:
        client.send(b"GET " + target + b" HTTP/1.1\r\nHost: test\r\n\r\n")
        seen = json.loads(client.read().body)
    assert (seen["path"], seen["query"], seen["fields"]["HOST"]) == (path, "a=b", host)


def test_asterisk_form_is_for_options(contract):
    with contract.connect() as client:
        client.send(b"OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n")
        assert client.read("OPTIONS").status in (200, 204, 404, 405)


def test_field_with_an_underscore_never_shadows_one_with_a_hyphen(contract):
    with contract.connect() as client:
        client.send(b"GET /echo HTTP/1.1\r\nHost: test\r\nX_Forwarded_For: evil\r\nX-Forwarded-For: good\r\n"
                    b"Proxy: http://evil\r\n\r\n")
        fields = json.loads(client.read().body)["fields"]
    assert fields["X_FORWARDED_FOR"] == "good"
    assert "PROXY" not in fields


def test_trailers_do_not_become_fields(contract):
    with contract.connect() as client:
        client.send(post(["Transfer-Encoding: chunked"], b"1\r\na\r\n0\r\nX-Admin: yes\r\nContent-Length: 9\r\n\r\n"))
        seen = json.loads(client.read().body)
        assert seen["body"] == "a" and "X_ADMIN" not in seen["fields"]
        assert client.get("/").status == 200


def test_large_bodies_arrive_whole(contract):
    body = bytes(range(256)) * 8192 * 4
    with contract.connect() as client:
        answer = client.request("POST", "/echo", body=body).read()
        seen = json.loads(answer.body)
    assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


# Versions and persistence


def test_http_1_0_is_answered_and_closed(contract):
    with contract.connect() as client:
        client.send(b"GET /stream HTTP/1.0\r\n\r\n")
        answer = client.read()
        assert answer.status == 200 and answer.get("transfer-encoding") is None
        assert answer.body == b"......1\n......2\n......3\n"


def test_http_1_0_keep_alive_is_announced(contract):
    with contract.connect() as client:
        for _ in range(2):
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = client.read()
            assert "keep-alive" in answer.get("connection").lower()


@pytest.mark.parametrize("fields", [
    b"Connection: close\r\n", b"Connection: foo, Close\r\n", b"Connection: foo\r\nConnection: close\r\n",
])
def test_close_option_ends_the_connection_and_the_rest_is_ignored(contract, fields):
    with contract.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n" + fields + b"\r\n" + GET)
        assert client.read().closes
        client.expect_close()


def test_minor_versions_are_answered_as_1_1(contract):
    with contract.connect() as client:
        client.send(b"GET / HTTP/1.2\r\nHost: test\r\n\r\n")
        assert client.read().status == 200


# Expect: 100-continue


def test_100_is_sent_when_the_app_reads(contract):
    with contract.connect() as client:
        client.send(post(["Content-Length: 4", "Expect: 100-continue"]))
        assert client.read_head().status == 100
        client.send(b"body")
        assert json.loads(client.read().body)["body"] == "body"


def test_no_100_for_http_1_0(contract):
    with contract.connect() as client:
        client.send(post(["Content-Length: 4", "Expect: 100-continue"], b"body", version="1.0"))
        answer = client.read()
        assert answer.interim == [] and answer.status == 200


def test_no_100_without_a_body(contract):
    with contract.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n\r\n")
        assert client.read().interim == []


# Responses


@pytest.mark.parametrize("target", ["/", "/stream", "/bytes?count=100000", "/status/404"])
def test_head_has_no_body_and_the_connection_stays_in_step(contract, target):
    with contract.connect() as client:
        client.request("HEAD", target).read("HEAD")
        assert client.get("/").body == b"Hello, World!"


@pytest.mark.parametrize("code", [204, 304])
def test_statuses_without_content_drop_what_the_app_yields(contract, code):
    with contract.connect() as client:
        assert client.get(f"/status/{code}").status == code
        assert client.get("/").body == b"Hello, World!"


@pytest.mark.parametrize("code", [200, 201, 404, 418, 599])
def test_statuses_of_the_app_reach_the_client(contract, code):
    answer = contract.get(f"/status/{code}")
    assert (answer.status, answer.reason, answer.body) == (code, f"Status {code}", b"a body\n")


def test_heads_that_repeat_do_not_mix(contract):
    """A head that comes twice is copied for the third response; the next one is another."""
    with contract.connect() as client:
        def head_of(target):
            answer = client.get(target)
            fields = [(name, value) for name, value in answer.fields if name.lower() != "date"]
            return answer.status, answer.reason, fields
        targets = ["/", "/status?code=404", "/status?code=201", "/echo"]
        heads = {target: head_of(target) for target in targets}
        for target in [*targets[:1] * 4, *targets[1:2] * 4, *targets, *targets[2:3] * 3, *targets[3:] * 3, *targets]:
            assert head_of(target) == heads[target]


def test_body_without_a_length_is_chunked(contract):
    with contract.connect() as client:
        client.request("GET", "/stream?count=3")
        assert client.read_head().get("transfer-encoding") == "chunked"
        blocks = [client.read_chunk() for _ in range(4)]
        assert b"".join(blocks) == b"......1\n......2\n......3\n"


def test_bytes_beyond_the_announced_length_never_reach_the_wire(contract):
    with contract.connect() as client:
        assert client.get("/lengths?announced=5&given=500").body == b"yyyyy"
        with pytest.raises((wire.Closed, ConnectionResetError)):
            for _ in range(2):
                assert client.get("/").body == b"Hello, World!"
            raise wire.Closed("kept, and in step: as good")


def test_body_shorter_than_announced_ends_the_connection(contract):
    with contract.connect() as client:
        with pytest.raises((wire.Truncated, ConnectionResetError)):
            client.get("/lengths?announced=500&given=5")
    contract.wait_for_log("(?i)(fewer|short|less|announced|content-length)")


def test_failure_in_the_middle_of_a_body_is_visible(contract):
    with contract.connect() as client:
        with pytest.raises((wire.Truncated, ConnectionResetError)):
            client.get("/stream?count=5&raise_at=2")
    contract.wait_for_log("ValueError: the app raised in the middle")


@pytest.mark.parametrize("target", [
    "/field?name=X-A&value=a%0d%0aSet-Cookie:%20evil", "/field?name=X-A&value=a%0aevil", "/field?name=X-A&value=a%00b",
    "/field?name=X-A%0d%0aB&value=c", "/field?name=X%20A&value=c", "/reason?reason=OK%0d%0aSet-Cookie:%20evil",
])
def test_control_characters_from_the_app_are_its_error(contract, target):
    with contract.connect() as client:
        answer = client.get(target)
        assert answer.status == 500
        assert not answer.all("set-cookie") and b"evil" not in answer.body
    assert contract.get("/").status == 200


def test_exception_of_the_app_is_500_and_its_traceback_stays_in_the_log(contract):
    with contract.connect() as client:
        answer = client.get("/raise?word=secretword")
        assert answer.status == 500 and b"secretword" not in answer.body and b"Traceback" not in answer.body
    contract.wait_for_log("ValueError: the app raised secretword")


def test_server_field_can_be_turned_off(gateway):
    server = gateway("contract:app", "--no-server-header")
    assert server.get("/").get("server") is None


def test_slow_stream_arrives_block_by_block(contract):
    with contract.connect() as client:
        client.request("GET", "/stream?count=3&delay=0.3")
        client.read_head()
        first = client.read_chunk()
        assert first == b"......1\n"
        assert client.buffer == b"", "the blocks came together"
        assert client.read_chunk() == b"......2\n"
