"""Every setting that is served has an effect that can be seen from outside, and a test that sees it: here, or where
`support/effects.py` says."""

import ast
import errno
import os
import re
import signal
import socket
import stat

import pytest

from conftest import PYTHON
from support import procfs, wait
from support.effects import SHOWN
from support.gateway import ROOT
from support.settings import FLAGS, in_force, page, parsed, refusal, run, served

FOLDER = ROOT / "Tests" / "System"


def test_every_served_setting_has_a_test_of_its_effect():
    assert list(SHOWN) == served(page())
    flags = dict(re.findall(r"^### (\w+)\n\n((?:`-.*`)?)", page(), re.M))
    for name, place in SHOWN.items():
        file, function = place.split("::")
        text = (FOLDER / f"test_{file}.py").read_text()
        assert any(isinstance(node, ast.FunctionDef) and node.name == f"test_{function}"
                   for node in ast.parse(text).body), place
        words = [name, *re.findall(r"`(-[\w-]+)`", flags[name])]
        # The flag may be typed by a helper of the file, or begin as a shorter one does.
        assert any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text.replace(f'"{name}": "', ""))
                   for word in words), (place, words)


def app(folder, expression, name="asked"):
    """An app whose answer is the text of an expression."""
    (folder / f"{name}.py").write_text(
        "import os, sys\n\n\ndef app(environ, start_response):\n    start_response('200 OK', [])\n"
        f"    return [str({expression}).encode()]\n")
    return f"{name}:app"


# Binding


@pytest.mark.parametrize("flags, host", [
    (["--host", "::1", "--port", "0"], "::1"), (["--port", "0"], "127.0.0.1"),
    (["--host=127.0.0.2", "--port=0"], "127.0.0.2")])
