"""Publishing over HTTP (`--publish-bind`): Pushpin's paths and answers, who may publish, and that no worker is needed.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import signal
import stat
import time

import pytest

from support import beside, procfs
from support.admin import Admin
from support.beside import started
from support.settings import run
from support.wire import Wire

KEY = "a-key-of-32-random-characters-!!"
TOKEN = "a-token-of-32-random-characters!"
ITEM = {"channel": "test", "formats": {"http-stream": {"content": "hello\n"}}}


@pytest.fixture(scope="module")
def open_server():
    """Without a key, and without an admin address."""
    with started("--publish-bind", "127.0.0.1:0") as server:
        yield server, tcp(server)


@pytest.fixture(scope="module")
def closed_server():
    with started("--publish-bind", "0.0.0.0:0", "--publish-token", TOKEN, env={"EVGATEWAY_PUBLISH_KEY": KEY}) as server:
        yield server, ("127.0.0.1", tcp(server)[1])


def tcp(server):
    return beside.tcp(server, beside.PUBLISHING)


def ask(address, target="/publish/", *fields, method="POST", body=b"", **more):
    return beside.ask(address, target, *fields, method=method, body=body if method == "POST" else None, **more)


def publish(address, *fields, items=(ITEM,), **more):
    return ask(address, "/publish/", *fields, body=json.dumps({"items": list(items)}).encode(), **more)


def jwt(key=KEY, header={"alg": "HS256", "typ": "JWT"}, **claims):
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    claims = {"iss": "realm", "exp": int(time.time()) + 3600, **claims}
    message = encode(json.dumps(header).encode()) + b"." + encode(json.dumps(claims).encode())
    return (message + b"." + encode(hmac.new(key.encode(), message, hashlib.sha256).digest())).decode()


# What is answered

@pytest.mark.parametrize("fields, type_, body", [
    ((), "text/plain", b"Published\n"), (("Accept: */*",), "text/plain", b"Published\n"),
    (("Accept: application/json",), "application/json", b'{"message":"Published"}\n'),
    (("Accept: text/html, application/*;q=0.5",), "application/json", b'{"message":"Published"}\n'),
    (("Accept: text/html", "Accept: text/plain"), "text/plain", b"Published\n")])
def test_items_are_published(open_server, fields, type_, body):
    answer = publish(open_server[1], *fields)
    assert (answer.status, answer.get("content-type"), answer.body) == (200, type_, body)


@pytest.mark.parametrize("body, text", [
    (b"", b"Body is not valid JSON.\n"), (b"{", b"Body is not valid JSON.\n"), (b"[]", b"Invalid format.\n"),
    (b"{}", b"Invalid format: object does not contain 'items'\n"),
    (b'{"items":{}}', b"Invalid format: object contains 'items' with wrong type\n"),
    (b'{"items":[{}]}', b"Invalid format: publish item object does not contain 'channel'\n"),
    (b'{"items":[{"channel":"a"}]}', b"Invalid format: no formats specified\n"),
    (b'{"items":[{"channel":"a","http-stream":{}}]}',
     b"Invalid format: 'http-stream' does not contain 'content' or 'content-bin'\n")])
def test_what_cannot_be_published_is_told(open_server, body, text):
    answer = ask(open_server[1], body=body)
    assert (answer.status, answer.get("content-type"), answer.body) == (400, "text/plain", text)


@pytest.mark.parametrize("target, method, status", [
    ("/publish", "POST", 200), ("/publish/", "POST", 200), ("/publish//", "POST", 404), ("/publish/x", "POST", 404),
    ("/publish", "GET", 405), ("/publish/", "PUT", 405), ("/", "GET", 200), ("/recover", "POST", 404),
    ("/status", "GET", 404), ("/reload", "POST", 404), ("/metrics", "GET", 404), ("/healthz", "GET", 404)])
def test_paths(open_server, target, method, status):
    body = b'{"items":[]}' if method == "POST" else b""
    answer = ask(open_server[1], target, *(["Content-Length: 0"] if method == "PUT" else []), method=method, body=body)
    assert answer.status == status and (status != 405 or answer.get("allow") == "POST")


def test_other_types_are_not_acceptable(open_server):
    answer = publish(open_server[1], "Accept: text/html")
    assert answer.status == 406 and answer.body == (
        b"Not Acceptable. Supported formats are text/plain and application/json.\n")


def test_body_has_a_limit(gateway):
    server = gateway("contract:app", "--publish-bind", "127.0.0.1:0", "--publish-limit", "100K")
    address = tcp(server)
    big = json.dumps({"items": [{"channel": "a", "http-stream": {"content": "x" * 102_400}}]}).encode()
    assert ask(address, body=big).status == 413
    chunked = b"%x\r\n%s\r\n0\r\n\r\n"
    assert ask(address, "/publish/", "Transfer-Encoding: chunked", body=chunked % (len(big), big)).status == 413
    small = big.replace(b"x" * 3000, b"", 1)
    assert ask(address, body=small).status == 200
    assert ask(address, "/publish/", "Transfer-Encoding: chunked", body=chunked % (len(small), small)).status == 200


# Who may

@pytest.mark.parametrize("field", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", f"Bearer {jwt()}",
                                   f"Bearer {jwt(nbf=1, sub='x')}"], ids=range(4))
def test_token_or_signed_token_opens(closed_server, field):
    assert publish(closed_server[1], f"Authorization: {field}", host="pushpin.internal:5561").status == 200


def test_who_shows_none_is_asked(closed_server):
    answer = publish(closed_server[1])
    assert answer.status == 401 and answer.get("www-authenticate").startswith("Bearer ")


@pytest.mark.parametrize("token", [
    jwt("another key"), jwt(exp=1), jwt(exp="never"), jwt(nbf=2_000_000_000, exp=2_000_000_001), jwt()[:-1],
    jwt() + ".", jwt(header={"alg": "none"}), jwt(header={"alg": "none"}).rsplit(".", 1)[0] + ".",
    jwt(header={"alg": "HS384"}), KEY, TOKEN[:-1], "x"], ids=range(12))
def test_others_stay_outside(closed_server, token):
    answer = publish(closed_server[1], f"Authorization: Bearer {token}")
    assert answer.status == 401 and answer.body != b"Published\n"
    server = closed_server[0]
    assert server.log.wait_for(r"\[WARNING\] .*publishing address had a wrong token")
    assert KEY not in server.error_log() and TOKEN not in server.error_log()


@pytest.mark.parametrize("field", ["Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Origin: null"])
def test_pages_of_browsers_do_not_publish(open_server, closed_server, field):
    assert publish(open_server[1], field).status == 403
    assert publish(closed_server[1], field, f"Authorization: Bearer {TOKEN}").status == 403


def test_without_a_token_the_host_is_this_machine(open_server):
    """DNS rebinding: a page of evil.example asks evil.example, which leads here."""
    answer = publish(open_server[1], host="evil.example")
    assert answer.status == 403 and b"--publish-token" in answer.body
    assert publish(open_server[1], host="127.0.0.1:5561").status == 200


def test_file_is_for_its_owner_alone_who_needs_no_token(gateway, short_path):
    gateway("contract:app", "--publish-bind", f"unix:{short_path}/p", "--publish-key", KEY, "--socket-mode", "0666")
    mode = os.stat(short_path / "p").st_mode
    assert stat.S_ISSOCK(mode) and mode & 0o777 == 0o600
    assert publish(str(short_path / "p")).status == 200


@pytest.mark.parametrize("flags, reason", [
    (("--publish-bind", "0.0.0.0:0"), "0.0.0.0:0 is open to everybody who can reach it"),
    (("--publish-bind", "[::]:5561"), "[::]:5561 is open to everybody who can reach it"),
    (("--publish-bind", "example.org:5561"), "example.org:5561 is open to everybody"),
    (("--bind", "127.0.0.1:8123", "--publish-bind", "127.0.0.1:8123"), "127.0.0.1:8123 is where the app is served"),
    (("--admin-bind", "unix:/tmp/x", "--publish-bind", "unix:/tmp/x"), "unix:/tmp/x is where the server answers"),
    (("--publish-bind", "fd://3"), "sockets that are passed on"), (("--publish-key", ""), "--publish-key"),
    (("--publish-key", "base64:"), "has no base64"), (("--publish-key", "base64:a b"), "has no base64"),
    (("--publish-token", "two words"), "printable ASCII")])
def test_what_cannot_be_is_refused(flags, reason):
    done = run("--check-config", *flags, "contract")
    assert done.returncode == 1 and reason in done.stderr
    assert "two words" not in done.stderr and "a b" not in done.stderr


def test_secrets_are_not_printed():
    done = run("--print-config", "--publish-key", KEY, "--publish-token", TOKEN, "contract:app")
    assert KEY not in done.stdout + done.stderr and TOKEN not in done.stdout + done.stderr
    assert "# publish_key is set, and not shown" in done.stdout


# Which process

def test_the_port_of_the_app_knows_nothing_of_it(open_server):
    """The app has these paths for itself."""
    server = open_server[0]
    with Wire(server.address) as wire:
        assert b"Published" not in wire.request("POST", "/publish/", body=b'{"items":[]}').read().body


def test_commands_do_not_take_it_for_an_admin_address(open_server, closed_server):
    for server in (open_server[0], closed_server[0]):
        titles = [pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in procfs.children(server.pid)]
        assert any("evgateway: publishing at" in title for title in titles), titles
        assert not any("admin at" in title for title in titles)


def test_both_addresses_have_their_own_paths(gateway, short_path):
    server = gateway("contract:app", "--publish-bind", "127.0.0.1:0", "--admin-bind", f"unix:{short_path}/a")
    assert publish(tcp(server)).status == 200
    desk = Admin(server, short_path / "a")
    assert desk.ask("POST", "/publish/").status == 404 and desk.ask("GET", "/status").status == 200


VIEW = """
import json, os, urllib.request

