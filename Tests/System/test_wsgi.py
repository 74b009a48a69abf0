"""WSGI (PEP 3333): environ, wsgi.input, start_response and write."""

import json
import re

import pytest

from support import wait
from support.wsgi import APP, SIZES, VALIDATED, ask, chunked, raw, sha


@pytest.fixture
def server(gateway, python, worker_class):
    return gateway(APP, "-k", worker_class, python=python)


# environ


def test_environ_is_complete_and_of_the_right_types(server, worker_class):
    with server.connect() as wire:
        own_port = str(wire.socket.getsockname()[1])
        answer = wire.request("GET", "/a%20b/%C3%A9%2F?x=%20y&z", fields=[
            ("Accept", "*/*"), ("X-Twice", "1"), ("x-twice", "2"), ("Cookie", "a=1"), ("Cookie", "b=2"),
            ("X-Latin", "caf\u00e9"), ("Content-Type", "text/x")]).read()
    environ = json.loads(answer.body)
    expected = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/a b/\u00c3\u00a9/", "QUERY_STRING": "x=%20y&z",
        "RAW_URI": "/a%20b/%C3%A9%2F?x=%20y&z", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": str(server.port),
        "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": own_port, "CONTENT_TYPE": "text/x",
        "HTTP_HOST": "test", "HTTP_ACCEPT": "*/*", "HTTP_X_TWICE": "1,2", "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_LATIN": "caf\u00e9", "wsgi.version": "(1, 0)", "wsgi.url_scheme": "http",
        "wsgi.multithread": worker_class != "inline", "wsgi.multiprocess": False, "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "exact dict": True,
    }
    assert {key: environ.get(key) for key in expected} == expected
    assert environ["SERVER_SOFTWARE"].startswith("evgateway/")
    assert {"wsgi.input", "wsgi.errors", "wsgi.file_wrapper"} < environ.keys()
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "CONTENT_LENGTH"} & environ.keys()
    assert {kind for key, kind in environ["types"].items() if key.isupper()} == {"str"}
    assert environ["types"]["wsgi.version"] == "tuple"


@pytest.mark.parametrize("line", ["X_Forwarded_For: 6.6.6.6", "Content_Length: 5", "Proxy: http://evil", "PROXY: x",
                                  "Host_: x"])
def test_header_that_could_shadow_another_is_dropped(server, line):
    answer = raw(server, f"GET / HTTP/1.1\r\nHost: h\r\n{line}\r\nX-Kept: 1\r\n\r\n")
    environ = json.loads(answer.body)
    assert environ["HTTP_X_KEPT"] == "1" and environ["HTTP_HOST"] == "h"
    shadows = {"HTTP_X_FORWARDED_FOR", "CONTENT_LENGTH", "HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_HOST_"}
    assert not shadows & environ.keys()