def test_host_and_port_are_one_address(gateway, flags, host):
    server = gateway("contract", *FLAGS, *flags, bare=True)
    assert server.host == host and server.get("/").status == 200


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_backlog_bounds_the_queue(gateway, short_path):
    """Of a worker that does not accept: Linux queues one connection more than the backlog."""
    for backlog in (1, 4):
        path = str(short_path / str(backlog))
        server = gateway("contract", "-b", f"unix:{path}", "--backlog", backlog)
        assert server.get("/").status == 200
        pids = [server.pid, *server.worker_pids()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        wait.until(lambda: all(procfs.stat(pid)[0] == b"T" for pid in pids), "they have stopped")
        clients = []
        try:
            with pytest.raises(BlockingIOError) as full:
                for _ in range(100):
                    clients.append(socket.socket(socket.AF_UNIX))
                    clients[-1].setblocking(False)
                    clients[-1].connect(path)
            assert full.value.errno == errno.EAGAIN and len(clients) - 1 == backlog + 1
        finally:
            for client in clients:
                client.close()
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


# Workers, limits


def test_jitter_spreads_the_ends_of_workers(gateway):
    """With one request at most, all workers would end after one."""
    server = gateway("contract", "-k", "inline", "--max-requests", 1, "--max-requests-jitter", 60)
    served_by = {}
    while len(served_by) < 6:
        pid = server.get("/pid").body
        served_by[pid] = served_by.get(pid, 0) + 1
    assert max(served_by.values()) > 1 and len(set(list(served_by.values())[:-1])) > 1


def test_body_that_is_too_slow_is_cut(gateway):
    """Although there is never a pause in it."""
    server = gateway("contract", "-k", "inline", "--body-min-rate", 1_000_000, "--body-timeout", 0.2)
    with server.connect() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n")
        client.socket.settimeout(0.05)
        answer = b""
        for _ in range(400):
            try:
                client.send("x")
                answer = client.socket.recv(100)
                break
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")
    calm = gateway("contract", "-k", "inline", "--body-min-rate", 0, "--body-timeout", 0.2)
    with calm.connect() as client:
        client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
        for _ in range(9):
            client.send("x").socket.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.socket.recv(1)
        client.send("x").socket.settimeout(30)
        assert client.read().status == 200


def test_large_bodies_wait_in_the_folder(gateway, tmp_path):
    server = gateway("contract", "-k", "threads", "--tmp-upload-dir", tmp_path)
    (worker,) = server.worker_pids()

    def is_there():
        return any(path.startswith(f"{tmp_path}/") for path in procfs.open_paths(worker))

    with server.connect() as client:
        client.send(f"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {5 << 20}\r\n\r\n" + "x" * (4 << 20))
        wait.until(is_there, "the body is in a file there")
        client.send("x" * (1 << 20))
        assert client.read().status == 200
    assert list(tmp_path.iterdir()) == []
    server = gateway("contract", "-k", "threads", "--tmp-upload-dir", tmp_path / "nowhere")
    assert server.log.matches(rf"\[WARNING\] Request bodies cannot be spooled in {tmp_path}/nowhere \(No such file")


# The app and its surroundings


def test_environment_files_add_what_is_not_there(gateway, tmp_path):
    """The environment of the server wins over the files, a later file over an earlier, and --env over all."""
    (tmp_path / "one").write_text(
        "# a comment\nA=one\n; another\nexport B=one # and one more\nC='sin # gle $A'\nD=\"dou\\\"ble\\n2\"\n"
        "E=one\nF = spaces  \nG=\nH=\"two\nlines\"\nI=a#b\nOUTER=one\n")
    (tmp_path / "two").write_text("B=two\nE=two\n")
    names = "A B C D E F G H I OUTER".split()
    server = gateway(app(tmp_path, f"[os.environ.get(name) for name in {names}]"), "--pythonpath", tmp_path,
                     "--env-file", "one", "--env-file", "two", "--env", "E=option", "-e", "A=", cwd=tmp_path,
                     env={"OUTER": "outer"})
    assert ast.literal_eval(server.get("/").body.decode()) == [
        "", "two", "sin # gle $A", 'dou"ble\n2', "option", "spaces", "", "two\nlines", "a#b", "outer"]


@pytest.mark.parametrize("text, line", [
    ("A=1\nnothing\n", "bad:2: expected NAME=value"), ("\n2A=1\n", "bad:2: '2A' is no name of a variable"),
    ("A='1\n", "bad:1: the quote is not closed"), (None, "bad: cannot read it: No such file or directory")])
def test_mistake_in_an_environment_file_is_named(tmp_path, text, line):
    if text is not None:
        (tmp_path / "bad").write_text(text)
    result = run("--env-file", "bad", "-b", "127.0.0.1:0", *FLAGS, "contract", cwd=tmp_path)
    assert refusal(result).startswith(f"evgateway: {line}")


def test_folders_of_the_path_come_in_their_order(gateway, tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        app(tmp_path / name, f"('{name}', sys.path[:3])")
    flags = ["--python", PYTHON, "-b", "127.0.0.1:0", "--pythonpath", "first,second"]
    server = gateway("asked:app", *flags, cwd=tmp_path, bare=True)
    assert ast.literal_eval(server.get("/").body.decode()) == (
        "first", [str(tmp_path / "first"), str(tmp_path / "second"), str(tmp_path)])


MAKERS = """
def app_of(text):
    def app(environ, start_response):
        start_response('200 OK', [])
        return [text]
    return app

def create_app():
    return app_of(b'made')

def other():
    return app_of(b'other')

def asgi():
    async def app(scope, receive, send):
        if scope['type'] == 'lifespan':
            raise NotImplementedError
        await send({'type': 'http.response.start', 'status': 200, 'headers': []})
        await send({'type': 'http.response.body', 'body': b'asgi'})
    return app
"""


@pytest.mark.parametrize("locator, flags, body", [
    ("makers:other", ["--factory"], b"other"), ("makers", ["--factory"], b"made"),
    ("makers:asgi", ["--factory"], b"asgi"), ("makers:asgi", ["--call", "-k", "asgi"], b"asgi"),
    ("makers:other", ["--factory", "--preload"], b"other")])
def test_factory_makes_the_app(gateway, tmp_path, locator, flags, body):
    (tmp_path / "makers.py").write_text(MAKERS)
    assert gateway(locator, "--pythonpath", tmp_path, *flags).get("/").body == body


def test_paste_file_makes_the_app(gateway, tmp_path):
    (tmp_path / "pasted.py").write_text(
        "def make(global_conf, **local):\n"
        "    def app(environ, start_response):\n"
        "        start_response('200 OK', [])\n"
        "        return [repr((global_conf['colour'], local)).encode()]\n"
        "    return app\n")
    (tmp_path / "site.ini").write_text(
        "[app:main]\nuse = call:pasted:make\nname = main\n\n[app:other]\nuse = call:pasted:make\nname = other\n")
    for flags, name in ((["--paste", "site.ini"], "main"), (["--paster", "site.ini#other"], "other")):
        server = gateway(None, *FLAGS[:2], "--pythonpath", ".", "-b", "127.0.0.1:0", *flags, "--paste-global",
                         "colour=blue", cwd=tmp_path, bare=True)
        assert server.get("/").body == repr(("blue", {"name": name})).encode()
    result = run("--paste", "nowhere.ini", *FLAGS, "-b", "127.0.0.1:0", "--check-config", cwd=tmp_path)
    assert result.returncode == 3 and "no such file: nowhere.ini" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("class_", ["inline", "threads", "gevent"])
def test_root_path_is_where_the_app_is(gateway, tmp_path, class_):
    expression = "(environ['SCRIPT_NAME'], environ['PATH_INFO'])"
    server = gateway(app(tmp_path, expression), "--pythonpath", tmp_path, "-k", class_, "--root-path", "/prefix/")
    for path, expected in (("/prefix/x", ("/prefix", "/x")), ("/prefix", ("/prefix", "")), ("/x", ("", "/x"))):
        assert ast.literal_eval(server.get(path).body.decode()) == expected


@pytest.mark.parametrize("flag", ["--asgi-loop", "--loop"])
@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_loop_is_the_one_that_was_asked_for(gateway, tmp_path, flag, name):
    (tmp_path / "looped.py").write_text(
        "import asyncio\n\n\nasync def app(scope, receive, send):\n"
        "    assert scope['type'] == 'http'\n"
        "    body = type(asyncio.get_running_loop()).__module__.encode()\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': body})\n")
    body = gateway("looped:app", "--pythonpath", tmp_path, flag, name).get("/").body.decode()
    assert ("uvloop" in body) == (name == "uvloop"), body


# Logs and the process


def test_lines_of_the_access_log_have_the_format(gateway, tmp_path):
    """The default is gunicorn's; '-' is standard output."""
    log = tmp_path / "log"
    server = gateway("contract", "--access-logfile", log, "--access-logformat", '%(m)s %(U)s?%(q)s %({x-a}i)s "%(a)s"')
    server.get("/status/201?a=1", fields=[("X-A", "field"), ("User-Agent", "me")])
    wait.until(log.read_text, "a line")
    assert log.read_text() == 'GET /status/201?a=1 field "me"\n'
    server = gateway("contract", "--access-logfile", "-")
    server.get("/", fields=[("Referer", "r"), ("User-Agent", "me")])
    server.output.wait_for(r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET / HTTP/1\.1" 200 13 '
                           r'"r" "me"$')
    assert refusal(run("--access-logformat", "%(", *FLAGS, "contract")).startswith("evgateway: --access-logformat: ")


def test_umask_is_that_of_all_processes(gateway, tmp_path):
    made = tmp_path / "made"
    server = gateway(app(tmp_path, f"open({str(made)!r}, 'w').close()"), "--pythonpath", tmp_path, "--umask", "0027",
                     "--access-logfile", tmp_path / "log", limits="umask 0")
    server.get("/")
    assert mode(made) == 0o640 and mode(tmp_path / "log") & 0o027 == 0


def test_check_config_checks_everything_and_opens_nothing(gateway, tmp_path, contract):
    """Not even the address that another server has."""
    flags = ["-b", f"127.0.0.1:{contract.port}", "--pid", tmp_path / "pid", "--check-config", *FLAGS]
    result = run(*flags, "contract")
    assert (result.returncode, result.stdout) == (0, "evgateway: configuration OK\n") and not result.stderr
    assert not (tmp_path / "pid").exists()
    for word, code in (("contract:nothing", 4), ("nothing_of_this_name:app", 3)):
        result = run(*flags, word)
        assert result.returncode == code and "Traceback" not in result.stderr
    (tmp_path / "gunicorn.conf.py").write_text("check_config = True\ntimeout = 'soon'\n")
    assert refusal(run(*FLAGS, "contract", cwd=tmp_path)).startswith("evgateway: gunicorn.conf.py:2: timeout: 'soon'")


GIVEN = ["-b", "127.0.0.1:0", "-b", "unix:@x", "--socket-mode", "660", "-m", "0027",
         "-e", "A=1", "-e", 'B="x" é # y\\',
         "--env-file", "/dev/null", "--threads", 3, "-k", "sync", "--timeout", 1.5, "--access-logfile", "-",
         "--access-logformat", '%(h)s # "x"\t%(U)s', "--pid", "/tmp/é # pid", "--root-path", "/a/", "--spool-limit", 0,
         "--no-server-header", "--tmp-upload-dir", "/tmp", "--paste-global", "a=b", "--chdir", "/", "--factory",
         "--forwarded-allow-ips", "10.0.0.0/8,::1", "--trusted-proxy-headers", "forwarded", "--header-map", "refuse",
         "--log-level", "warn", "--lifespan", "off", "--max-requests", 10 ** 15]


@pytest.mark.parametrize("flags, origin", [
    ([], None), (GIVEN, "command line"), (["--host", "::1", "--port", "0"], "command line"),
    (["--port", "0"], "command line"), (["-k", "uvicorn.workers.UvicornWorker"], "command line"),
    (["--reload", "--name", "x"], "command line"),
], ids=["default", "given", "host", "port", "class", "accepted"])
def test_printed_configuration_can_be_given_back(tmp_path, flags, origin):
    """As a TOML file, which says the same but for the origins."""
    printed = run("--print-config", *FLAGS, *flags, "contract")
    assert printed.returncode == 0 and not printed.stderr
    values = parsed(printed.stdout)
    # Those that do something in place of serving, and the file itself, do not belong into a file.
    assert list(values) == [name for name in served(page()) if name not in ("config", "check_config", "print_config")]
    assert {found for _, found in values.values()} <= {"default", "command line"}
    assert origin is None or any(found == origin for _, found in values.values())
    (tmp_path / "again.toml").write_text(printed.stdout)
    again = in_force("-c", "again.toml", app=None, flags=[], cwd=tmp_path)
    assert {name: value for name, (value, _) in again.items()} == {name: value for name, (value, _) in values.items()}
    assert {found for value, found in again.values() if value is not None} == {"again.toml"}


def test_bind_in_force_hides_host_and_port():
    """A later source has replaced them, so the printed file must not ask for both."""
    values = in_force("-b", "127.0.0.1:0", env={"EVGATEWAY_HOST": "::1"})
    assert values["bind"] == ('["127.0.0.1:0"]', "command line") and values["host"] == (None, "default")
    assert "give either this or host and port" in refusal(run("--port", 1, "-b", ":2", *FLAGS, "contract"))
