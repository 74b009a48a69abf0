"""WSGI as PEP 3333 has it, called inline: environ, start_response, every kind of body, input, files, and failures."""

import hashlib
import http.client
import json
import socket

import pytest
import requests

from support import wait

APP = "Tests/System/wsgi_apps/wsgi_app.py:app"
VALIDATED = "Tests/System/wsgi_apps/wsgi_app.py:validated"
SECRET = "the secret of the app"


@pytest.fixture
def server(gateway, python):
    return gateway(APP, python=python)


def ask(server, target, method="GET", **more):
    return requests.request(method, server.base_url + target, timeout=60, allow_redirects=False, **more)


def chunked(data, size):
    return (data[start:start + size] for start in range(0, len(data), size))


def sha(data):
    return hashlib.sha256(data).hexdigest()


def settled(value, same=20):
    """The value once it has been the same many times in a row."""
    last, count = value(), 0
    while count < same:
        now = value()
        last, count = now, count + 1 if now == last else 0
    return last


def raw(server, request):
    """Sends bytes and reads one response."""
    with server.connect() as wire:
        return wire.send(request).read()


# environ


def test_environ_is_complete_and_of_the_right_types(server):
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
        "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.input_terminated": True,
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
    assert not {"HTTP_X_FORWARDED_FOR", "CONTENT_LENGTH", "HTTP_PROXY", "HTTP_CONTENT_LENGTH", "HTTP_HOST_"} & environ.keys()


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


def test_http10_without_host(server):
    environ = json.loads(raw(server, "GET /x HTTP/1.0\r\n\r\n").body)
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.0" and "HTTP_HOST" not in environ


def test_values_of_one_request_do_not_stay_for_the_next(server):
    with server.connect() as wire:
        wire.get("/p?q", fields=[("X-Once", "1"), ("User-Agent", "one")])
        environ = json.loads(wire.get("/", fields=[("User-Agent", "two")]).body)
    assert "HTTP_X_ONCE" not in environ and environ["QUERY_STRING"] == "" and environ["HTTP_USER_AGENT"] == "two"


def test_multiprocess_tells_the_number_of_workers(gateway):
    assert ask(gateway(APP, "--workers", 2), "/").json()["wsgi.multiprocess"] is True


def test_script_name_is_cut_from_the_path(gateway):
    server = gateway(APP, env={"SCRIPT_NAME": "/prefix"})
    for target, script, path in [("/prefix/x", "/prefix", "/x"), ("/prefix", "/prefix", ""), ("/prefixed", "", "/prefixed"),
                                 ("/other", "", "/other")]:
        environ = ask(server, target).json()
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script, path)


def test_unix_socket_has_no_remote_address(gateway, tmp_path):
    server = gateway(APP, "--bind", f"unix:{tmp_path / 's'}")
    environ = json.loads(server.get("/").body)
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("", "")
    assert environ["SERVER_NAME"] and environ["SERVER_PORT"]


# What the standard library's validator says


def test_validator_finds_nothing(gateway, python):
    server = gateway(VALIDATED, python=python)
    for target in ["/", "/generator", "/empty-blocks", "/nothing?as=generator", "/nothing?as=empties", "/sequence?as=iter",
                   "/many?size=1000&count=100", "/late-start", "/written", "/headers", "/error-page", "/late-error-page",
                   "/errors", "/status?line=404%20Gone"]:
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
@pytest.mark.parametrize("how", ["readline", "readline-limit&limit=11", "readlines", "iterate", "readlines-hint&hint=5000"])
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
    """The next request stands right behind the body."""
    following = b"GET /unread HTTP/1.1\r\nHost: h\r\n\r\n"
    with server.connect() as wire:
        wire.send(b"POST /read-all HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" + following)
        assert json.loads(wire.read().body)["length"] == 5
        assert wire.read().body == b"ok"


def test_chunked_body_has_its_length_in_the_environ(server):
    assert ask(server, "/", "POST", data=chunked(b"x" * 1000, 10)).json()["CONTENT_LENGTH"] == "1000"
    assert ask(server, "/", "POST", data=b"x" * 10).json()["CONTENT_LENGTH"] == "10"


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
    descriptors = ask(server, "/objects").json()[2]
    answer = ask(server, "/read-blocks?size=1048576", "POST", data=(block for _ in range(100))).json()
    assert answer == {"length": 100 << 20, "sha256": sha(block * 100)}
    assert ask(server, "/objects").json()[2] <= descriptors


