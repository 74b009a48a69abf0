"""What the lines of the access log say: atoms as gunicorn prints them, forms for machines that no client can forge, and
which requests have a line."""

import json
import re
import shlex

import pytest

from support.classes import CLASSES
from support.side_by_side import Case, Server, ask

# With a variable of the server's, one of the app's and one that nobody has.
ATOMS = ("%(h)s|%(l)s|%(u)s|%(r)s|%(s)s|%(m)s|%(U)s|%(q)s|%(H)s|%(b)s|%(B)s|%(f)s|%(a)s|%({X-In}i)s|%({x-out}o)s|"
         "%({wsgi.url_scheme}e)s|%({remote_addr}e)s|%({HTTP_X_IN}e)s|%({user.name}e)s|%({User.Number}e)s|%({none}e)s")
NOTING = """
def app(environ, start_response):
    environ["user.name"], environ["User.Number"], environ["object"] = "Zo\\u00eb \\u2713", 42, object()
    start_response("204 No Content" if environ["PATH_INFO"] == "/none" else "200 OK", [("X-Out", "out")])
    return [] if environ["PATH_INFO"] == "/none" else [b"12", b"345"]
"""
# Field values that a strict reader of HTTP lets through, and that a careless log would not survive.
HOSTILE = [
    b'"', b"\\", b'\\"', b"%(h)s %s", b'", "status":200, "x":"', b"a status=200 b", b"=", b"\t", b"'{}[]",
    b"\xff\xfe", b"\xc3\xa9", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xc2\x85", b"\xe2\x80\xa8",
    b"\xe2\x80\xae", b"x" * 3000,
]


def lines_of(name, folder, case, *requests):
    server = Server(name, folder, case)
    try:
        server.wait_until_listening()
        for target, more in requests:
            ask(server, target, **more)
        server.stop()
        return server.file_text("access.log").splitlines()
    finally:
        server.reserved.close()
        server.clean_up()


def test_atoms_are_those_of_gunicorn(tmp_path):
    fields = [("X-In", "in"), ("Referer", "http://r/"), ("User-Agent", "me"), ("Authorization", "Basic YTpi")]
    case = Case("atoms", config=f"accesslog = 'access.log'\naccess_log_format = {ATOMS!r}\n", app="noting:app",
                files={"noting.py": NOTING.replace("\\u00eb \\u2713", "e")})
    asked = [("/a/b?c=d&e", {"fields": fields}), ("/", {}), ("/none", {"method": "POST", "body": b"some"}),
             ("/x", {"method": "HEAD"})]
    theirs, ours = (lines_of(name, tmp_path / name, case, *asked) for name in ("gunicorn", "evgateway"))
    assert len(ours) == len(asked) and ours == theirs


@pytest.mark.parametrize("name", ["inline", "threads", "gevent"])
def test_variables_of_the_environ_are_what_the_app_left_there(gateway, tmp_path, name):
    (tmp_path / "noting.py").write_text(NOTING)
    access = tmp_path / "access.log"
    server = gateway("noting:app", *CLASSES[name][1:], "--pythonpath", tmp_path, "--access-logfile", access,
                     "--access-logformat", "%(m)s %({user.name}e)s|%({USER.NUMBER}e)s|%({User.Number}e)s|%({object}e)s")
    with server.connect() as wire:
        assert [wire.get("/").status, wire.get("/").status] == [200, 200]
    with server.connect() as wire:
        wire.send(b"GET  / HTTP/1.1\r\n\r\n").read()
    assert server.stop() == 0
    line = r"GET Zo\xc3\xab \xe2\x9c\x93|-|42|-"
    assert access.read_text().splitlines() == [line, line, "- -|-|-|-"]


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_variables_without_an_environ_are_those_of_cgi(gateway, tmp_path, name):
    access = tmp_path / "access.log"
    server = gateway(*CLASSES[name], "--access-logfile", access, "--access-logformat", "|".join(
        f"%({{{variable}}}e)s" for variable in (
            "REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "RAW_URI", "SERVER_PROTOCOL", "REMOTE_ADDR", "SERVER_NAME",
            "SERVER_PORT", "wsgi.url_scheme", "HTTP_X_IN", "CONTENT_LENGTH", "made.up")))
    assert server.get("/me?a=b", fields=[("X-In", "in")]).status == 200
    assert server.stop() == 0
    assert access.read_text() == \
        f"GET|/me|a=b|/me?a=b|HTTP/1.1|127.0.0.1|127.0.0.1|{server.port}|http|in|-|-\n"


def hostile(server):
    for value in HOSTILE:
        with server.connect() as wire:
            request = b"GET /%s?%s HTTP/1.1\r\nHost: h\r\nUser-Agent: %s\r\nX-Request-ID: %s\r\n\r\n"
            path = re.sub(rb"[^!-~]", b"", value)[:200]
            wire.send(request % (path, path, value, value)).read()
    with server.connect() as wire:
        wire.send(b'GET "\x1b\xff\r\n\r\n').read()