@pytest.mark.parametrize("target, path, host", [
    ("http://other:81/p?q", "/p", "other:81"), ("http://other", "/", "other"), ("/p?", "/p", "test"),
    ("/%zz%4", "/%zz%4", "test"), ("/a//b/../c", "/a//b/../c", "test"), ("/%2e%00", "/.\0", "test"),
])
def test_path_and_host_follow_the_request_target(server, target, path, host):
    answer = raw(server, f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n")
    environ = json.loads(answer.body)
    assert (environ["PATH_INFO"], environ["HTTP_HOST"], environ["RAW_URI"]) == (path, host, target)


def test_many_different_header_names_arrive(server):
    for batch in range(6):
        names = [f"X-Name-{batch}-{index}" for index in range(80)] + ["X-" + "L" * 100]
        environ = ask(server, "/", headers={name: name for name in names} | {"User-Agent": "u"}).json()
        assert all(environ["HTTP_" + name.upper().replace("-", "_")] == name for name in names)
        assert environ["HTTP_USER_AGENT"] == "u"


# Three requests alike are served from a copy of what the first two were made into. What differs after them may be a
# secret, a value, a name, or the number of lines.
REPEATED = [[("X-Kept", "1"), ("Cookie", secret), ("Authorization", f"Basic-{secret}"), ("Accept", "*/*")]
            for secret in ("a=1", "b=2", "c=3", "c=3", "d=four", "")]
REPEATED += [REPEATED[0][:3], REPEATED[0][:3], REPEATED[0], [("X-Kept", "2"), *REPEATED[1][1:]], REPEATED[1],
             [("x-kept", "1"), *REPEATED[1][1:]], [("X-Keen", "1"), *REPEATED[1][1:]],
             *[[("Cookie", "one"), ("Cookie", "two"), ("Accept", "*/*")]] * 3]


def test_fields_of_a_request_that_repeats_another_are_its_own(server):
    with server.connect() as wire:
        for fields in REPEATED:
            environ = json.loads(wire.request("GET", "/", fields=fields).read().body)
            told = {key: value for key, value in environ.items() if key.startswith("HTTP_") and key != "HTTP_HOST"}
            expected = {}
            for name, value in fields:
                expected.setdefault("HTTP_" + name.upper().replace("-", "_"), []).append(value)
            assert told == {key: "; ".join(values) for key, values in expected.items()}


def test_http10_without_host(server):
    environ = json.loads(raw(server, "GET /x HTTP/1.0\r\n\r\n").body)
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0" and "HTTP_HOST" not in environ


def test_values_of_one_request_do_not_stay_for_the_next(server):
    with server.connect() as wire:
        wire.get("/p?q", fields=[("X-Once", "1"), ("User-Agent", "one")])
        environ = json.loads(wire.get("/", fields=[("User-Agent", "two")]).body)
    assert "HTTP_X_ONCE" not in environ
    assert (environ["QUERY_STRING"], environ["HTTP_USER_AGENT"]) == ("", "two")


def test_multiprocess_tells_the_number_of_workers(gateway, worker_class):
    assert ask(gateway(APP, "-k", worker_class, "--workers", 2), "/").json()["wsgi.multiprocess"] is True


def test_script_name_is_cut_from_the_path(gateway, worker_class):
    server = gateway(APP, "-k", worker_class, env={"SCRIPT_NAME": "/prefix"})
    for target, script, path in [("/prefix/x", "/prefix", "/x"), ("/prefix", "/prefix", ""),
                                 ("/prefixed", "", "/prefixed"), ("/other", "", "/other")]:
        environ = ask(server, target).json()
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script, path)


def test_unix_socket_has_no_remote_address(gateway, worker_class, tmp_path):
    server = gateway(APP, "-k", worker_class, "--bind", f"unix:{tmp_path / 's'}")
    environ = json.loads(server.get("/").body)
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("", "")
    assert environ["SERVER_NAME"] and environ["SERVER_PORT"]


# The standard library's validator


def test_validator_finds_nothing(gateway, python, worker_class):
    server = gateway(VALIDATED, "-k", worker_class, python=python)
    for target in ["/", "/generator", "/empty-blocks", "/nothing?as=generator", "/nothing?as=empties",
                   "/sequence?as=iter", "/many?size=1000&count=100", "/late-start", "/written", "/headers",
                   "/error-page", "/late-error-page", "/errors", "/status?line=404%20Gone"]:
        assert ask(server, target).status_code in (200, 404, 500), target
        assert ask(server, target, "HEAD").content == b""
    for body in (b"line\n" * 1000, chunked(b"line\n" * 1000, 77)):
        assert ask(server, "/read-blocks", "POST", data=body).json()["length"] == 5000
    for how in ("readline", "readlines", "iterate", "readline-limit&limit=3"):
        assert ask(server, f"/read-lines?how={how}", "POST", data=b"a\nb\n").json()["length"] == 4
    log = server.error_log()
    assert not any(word in log for word in ("AssertionError", "WSGIWarning", "garbage collected", "Traceback")), log


# wsgi.input


BODY = b"".join(b"%d %s\n" % (index, b"x" * (index * 7 % 300)) for index in range(20_000)) + b"no newline at the end"


@pytest.mark.parametrize("size", [0, 1, 100, 1 << 20, (1 << 20) + 1, len(BODY)])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_is_read_whole(server, size, framing):
    data = BODY[:size]
    expected = {"length": len(data), "sha256": sha(data)}
    for target in ("/read-all", "/read-blocks", "/read-blocks?size=1000003"):
        body = data if framing == "length" else chunked(data, 60_000)
        assert ask(server, target, "POST", data=body).json() == expected, target


@pytest.mark.parametrize("size", [1000, 100_000, len(BODY)])
@pytest.mark.parametrize("how", ["readline", "readline-limit&limit=11", "readlines", "iterate",
                                 "readlines-hint&hint=5000"])