# start_response


@pytest.mark.parametrize("kind, name", [
    ("bytes status", "TypeError"), ("tuple headers", "TypeError"), ("list pair", "TypeError"), ("triple", "TypeError"),
    ("bytes name", "TypeError"), ("bytes value", "TypeError"), ("int value", "TypeError"), ("none", "TypeError"),
    ("200OK", "ValueError"), ("20", "ValueError"), ("abc def", "ValueError"), ("100 Continue", "ValueError"),
    ("newline value", "ValueError"), ("newline name", "ValueError"), ("nul", "ValueError"), ("space name", "ValueError"),
    ("euro", "UnicodeEncodeError"), ("surrogate", "UnicodeEncodeError"), ("transfer-encoding", "ValueError"),
    ("keep-alive", "ValueError"), ("bad length", "ValueError"),
])
def test_wrong_arguments_raise_inside_the_app(server, kind, name):
    answer = ask(server, "/bad-start", params={"kind": kind})
    assert answer.status_code == 200 and answer.json()[0] == name and answer.json()[1]
    assert "Injected" not in answer.headers
    answer = ask(server, "/bad-start", params={"kind": kind, "raise": 1})
    assert answer.status_code == 500 and "Injected" not in answer.headers and "X" not in answer.headers
    assert name in server.error_log()


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
    assert "start_response" in server.error_log()


def test_write_comes_before_what_is_returned(server):
    assert ask(server, "/written").content == b"written twice and returned"
    answer = ask(server, "/written?length=26")
    assert answer.content == b"written twice and returned" and answer.headers["Content-Length"] == "26"
    assert ask(server, "/written-only?count=100").content == b"w" * 6_553_600
    assert ask(server, "/written", "HEAD").content == b""


def test_write_of_text_is_an_error(server):
    assert ask(server, "/bad-write").status_code == 500
    assert "TypeError" in server.error_log()


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


# Bodies


@pytest.mark.parametrize("target, body", [
    ("/generator", b"block 0\nblock 1\nblock 2\n"), ("/empty-blocks?id=e", b"ab"), ("/late-start", b"late"),
    ("/nothing?as=list", b""), ("/nothing?as=tuple", b""), ("/nothing?as=generator", b""), ("/nothing?as=empty", b""),
    ("/nothing?as=empties", b""), ("/sequence?as=list", b"one two three"), ("/sequence?as=tuple", b"one two three"),
    ("/sequence?as=iter", b"one two three"), ("/sequence?as=set", b"one two three"),
    ("/sequence?as=long", b"x" * 500_000),
])
def test_iterables_of_every_kind(server, target, body):
    for _ in range(2):
        answer = ask(server, target)
        assert (answer.status_code, answer.content) == (200, body)
        answer = ask(server, target, "HEAD")
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("kind", ["bytearray", "str"])
def test_blocks_that_are_no_bytes_are_a_500(server, kind):
    assert ask(server, "/sequence?as=" + kind).status_code == 500
    assert "TypeError" in server.error_log()


def test_length_is_added_when_it_is_known_and_chunks_are_used_else(server):
    with server.connect() as wire:
        assert wire.get("/unread").get("Content-Length") == "2"
        assert wire.get("/sequence?as=list").get("Content-Length") == "13"
        assert wire.get("/nothing?as=list").get("Content-Length") == "0"
        assert wire.get("/generator").get("Transfer-Encoding") == "chunked"
    with server.connect() as wire:
        answer = wire.request("GET", "/generator", version="1.0").read()
        assert answer.until_close and answer.body == b"block 0\nblock 1\nblock 2\n"


def test_each_block_is_sent_before_the_next_is_asked_for(server, tmp_path):
    with server.connect() as wire:
        wire.request("GET", f"/steps?id=s&file={tmp_path / 'go'}").read_head()
        assert wire.read_chunk() == b"first\n"
        (tmp_path / "go").touch()
        assert wire.read_chunk() == b"second\n"
        assert wire.read_chunk() == b""
    assert ask(server, "/closed?id=s").json() == 1


def test_slow_reader_holds_the_generator(server):
    """The iterable gets ahead of its reader by what the kernel and the high-water mark hold, and no further."""
    with server.connect(receive_buffer=8192) as wire:
        wire.request("GET", "/many?id=slow&size=65536&count=3200").read_head()   # 200 MB
        given = settled(lambda: ask(server, "/given?id=slow").json())
        assert 0 < given < 400
        total = 0
        while chunk := wire.read_chunk():
            total += len(chunk)
        assert total == 3200 * 65536
    assert ask(server, "/given?id=slow").json() == 3200 and ask(server, "/closed?id=slow").json() == 1


