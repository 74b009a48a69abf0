"""Who may ask on `--admin-bind`: over unix sockets the owner, over TCP who shows the token, and no page of a browser.
"""

import base64
import contextlib
import os
import socket
import stat
import time

import pytest

from support import beside, procfs, wait
from support.admin import Admin
from support.beside import started
from support.settings import FLAGS, run
from support.wire import Wire

TOKEN = "a-token-of-32-random-characters!"


@pytest.fixture(scope="module")
def open_server():
    """Without a token."""
    with started("--admin-bind", "127.0.0.1:0") as server:
        yield server, tcp(server)


@pytest.fixture(scope="module")
def closed_server():
    """With one, which comes by the environment."""
    with started("--admin-bind", "127.0.0.1:0", env={"EVGATEWAY_ADMIN_TOKEN": TOKEN}) as server:
        yield server, tcp(server)


def tcp(server):
    return beside.tcp(server, beside.ADMIN)


def ask(address, target="/status", *fields, **more):
    return beside.ask(address, target, *fields, **more)


def basic(text):
    return "Authorization: Basic " + base64.b64encode(text.encode()).decode()


# Without a token

@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost", "LOCALHOST:9", "[::1]", "[::1]:8",
                                  "10.1.2.3"])
def test_page_is_for_who_names_this_machine(open_server, host):
    assert ask(open_server[1], host=host).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:80",
                                  "1", "127.1", "0x7f.1", "[::1", "localhost@evil.example", ""])
def test_name_that_may_be_anybodys_is_refused(open_server, host):
    """DNS rebinding: a page of evil.example asks evil.example, which leads here."""
    address = open_server[1]
    answer = ask(address, host=host) if host else ask(address, "http://evil.example/status", host="localhost")
    assert answer.status in (400, 403)
    assert answer.status == 400 or b"--admin-token" in answer.body


@pytest.mark.parametrize("target", ["/reload", "/stop", "/stop?now=1", "/scale?workers=3", "/upgrade", "/reopen-logs"])
def test_commands_need_the_unix_socket_or_a_token(open_server, target):
    server, address = open_server
    answer = ask(address, target, method="POST")
    assert answer.status == 403 and b"unix socket" in answer.body and b"--admin-token" in answer.body
    assert not server.log.matches("Asked over the admin socket")


def test_health_is_for_probes_which_have_neither(open_server, closed_server):
    for _, address in (open_server, closed_server):
        for path in ("/healthz", "/livez", "/readyz"):
            assert ask(address, path, host="any.example").status == 200


# With one

@pytest.mark.parametrize("field", [f"Authorization: Bearer {TOKEN}", f"authorization: bearer  {TOKEN}",
                                   basic(f"any:{TOKEN}"), basic(f":{TOKEN}")])
def test_token_opens(closed_server, field):
    server, address = closed_server
    assert ask(address, "/status", field).status == 200
    # Prometheus names the server as it likes.
    assert ask(address, "/status", field, host="app.internal:9000").status == 200
    assert ask(address, "/reopen-logs", field, method="POST").status == 200


def test_who_shows_none_is_asked(closed_server):
    for target, method in (("/status", "GET"), ("/", "GET"), ("/nothing", "GET"), ("/reload", "POST")):
        answer = ask(closed_server[1], target, method=method)
        assert answer.status == 401 and answer.get("www-authenticate").startswith("Basic realm=")