def app(environ, start_response):
    body = json.dumps({"items": [{"channel": "a", "http-stream": {"content": "x"}}]}).encode()
    request = urllib.request.Request(environ["QUERY_STRING"] + "/publish/", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        said = answer.read()
    start_response("200 OK", [])
    return [said]
"""


def test_a_view_publishes_while_its_worker_stands_still(gateway, tmp_path):
    """The only worker is in the view: it could not answer."""
    (tmp_path / "view.py").write_text(VIEW)
    server = gateway("view:app", "-k", "inline", "--publish-bind", "127.0.0.1:0", "--pythonpath", tmp_path)
    with Wire(server.address) as wire:
        assert wire.get("/?http://127.0.0.1:%d" % tcp(server)[1]).body == b"Published\n"


def test_reload_keeps_address_and_key_and_says_so(gateway, tmp_path):
    file = tmp_path / "evgateway.toml"
    file.write_text(f"publish_bind = ['127.0.0.1:0']\npublish_key = '{KEY}'\n")
    server = gateway("contract:app", "--config", file)
    address = tcp(server)
    file.write_text("publish_bind = ['127.0.0.1:1']\npublish_key = 'another'\n")
    os.kill(server.pid, signal.SIGHUP)
    for name in ("publish_bind", "publish_key"):
        server.wait_for_log(rf"\[WARNING\].*{name} takes effect at the next start")
    assert publish(address, f"Authorization: Bearer {jwt()}").status == 200