def test_other_requests_are_served_while_a_fast_reader_streams(server):
    with server.connect() as wire:
        wire.request("GET", "/endless?id=fast").read_head()
        for _ in range(20):
            wire.read_chunk()
            assert ask(server, "/unread").content == b"ok"


@pytest.mark.parametrize("reset", [False, True])
def test_close_is_called_when_the_client_leaves(server, reset):
    name = f"left-{reset}"
    wire = server.connect(receive_buffer=8192)
    wire.request("GET", f"/endless?id={name}").read_head()
    wire.reset() if reset else wire.close()
    wait.until(lambda: ask(server, f"/closed?id={name}").json() == 1, "close() is called")
    given = ask(server, f"/given?id={name}").json()
    assert ask(server, f"/given?id={name}").json() == given and ask(server, f"/closed?id={name}").json() == 1


@pytest.mark.parametrize("target", [
    "/empty-blocks?id={}", "/many?id={}&size=10&count=3", "/file?id={}&size=1000", "/file?id={}&size=1000&kind=memory",
    "/file?id={}&size=1000&kind=hidden", "/boom-later?id={}&after=0", "/boom-later?id={}&after=2", "/text-block?id={}",
    "/text-block?id={}&second=1", "/length?id={}&announced=8&given=10&as=generator",
    "/length?id={}&announced=12&given=10&as=generator", "/boom-in-close?id={}",
])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_close_is_called_once(server, target, method):
    with server.connect() as wire:
        wire.request(method, target.format("once"), fields=[("Connection", "close")])
        wire.read_until_close()
    assert ask(server, "/closed?id=once").json() == 1


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_more_than_announced_is_cut_off_and_logged(server, kind):
    with server.connect() as wire:
        answer = wire.get(f"/length?announced=8&given=10&as={kind}")
        assert (answer.get("Content-Length"), answer.body) == ("8", b"k" * 8)
        assert wire.get("/unread").body == b"ok"
    assert len([line for line in server.error_log().splitlines() if "Content-Length" in line]) == 1


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_less_than_announced_closes_the_connection(server, kind):
    with server.connect() as wire:
        wire.request("GET", f"/length?announced=12&given=10&as={kind}")
        assert wire.read_head().get("Content-Length") == "12"
        assert wire.read_until_close() == b"k" * 10


def test_head_has_the_headers_of_get(server):
    for target in ("/unread", "/file?size=1000", "/headers"):
        get, head = ask(server, target), ask(server, target, "HEAD")
        assert head.content == b"" and get.content
        assert head.headers["Content-Length"] == get.headers["Content-Length"], target


# Files