def test_body_is_read_by_lines(server, size, how):
    data = BODY[:size]
    lines = data.splitlines(keepends=True)
    answer = ask(server, f"/read-lines?how={how}", "POST", data=data).json()
    if "hint" in how:
        count = next(n for n in range(1, len(lines) + 1) if sum(map(len, lines[:n])) >= 5000 or n == len(lines))
        assert answer["count"] == count and answer["length"] + answer["rest"] == size
        return
    assert (answer["length"], answer["sha256"], answer["rest"]) == (size, sha(data), 0)
    if "limit" in how:
        assert answer["longest"] == 11
    else:
        assert (answer["count"], answer["longest"]) == (len(lines), max(map(len, lines)))


@pytest.mark.parametrize("padding", [0, 2 << 20])
def test_kinds_of_reads_may_be_mixed(server, padding):
    data = b"abcdef\nghijk\nlm\n" + b"n" * 30 + b"\n" + b"p" * padding
    parts = ask(server, "/mixed-reads", "POST", data=data).json()
    assert parts[:5] == ["abc", "def\n", "", "gh", "ijk\n"]
    assert "".join(parts).encode() == data


def test_reads_never_go_past_the_end(server):
    """The next request is sent together with the body."""
    following = b"GET /unread HTTP/1.1\r\nHost: h\r\n\r\n"
    with server.connect() as wire:
        wire.send(b"POST /read-all HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" + following)
        assert json.loads(wire.read().body)["length"] == 5
        assert wire.read().body == b"ok"


@pytest.mark.parametrize("size", SIZES)
def test_chunked_body_has_its_length_in_the_environ(server, size):
    assert ask(server, "/", "POST", data=chunked(b"x" * size, 60_000)).json()["CONTENT_LENGTH"] == str(size)
    assert ask(server, "/", "POST", data=b"x" * size).json()["CONTENT_LENGTH"] == str(size)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_body_above_the_limit_never_reaches_the_app(gateway, worker_class, framing):
    server = gateway(APP, "-k", worker_class, "--limit-request-body", 3_000_000)
    for size in (3_000_000, 3_000_001):
        body = bytes(size)
        with server.connect() as wire:
            field = f"Content-Length: {size}" if framing == "length" else "Transfer-Encoding: chunked"
            wire.send(f"POST /many?id={size}&size=1&count=1 HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n")
            wire.send(body if framing == "length" else b"%x\r\n%s\r\n0\r\n\r\n" % (size, body))
            assert wire.read().status == (200 if size == 3_000_000 else 413)
    assert ask(server, "/given?id=3000001").json() == 0


def test_closed_input_refuses_reads_of_its_own_request_alone(server):
    for _ in range(2):
        for body in (b"", b"x", b"x" * (2 << 20)):
            assert "closed" in ask(server, "/closed-input", "POST", data=body).json()
        assert ask(server, "/read-all", "POST", data=b"").json()["length"] == 0


def test_body_cut_short_never_reaches_the_app(server):
    for head in ("Content-Length: 10\r\n\r\nshort", "Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"):
        with server.connect() as wire:
            wire.send(f"POST /many?id=cut&size=1&count=1 HTTP/1.1\r\nHost: h\r\n{head}").half_close()
            assert b" 200 " not in wire.read_until_close()[:20]
    assert ask(server, "/given?id=cut").json() == 0


def test_upload_of_100_mb_is_spooled(server):
    block = bytes(range(256)) * 4096
    # Once before the count: some descriptors are opened by the first upload and stay open.
    ask(server, "/read-blocks", "POST", data=b"x" * (2 << 20))
    descriptors = ask(server, "/objects").json()[2]
    answer = ask(server, "/read-blocks?size=1048576", "POST", data=(block for _ in range(100))).json()
    assert answer == {"length": 100 << 20, "sha256": sha(block * 100)}
    wait.until(lambda: ask(server, "/objects").json()[2] <= descriptors, "the spool file is closed")


def test_spool_file_of_a_body_cut_short_is_closed(server):
    ask(server, "/read-blocks", "POST", data=b"x" * (2 << 20))
    descriptors = ask(server, "/objects").json()[2]
    with server.connect() as wire:
        wire.send("POST /read-all HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n300000\r\n")
        wire.send("x" * (2 << 20))
        wait.until(lambda: ask(server, "/objects").json()[2] >= descriptors + 2, "connection and file are open")
        wire.reset()
    wait.until(lambda: ask(server, "/objects").json()[2] <= descriptors, "the spool file is closed")