@pytest.mark.parametrize("fields", [
    (f"Authorization: Bearer {TOKEN}x",), (f"Authorization: Bearer {TOKEN[:-1]}",), ("Authorization: Bearer",),
    (f"Authorization: Bearer {TOKEN[:-1]}?",), (f"Authorization: Bearer A{TOKEN[1:]}",),
    (f"Authorization: Bearer {TOKEN.upper()}",), (basic(f"a:{TOKEN[:-1]}?"),),
    ("Authorization: Bearer ",), (f"Authorization: {TOKEN}",), (f"Authorization: Digest {TOKEN}",),
    (basic(f"{TOKEN}:"),), (basic(TOKEN),), ("Authorization: Basic ====",), ("Authorization: Basic \x7f\xff",),
    (f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}"),
    (f"Authorization: Bearer {TOKEN}, Bearer {TOKEN}",),
])
def test_wrong_token_stays_outside(closed_server, fields):
    assert ask(closed_server[1], "/status", *fields).status in (400, 401)


def test_guesses_are_slow_few_and_in_the_log_once():
    with started("--admin-bind", "127.0.0.1:0", "--admin-token", TOKEN) as server:
        address = tcp(server)
        guess = "GET /status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer no\r\n\r\n"
        with contextlib.ExitStack() as stack:
            begin = time.monotonic()
            wires = [stack.enter_context(Wire(address)).send(guess) for _ in range(40)]
            assert ask(address, "/status", f"Authorization: Bearer {TOKEN}").status == 200
            statuses = [wire.read().status for wire in wires]
        assert statuses.count(401) == 32 and set(statuses) == {401, 429} and time.monotonic() - begin >= 1.0
        assert len(server.log.matches("had a wrong token")) == 1
        assert server.log.matches(r"\[WARNING\].*had a wrong token.*127\.0\.0\.1")


# Browsers

@pytest.mark.parametrize("fields, status", [
    (("Origin: http://{host}",), 200), (("Origin: https://{host}",), 200), (("Sec-Fetch-Site: same-origin",), 200),
    (("Sec-Fetch-Site: none",), 200), (("Sec-Fetch-Site: cross-site",), 403), (("Sec-Fetch-Site: same-site",), 403),
    (("Origin: http://evil.example",), 403), (("Origin: null",), 403), (("Origin: http://{host}.evil.example",), 403),
    (("Origin: http://{host}", "Origin: http://evil.example"), 403), (("Origin:",), 403),
])
def test_pages_of_other_sites_give_no_command(closed_server, fields, status):
    """A browser sends a password that it knows along with what another page asks for."""
    host = f"127.0.0.1:{closed_server[1][1]}"
    fields = [field.format(host=host) for field in fields]
    answer = ask(closed_server[1], "/reopen-logs", basic(f"a:{TOKEN}"), *fields, method="POST", host=host)
    assert answer.status == status


def test_pages_of_other_sites_give_no_command_by_way_of_a_proxy(gateway, short_path):
    server = gateway("contract:app", "--admin-bind", f"unix:{short_path}/a")
    desk = Admin(server, short_path / "a")
    assert desk.ask("POST", "/reload", [("Origin", "http://evil.example")]).status == 403
    assert desk.ask("POST", "/reload", [("Origin", "http://test")]).status == 200


# Where it listens

def test_file_is_for_its_owner_alone(gateway, short_path):
    umask = os.umask(0)
    try:
        gateway("contract:app", "--admin-bind", f"unix:{short_path}/a", "--socket-mode", "0666")
    finally:
        os.umask(umask)
    mode = os.stat(short_path / "a").st_mode
    assert stat.S_ISSOCK(mode) and mode & 0o777 == 0o600


@pytest.mark.parametrize("bind, flags, warns", [
    ("0.0.0.0:0", (), True), ("0.0.0.0:0", ("--admin-token", TOKEN), False), ("127.0.0.1:0", (), False),
    ("localhost:0", (), False)], ids=str)
def test_address_that_everybody_reaches_is_told_loudly(gateway, bind, flags, warns):
    server = gateway("contract:app", "--admin-bind", bind, *flags)
    found = server.log.matches(r"\[WARNING\].*--admin-bind 0\.0\.0\.0:0 IS OPEN TO EVERYBODY")
    assert len(found) == warns