def test_json_is_what_was_sent_and_nothing_else(gateway, tmp_path):
    access = tmp_path / "access.log"
    server = gateway("contract:app", "--access-logfile", access, "--access-logformat", "json")
    hostile(server)
    assert server.stop() == 0
    text = access.read_bytes()
    lines = text.decode("utf-8").split("\n")      # which fails if it is none
    assert lines.pop() == "" and len(lines) == len(HOSTILE) + 1
    # No character that a terminal or a reader of lines takes for something else.
    assert re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]", text) is None
    names = ["time", "remote_addr", "method", "path", "query", "protocol", "status", "bytes", "duration", "referer",
             "user_agent", "host", "pid", "request_id"]
    for value, line in zip(HOSTILE, lines):
        seen = json.loads(line)
        assert list(seen) == names
        assert seen["user_agent"] == seen["request_id"] == value.strip().decode("utf-8", "replace") or value == b"\t"
        assert (seen["method"], seen["remote_addr"], seen["host"], seen["referer"]) == ("GET", "127.0.0.1", "h", None)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", seen["time"])
        assert isinstance(seen["duration"], float) and 0 <= seen["duration"] < 60 and seen["pid"] > 1
    refused = json.loads(lines[-1])
    assert list(refused) == [*names, "request"]
    assert (refused["status"], refused["method"], refused["request"]) == (400, None, 'GET "\x1b\ufffd')


def test_logfmt_is_what_was_sent_and_nothing_else(gateway, tmp_path):
    access = tmp_path / "access.log"
    server = gateway("contract:app", "--access-logfile", access, "--access-logformat", "logfmt")
    hostile(server)
    assert server.stop() == 0
    lines = access.read_bytes().decode("utf-8").split("\n")
    assert lines.pop() == "" and len(lines) == len(HOSTILE) + 1
    pair = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\["\\u])*"|[^ "=\\]+)(?: |$)')
    for value, line in zip(HOSTILE, lines):
        assert pair.sub("", line) == ""
        seen = {key: json.loads(text) if text[0] == '"' else text for key, text in pair.findall(line)}
        assert seen["method"] == "GET" and seen["status"] in ("200", "404")
        assert seen["user_agent"] == value.decode("utf-8", "replace") or value == b"\t"


# Which requests have a line


@pytest.mark.parametrize("flags, targets", [
    ("", "/ /raise /status/404 /pid"),
    ("--access-log-skip /", "/raise /status/404 /pid"),
    ("--access-log-skip /status/*,/pid", "/ /raise"),
    ("--access-log-skip 2xx --access-log-skip status=404", "/raise"),
    ("--access-log-skip '/status/* 2xx, /pid 2xx'", "/ /raise /status/404"),
    ("--access-log-skip method=GET", ""),
    ("--access-log-slow 30", "/raise"),
    ("--access-log-slow 0.000001", "/ /raise /status/404 /pid"),
])
def test_rules_say_which_requests_have_a_line(gateway, tmp_path, flags, targets):
    access = tmp_path / "access.log"
    server = gateway("contract:app", "--access-logfile", access, "--access-logformat", "%(U)s", *shlex.split(flags))
    with server.connect() as wire:
        for target in ("/", "/raise", "/status/404", "/pid"):
            if wire.get(target).closes:
                wire = server.connect()
    assert server.stop() == 0
    assert access.read_text().split() == targets.split()


@pytest.mark.parametrize("flags, words", [
    (["--access-log-skip", "healthz"], "--access-log-skip: 'healthz' is neither a path"),
    (["--access-log-client", "proxy"], "--access-log-client: 'proxy' is unknown: choose peer or real"),
    (["--access-log-slow", "-1"], "--access-log-slow: '-1' is not a number of seconds of 0 or more"),
])
def test_rule_that_cannot_be_used_is_told(gateway, flags, words):
    server = gateway("contract:app", *flags, wait=False)
    assert server.wait() == 1 and words in server.error_log()


@pytest.mark.parametrize("name, addresses", [
    ("peer", ["127.0.0.1", "127.0.0.1"]), ("real", ["127.0.0.1", "9.9.9.9"]),
])
def test_client_is_the_other_end_of_the_socket_or_whom_the_proxy_names(gateway, tmp_path, name, addresses):
    access = tmp_path / "access.log"
    server = gateway("contract:app", "--access-logfile", access, "--access-logformat", "%(h)s",
                     "--access-log-client", name)
    assert server.get("/").status == 200
    assert server.get("/", fields=[("X-Forwarded-For", "1.2.3.4, 9.9.9.9")]).status == 200
    assert server.stop() == 0
    assert access.read_text().split() == addresses