def test_body_is_spooled_elsewhere_when_tmpdir_is_nowhere(gateway, worker_class, tmp_path):
    server = gateway(APP, "-k", worker_class, "--workers", 2, env={"TMPDIR": str(tmp_path / "nowhere")})
    for _ in range(2):
        assert ask(server, "/read-blocks", "POST", data=chunked(b"x" * (3 << 20), 70_000)).json()["length"] == 3 << 20
    problems = server.log.matches("spool")
    assert len(problems) == 1 and re.search(
        r"\[WARNING\] Request bodies cannot be spooled in \S+/nowhere \(No such file or directory\): /\S+ is used$",
        problems[0].string)


# start_response


@pytest.mark.parametrize("kind, name", [
    ("bytes status", "TypeError"), ("tuple headers", "TypeError"), ("list pair", "TypeError"), ("triple", "TypeError"),
    ("bytes name", "TypeError"), ("bytes value", "TypeError"), ("int value", "TypeError"), ("none", "TypeError"),
    ("200OK", "ValueError"), ("20", "ValueError"), ("abc def", "ValueError"), ("100 Continue", "ValueError"),
    ("newline value", "ValueError"), ("newline name", "ValueError"), ("nul", "ValueError"),
    ("space name", "ValueError"),
    ("euro", "UnicodeEncodeError"), ("surrogate", "UnicodeEncodeError"), ("transfer-encoding", "ValueError"),
    ("keep-alive", "ValueError"), ("bad length", "ValueError"),
])
def test_wrong_arguments_raise_inside_the_app(server, kind, name):
    answer = ask(server, "/bad-start", params={"kind": kind})
    assert answer.status_code == 200 and answer.json()[0] == name and answer.json()[1]
    assert "Injected" not in answer.headers
    answer = ask(server, "/bad-start", params={"kind": kind, "raise": 1})
    assert answer.status_code == 500 and "Injected" not in answer.headers and "X" not in answer.headers
    server.wait_for_log(name)


def test_headers_go_out_as_given(server):
    with server.connect() as wire:
        answer = wire.get("/headers")
    assert answer.all("X-Twice") == ["1", "2"] and answer.get("X-Latin") == "caf\u00e9"
    assert answer.get("Content-Length") == "2"


def test_start_response_twice_is_an_error(server):
    assert b"second time" in ask(server, "/start-twice").content


@pytest.mark.parametrize("form", ["", "?keyword=1"])
def test_exc_info_replaces_a_head_that_was_not_sent(server, form):
    answer = ask(server, "/error-page" + form)
    assert (answer.status_code, answer.reason, answer.content) == (500, "Oh", b"error page")
    assert "X-First" not in answer.headers and answer.headers["Content-Length"] == "10"


def test_exc_info_after_the_head_raises_in_the_app(server):
    assert ask(server, "/late-error-page").content == b"begun\nraised 'lost'"


@pytest.mark.parametrize("kind", ["list", "empty", "generator", "file"])
def test_body_without_start_response_is_a_500(server, kind):
    assert ask(server, "/no-start?as=" + kind).status_code == 500
    server.wait_for_log("start_response")


def test_write_comes_before_what_is_returned(server):
    assert ask(server, "/written").content == b"written twice and returned"
    answer = ask(server, "/written?length=26")
    assert answer.content == b"written twice and returned" and answer.headers["Content-Length"] == "26"
    assert ask(server, "/written-only?count=100").content == b"w" * 6_553_600
    assert ask(server, "/written", "HEAD").content == b""


def test_write_of_text_is_an_error(server):
    assert ask(server, "/bad-write").status_code == 500
    server.wait_for_log("TypeError")


def test_callables_kept_past_their_request_do_nothing(server):
    assert ask(server, "/stale?step=keep").content == b"kept"
    said = ask(server, "/stale?step=use").json()
    assert len(said) == 2 and all("over" in text for text in said)
    assert ask(server, "/unread").content == b"ok"


@pytest.mark.parametrize("line, body", [("204 No Content", b""), ("304 Not Modified", b""), ("599 Custom", b"body"),
                                        ("200 ", b"body"), ("200", b"body")])
def test_status_line_is_the_apps(server, line, body):
    with server.connect() as wire:
        answer = wire.get("/status?line=" + line.replace(" ", "%20"))
        assert answer.status == int(line[:3]) and answer.body == body
        assert wire.get("/unread").body == b"ok"