def test_short_token_is_told(gateway):
    server = gateway("contract:app", "--admin-bind", "127.0.0.1:0", "--admin-token", "secret")
    assert server.log.matches(r"\[WARNING\].*--admin-token is short") and "secret" not in server.error_log()


@pytest.mark.parametrize("flags, reason", [
    (("--bind", "127.0.0.1:8123", "--admin-bind", "127.0.0.1:8123"), "127.0.0.1:8123 is where the app is served"),
    (("--admin-bind", "127.0.0.1:8000"), "127.0.0.1:8000 is where the app is served"),
    (("--bind", "unix:/tmp/x", "--admin-bind", "unix:/tmp/x"), "unix:/tmp/x is where the app is served"),
    (("--admin-bind", "fd://3"), "sockets that are passed on serve the app"),
    (("--admin-bind", "fd://admin"), "sockets that are passed on serve the app"),
    (("--admin-bind", "unix:"), "--admin-bind"), (("--admin-token", ""), "--admin-token"),
    (("--admin-token", "two words"), "printable ASCII"), (("--admin-token", "gr\u00fcn"), "printable ASCII")])
def test_what_cannot_be_is_refused(flags, reason):
    done = run("--check-config", *flags, "contract")
    assert done.returncode == 1 and reason in done.stderr
    assert "two words" not in done.stderr and "gr\u00fcn" not in done.stderr


def test_address_in_use_is_told(gateway, short_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = gateway("contract:app", "--admin-bind", f"127.0.0.1:{port}", "-b", f"unix:{short_path}/s", wait=False)
        assert server.wait() == 1
        server.wait_for_log(rf"Cannot listen on .*127\.0\.0\.1:{port}")
        assert not (short_path / "s").exists()


# The token is nobody's business

TELLS = """
import os


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(dict(os.environ)).encode()]
"""


def test_token_is_shown_nowhere(gateway, tmp_path):
    (tmp_path / "tells.py").write_text(TELLS)
    for flags, env in ((("--admin-token", TOKEN), {}), ((), {"EVGATEWAY_ADMIN_TOKEN": TOKEN})):
        server = gateway("tells:app", "--pythonpath", tmp_path, "--admin-bind", "127.0.0.1:0", "--log-level", "debug",
                         *flags, env=env)
        address = tcp(server)
        bearer = f"Authorization: Bearer {TOKEN}"
        assert ask(address, "/status", bearer).status == 200 and ask(address, "/status").status == 401
        assert TOKEN.encode() not in server.get("/").body + ask(address, "/status", bearer).body
        for pid in (server.pid, *procfs.children(server.pid)):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                assert TOKEN.encode() not in file.read()
        assert TOKEN not in server.error_log()
        printed = run("--print-config", *flags, *FLAGS, "contract", env=env)
        assert TOKEN not in printed.stdout and "# admin_token is set, and not shown" in printed.stdout


def test_reload_keeps_address_and_token_and_says_so(gateway, tmp_path, short_path):
    """Commands that are on their way would lose who waits for them."""
    file = tmp_path / "conf.py"
    file.write_text(f"admin_bind = ['unix:{short_path}/a', '127.0.0.1:0']\nadmin_token = '{TOKEN}'\n")
    server = gateway("contract:app", "-c", file)
    desk, address = Admin(server, short_path / "a"), tcp(server)
    file.write_text(f"admin_bind = ['unix:{short_path}/b']\nadmin_token = 'another'\n")
    assert desk.command("/reload")[0]
    for name in ("admin_bind", "admin_token"):
        server.wait_for_log(rf"\[WARNING\].*{name} takes effect at the next start")
    first = desk.pid()
    os.kill(first, 9)
    assert desk.pid(besides=first) and not (short_path / "b").exists()
    wait.until(lambda: ask(address, "/status", f"Authorization: Bearer {TOKEN}").status == 200, "it has come back")
    assert ask(address, "/status", "Authorization: Bearer another").status == 401