@pytest.mark.parametrize("query, start, stop", [
    ("size=0", 0, 0), ("size=1", 0, 1), ("size=3000000", 0, 3_000_000), ("size=1000&offset=10", 10, 1000),
    ("size=100000&read=7", 7, 100_000), ("size=1000&length=100", 0, 100), ("size=1000&offset=2000", 0, 0),
])
@pytest.mark.parametrize("kind", ["real", "memory", "hidden"])
def test_file_wrapper_sends_from_where_the_file_stands(server, query, start, stop, kind):
    whole = bytes(range(256)) * (stop // 256 + 1)
    for _ in range(2):
        answer = ask(server, f"/file?{query}&kind={kind}&id=f")
        assert answer.content == whole[start:stop]
        if kind == "real":
            assert answer.headers["Content-Length"] == str(stop - start)
    assert ask(server, "/closed?id=f").json() == 2


def test_file_wrapper_over_a_pipe_is_read(server):
    assert ask(server, "/pipe").content == b"through a pipe"


def test_download_of_100_mb_by_file_wrapper(server):
    expected = hashlib.sha256(bytes(range(256)) * 409_600).hexdigest()
    got = hashlib.sha256()
    with requests.get(server.base_url + "/file?size=104857600", stream=True, timeout=60) as answer:
        assert answer.headers["Content-Length"] == "104857600"
        for block in answer.iter_content(1 << 20):
            got.update(block)
    assert got.hexdigest() == expected


def test_file_shorter_than_announced_closes_the_connection(server):
    with server.connect() as wire:
        wire.request("GET", "/file?size=10&length=100").read_head()
        assert len(wire.read_until_close()) == 10


# Failures


@pytest.mark.parametrize("kind", ["ValueError", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "MemoryError"])
@pytest.mark.parametrize("when", ["called", "started"])
def test_exception_is_a_500_and_its_traceback_goes_to_the_log_alone(server, kind, when):
    workers = server.worker_pids()
    answer = ask(server, f"/boom?kind={kind}&when={when}%1b[31m")
    assert answer.status_code == 500 and SECRET not in answer.text and "Traceback" not in answer.text
    assert "X-Secret" not in answer.headers
    log = server.error_log()
    assert "Traceback (most recent call last)" in log and f"{kind}: {SECRET}" in log
    assert f"GET /boom?kind={kind}" in log and "\x1b" not in log
    assert ask(server, "/unread").content == b"ok" and server.worker_pids() == workers


def test_exception_after_the_head_breaks_the_response_visibly(server):
    for version in ("1.1", "1.0"):
        with server.connect() as wire:
            wire.request("GET", "/boom-later?after=2", version=version)
            wire.read_head()
            try:
                rest = wire.read_until_close()
            except ConnectionResetError:
                rest = b""
            assert not rest.endswith(b"0\r\n\r\n")
            assert version == "1.1" or rest == b""   # without framing only the reset tells
    assert SECRET in server.error_log()


def test_exception_before_the_first_block_is_a_500(server):
    assert ask(server, "/boom-later?after=0").status_code == 500
    assert ask(server, "/text-block").status_code == 500
    assert ask(server, "/none").status_code == 500


def test_exception_in_close_leaves_the_response_whole(server):
    with server.connect() as wire:
        assert wire.get("/boom-in-close").body == b"whole"
        assert wire.get("/unread").body == b"ok"
    server.wait_for_log("the secret of close")


def test_errors_stream_goes_to_the_error_log(gateway, tmp_path):
    log = tmp_path / "error.log"
    server = gateway(APP, "--error-logfile", log, wait=False)
    wait.until(lambda: log.exists() and "Worker ready" in log.read_text(), "the worker is ready")
    port = int(log.read_text().split("Listening at: http://127.0.0.1:")[1].split()[0])
    assert requests.get(f"http://127.0.0.1:{port}/errors", timeout=30).content == b"ok"
    lines = log.read_text().splitlines()
    assert [line for line in lines if not line.startswith("[")] == [
        "one line", "half a line", "listed lines", "flushed", "printed"]
    server.stop()


def test_requests_leave_nothing_behind(server):
    targets = ["/unread", "/generator", "/empty-blocks?id=l", "/boom", "/boom-later?after=1", "/file?size=10", "/written",
               "/error-page", "/bad-start?kind=nul", "/headers", "/length?announced=3&given=9&as=generator"]
    session = http.client.HTTPConnection(server.host, server.port, timeout=60)

    def turn(times):
        for _ in range(times):
            for target in targets:
                session.request("POST" if target == "/unread" else "GET", target, body=b"x" * 10)
                try:
                    session.getresponse().read()
                except http.client.HTTPException:
                    session.close()
        session.close()
        return ask(server, "/objects").json()

    counts = [turn(100) for _ in range(6)]
    growth = [[after - before for before, after in zip(*pair)] for pair in zip(counts, counts[1:])]
    # One object kept by each request of one kind would be 100 in every step; caches fill up, and then stop growing.
    assert all(min(step[kind] for step in growth) < 60 for kind in (0, 1)), growth
    assert counts[-1][2] <= counts[0][2], counts


# Threads, and the end of a worker


def test_start_response_on_another_thread_is_refused(server):
    said = ask(server, "/other-thread").json()
    assert len(said) == 2 and all("thread" in text for text in said)
    assert ask(server, "/unread").content == b"ok"


def test_threads_of_the_app_run_while_the_loop_sleeps(server):
    assert ask(server, "/background").content == b"ok"
    server.wait_for_log("from behind")


def test_exit_handlers_of_the_app_run_in_the_worker(server, tmp_path):
    assert ask(server, f"/at-exit?file={tmp_path / 'exit'}").content == b"ok"
    assert server.stop() == 0
    assert (tmp_path / "exit").read_text() == "farewell"


def test_worker_that_hangs_shows_its_python_stack(gateway, python):
    server = gateway(APP, "--timeout", "1", python=python)
    with server.connect() as wire:
        wire.request("GET", "/hang")
        server.wait_for_log("Fatal Python error: Aborted")
        server.wait_for_log(r"wsgi_app\.py.* in hang")
        server.wait_for_log("Worker ready", count=2)
    assert ask(server, "/unread").content == b"ok"


@pytest.mark.parametrize("name", ["asgi", "asgi_object"])
def test_asgi_app_is_refused_in_one_line(gateway, tmp_path, name):
    (tmp_path / "later.py").write_text("async def asgi(scope, receive, send): pass\n"
                                       "class App:\n    async def __call__(self, *a): pass\n"
                                       "asgi_object = App()\n")
    server = gateway(f"later:{name}", cwd=tmp_path, wait=False)
    assert server.wait() == 4
    server.log.thread.join(10)
    assert f"'later:{name}' is an ASGI app" in server.error_log()


# Frameworks


@pytest.fixture(params=["flask_app", "django_app"])
def framework(request, gateway, python):
    return gateway(f"Tests/System/wsgi_apps/{request.param}.py", python=python)


def test_framework_pages(framework):
    assert "works" in ask(framework, "/").text
    assert ask(framework, "/unicode/%C3%BC").text == "h\u00e9llo \u00fc"
    assert ask(framework, "/external", headers={"Host": "example.org:99"}).text == "http://example.org:99/"
    assert ask(framework, "/missing").status_code == 404
    assert ask(framework, "/", "HEAD").content == b""


def test_framework_json_and_form(framework):
    answer = ask(framework, "/json?a=1", "POST", json={"key": ["v", 1]}).json()
    assert answer == {"received": {"key": ["v", 1]}, "args": {"a": "1"}}
    form = {"name": "J\u00fcrgen", "empty": "", "sign": "a&b=c"}
    assert ask(framework, "/form", "POST", data=form).json() == form


def test_framework_uploads_of_100_mb(framework):
    data = bytes(range(256)) * 409_600
    expected = {"length": len(data), "sha256": sha(data)}
    assert ask(framework, "/upload", "POST", files={"file": ("big.bin", data)}).json() == expected
    assert ask(framework, "/upload", "POST", data=data).json() == expected
    assert ask(framework, "/upload", "POST", data=chunked(data, 1 << 20)).json() == expected


def test_framework_downloads(framework):
    whole = bytes(range(256)) * 409_600
    answer = ask(framework, f"/download/{len(whole)}")
    assert answer.headers["Content-Length"] == str(len(whole)) and answer.content == whole
    assert b"the secret of the app" in ask(framework, "/send-file").content


def test_framework_streams(framework):
    answer = ask(framework, "/stream/abc?count=1000")
    assert answer.text == "abc\n" * 1000 and answer.headers["Transfer-Encoding"] == "chunked"


def test_streams_side_by_side_keep_their_contexts(framework):
    """Two slow readers' generators take turns on one thread; each goes on with the request that it began with."""
    streams = []
    for word in ("one", "two"):
        wire = framework.connect(receive_buffer=8192)
        wire.request("GET", f"/stream/{word}?count=400&size=20000").read_head()
        streams.append((wire, word))
    assert "works" in ask(framework, "/").text
    left = {word for _, word in streams}
    while left:
        for wire, word in streams:
            if word in left:
                chunk = wire.read_chunk()
                assert set(chunk) <= set(f"{word}\n".encode())
                if not chunk:
                    left.discard(word)
    for wire, _ in streams:
        wire.close()
    assert "Traceback" not in framework.error_log()


def test_framework_redirects_and_cookies(framework):
    answer = ask(framework, "/redirect")
    assert answer.status_code == 302 and answer.headers["Location"] == "/"
    with requests.Session() as session:
        assert [session.get(framework.base_url + "/count", timeout=30).text for _ in range(3)] == ["1", "2", "3"]
        assert session.cookies["plain"] == "value"


def test_framework_exception_stays_in_the_log(framework):
    answer = ask(framework, "/fail")
    assert answer.status_code == 500 and SECRET not in answer.text
    framework.wait_for_log(f"RuntimeError: {SECRET}")
    assert "works" in ask(framework, "/").text


def test_idle_connection_is_reused_by_clients(framework):
    connection = http.client.HTTPConnection(framework.host, framework.port, timeout=30)
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read()
        used = connection.sock
        assert isinstance(used, socket.socket)
    connection.close()
