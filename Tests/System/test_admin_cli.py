"""The commands to a running server, against a server that answers what the test wants: what is printed, what is asked,
and how each failure ends."""

import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from conftest import PYTHON
from support import fake_admin, wait
from support.fake_admin import CHUNKED, FakeAdmin, chunk, connection, status, steps, whole, worker
from support.gateway import LAUNCHER, environment


@pytest.fixture
def admin(tmp_path):
    """Factory: `admin(answers)` starts a fake server on a unix socket, or where it is told."""
    started = []

    def start(answers, where=None):
        started.append(FakeAdmin(where or str(tmp_path / f"{len(started)}.sock"), answers))
        return started[-1]

    yield start
    for server in started:
        server.close()


def run(*words, program=(LAUNCHER,), env=None, **more):
    return subprocess.run([str(word) for word in (*program, *words)], env=environment(env), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, **more)


def ask(server, *words, **more):
    return run(words[0], "--admin-bind", server.address, *words[1:], **more)


# What is printed


def test_status_tells_server_workers_requests_and_restarts(admin):
    server = admin({"/status": status(
        accept_queue=4, workers=[worker(0, slowest=[connection(), connection(since=0.2, state="queued", client=None)]),
                                 worker(1, stuck=True, silence=31.2)],
        restarts=[{"time": 900.0, "worker": 1, "pid": 77, "cause": "timeout", "text": "silent for 30 s"}])})
    result = ask(server, "status")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "evgateway 0.1.0  app:app (gevent)  serving  up 2 min 0 s  master 4000\n"
        "at 127.0.0.1:8000\n"
        "1 of 2 workers ready, 6 connections, 2 in flight, 200 requests, accept queue 4\n"
        "\n"
        "WORKER   PID  STATE          UP    CONN  FLIGHT  REQUESTS   RSS  CPU%\n"
        "     0  4001  ready        2m0s  3/1000       1       100  50 M  10.0\n"
        "     1  4002  stuck 31.2s  2m0s  3/1000       1       100  50 M  10.0\n"
        "\n"
        "Longest requests\n"
        "  AGE  STATE   METHOD  TARGET  CLIENT           WORKER\n"
        "12.3s  app     GET     /slow   192.0.2.7             0\n"
        "200ms  queued  GET     /slow   127.0.0.1:40000       0\n"
        "\n"
        "Last restarts\n"
        "  AGO  WORKER  PID  CAUSE    DETAIL\n"
        "1m40s       1   77  timeout  silent for 30 s\n")


def test_what_a_server_does_not_know_is_left_open(admin):
    result = ask(admin({"/status": {"workers": [{"worker": 0, "pid": 1}, 3], "binds": [1], "later": {}}}), "status")
    assert result.returncode == 0
    assert re.search(r"^ +0 +1 +- +- +- +- +- +- +-$", result.stdout, re.M), result.stdout


def test_connections_and_stacks(admin):
    server = admin({
        "/connections?worker=1": {"workers": [
            {"worker": 1, "pid": 4002, "source": "shared", "as_of": 31, "total": 500, "connections": [
                connection(), connection(peer="unix", client=None, method=None, target=None, state="idle",
                                         waits_for="a request", bytes_in=None)]}]},
        "/stacks": {"workers": [
            {"worker": 0, "pid": 4001, "source": "live", "text": None, "stacks": [
                {"kind": "greenlet", "name": "Greenlet-3", "frames": ["app.py:10 in app\n    sleep(9)"],
                 "request": {"method": "GET", "target": "/slow", "client": "192.0.2.7", "age": 12.3}}]},
            {"worker": 1, "pid": 4002, "source": "signal", "stacks": [], "text": "Thread 0x1:\n  File \"a.py\"\n"}]}})
    assert ask(server, "connections", "--worker", "1").stdout == (
        "Worker 1 (pid 4002): 500 connections, 2 of them known; it does not answer: as it was 31.0 s ago\n"
        "PEER             CLIENT     STATE  SINCE  REQUEST       IN  OUT  WAITS FOR\n"
        "127.0.0.1:40000  192.0.2.7  app    12.3s  GET /slow  120 B  0 B  the app\n"
        "unix             -          idle   12.3s  -              -  0 B  a request\n")
    assert ask(server, "stack").stdout == (
        "Worker 0 (pid 4001)\n"
        "  greenlet Greenlet-3: GET /slow of 192.0.2.7 for 12.3 s\n"
        "    app.py:10 in app\n"
        "        sleep(9)\n"
        "\n"
        "Worker 1 (pid 4002): it does not answer; its stack as a signal found it\n"
        "  Thread 0x1:\n"
        "    File \"a.py\"\n")


@pytest.mark.parametrize("command, path", [
    ("status", "/status"), ("connections", "/connections"), ("stack", "/stacks")])
def test_json_is_what_the_server_answers(admin, command, path):
    text = b'{"workers": [], "a": "\\u001b[2J"}'
    server = admin({path: (200, text, "application/json")})
    assert ask(server, command, "--json").stdout.encode() == text + b"\n"


def test_nothing_of_a_client_reaches_the_terminal_as_it_is(admin):
    evil = "/\x1b]0;x\x07\x9b31m\x7f\u202e\r\n\tend"
    entry = connection(target=evil, client=evil, peer=evil, method=evil, waits_for=evil, state=evil)
    one = {"worker": 0, "pid": 1, "source": "live", "total": 1, "connections": [entry], "text": evil, "stacks": [
        {"kind": evil, "name": evil, "frames": [evil], "request": {"method": evil, "target": evil, "client": evil}}]}
    raw = json.dumps(status(application=evil, workers=[worker(0, slowest=[entry])],
                            restarts=[{"time": 1, "cause": evil, "text": evil}]), ensure_ascii=False)
    server = admin({
        # Strict JSON has no controls below space in a string; DEL and those above are left to whoever prints.
        "/status": (200, re.sub(r"\\u0000", "", raw).encode(), "application/json"),
        "/connections": {"workers": [one]}, "/stacks": {"workers": [one]},
        "/reload": steps({"text": evil}, {"done": True, "succeeded": False, "text": evil}),
        "/upgrade": (500, evil.encode()), "/stop": b"HTTP/1.1 400 " + evil.replace("\r\n", "").encode() + b"\r\n\r\n"})
    for line in ["status", "status --json", "connections", "stack", "reload", "upgrade", "stop"]:
        words = line.split()
        result = ask(server, *words)
        shown = result.stdout + result.stderr
        assert "end" in shown and "Traceback" not in shown
        bad = [character for character in shown if character != "\n" and not character.isprintable()]
        # What JSON has as text is not shown but handed on.
        assert not [character for character in bad if (words[-1], character) != ("--json", "\u202e")], (words, shown)


# What is asked


def test_question_names_the_token_and_closes(admin):
    server = admin({"/status": status()}, where=("127.0.0.1", 0))
    assert ask(server, "status", env={"EVGATEWAY_ADMIN_TOKEN": "from-environment"}).returncode == 0
    assert ask(server, "status", "--admin-token=given").returncode == 0
    assert ask(server, "status").returncode == 0
    first, second, third = server.asked
    assert first.startswith(f"GET /status HTTP/1.1\r\nHost: {server.address}\r\nConnection: close\r\n")
    assert "\r\nAuthorization: Bearer from-environment\r\n" in first
    assert "\r\nAuthorization: Bearer given\r\n" in second
    assert "Authorization" not in third


@pytest.mark.parametrize("words, asked", [
    (["reload"], "/reload"), (["stop"], "/stop"), (["stop", "--now"], "/stop?now=1"),
    (["scale", "12"], "/scale?workers=12"), (["upgrade"], "/upgrade"), (["reopen-logs"], "/reopen-logs")])
def test_order_is_given_and_its_end_is_the_exit_code(admin, words, asked):
    server = admin({f"POST {asked}": steps({"text": "one"}, {"done": True, "succeeded": True, "text": "all"})})
    result = ask(server, *words)
    assert (result.returncode, result.stdout, result.stderr) == (0, "one\nall\n", "")
    assert "Content-Length: 0\r\n" in server.asked[0]
    server.answers[f"POST {asked}"] = steps({"text": "one"}, {"done": True, "succeeded": False, "text": "no\n  why"})
    result = ask(server, *words)
    assert (result.returncode, result.stdout, result.stderr) == (1, "one\n", "no\n  why\n")


def test_progress_is_printed_as_it_comes(admin):
    first_is_read = threading.Event()

    def answer(peer):
        peer.sendall(CHUNKED + chunk({"text": "first"}))
        assert first_is_read.wait(30)
        peer.sendall(chunk({"done": True, "succeeded": True, "text": "last"}) + b"0\r\n\r\n")

    server = admin({"/reload": answer})
    process = subprocess.Popen([LAUNCHER, "reload", "--admin-bind", server.address], env=environment(),
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "first\n"
    first_is_read.set()
    assert (process.stdout.read(), process.wait(60)) == ("last\n", 0)
    process.stdout.close()


def test_last_word_counts_though_the_connection_breaks_behind_it(admin):
    server = admin({"/stop": CHUNKED + chunk({"done": True, "succeeded": True, "text": "ended"})})
    result = ask(server, "stop")
    assert (result.returncode, result.stdout, result.stderr) == (0, "ended\n", "")


# What fails


@pytest.mark.parametrize("answer, told", [
    (b"", "has closed the connection"), (b"SSH-2.0-x\r\n", "does not answer in HTTP"),
    (whole(200, b"{}x"), "does not answer in JSON"), (whole(200, b"[" * 100_000), "does not answer in JSON"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "has closed the connection"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", "more than can be read"),
    (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000, "more than can be read"),
    ((401, b"who are you\n"), "--admin-token"), ((403, b"not from there\n"), "not from there"),
    ((404, b""), "is it an older version?"), ((500, b""), "answers 500")])
def test_answer_that_is_none_is_told(admin, answer, told):
    result = ask(admin({"/status": answer}), "status")
    assert (result.returncode, result.stdout) == (1, "")
    assert told in result.stderr and result.stderr.startswith("evgateway: the server at unix:")


@pytest.mark.parametrize("answer", [
    CHUNKED + chunk({"text": "one"}) + b"0\r\n\r\n", CHUNKED + chunk({"text": "one"}), whole(200, b"x\n"),
    CHUNKED + chunk({"text": "one", "succeeded": True}) + b"0\r\n\r\n"])
def test_order_without_an_end_has_failed(admin, answer):
    result = ask(admin({"/reload": answer}), "reload")
    assert result.returncode == 1 and result.stderr


@pytest.mark.parametrize("words, code, told", [
    (["status", "--admin-bind", "unix:{}/none"], 2, "is there a server that runs with --admin-bind unix:"),
    (["status", "--admin-bind", "127.0.0.1:{port}"], 2, "Connection refused; is there a server"),
    (["status", "--admin-bind", "127.0.0.1:0"], 2, "is chosen by the kernel"),
    (["status", "--admin-bind", "no.such.host.invalid:80"], 2, "is not known"),
    (["status", "--admin-bind", "fd://3"], 2, "name the address itself"),
    (["status", "--admin-bind", "x:y"], 1, "the port is a number"),
    (["status", "--pid", "{}/none"], 2, "is neither a process id nor a file with one"),
    (["status", "--pid", "1"], 2, "is not the master of a server"),
    (["status", "--pid", "999999999"], 2, "has ended"),
    (["status", "--config", "{}/none.toml"], 1, "No such file"),
    (["status", "--admin-token", "a b"], 1, "no field of a request"),
    (["status", "--jsn"], 1, "status: unknown option '--jsn'; did you mean '--json'?"),
    (["status", "-w", "3"], 1, "status: unknown option '-w'; an app with this name is written status:app"),
    (["status", "other"], 1, "status: unexpected argument 'other'"),
    (["status", "--json", "--watch"], 1, "not together with --json"),
    (["status", "--json=1"], 1, "takes no value"),
    (["status", "--admin-bind"], 1, "the value is missing"),
    (["stack", "--worker", "x"], 1, "'x' is not the number of a worker"),
    (["scale"], 1, "N is missing"), (["scale", "0"], 1, "'0' is not a number of 1 to 1024"),
])
def test_failure_is_one_clear_line(tmp_path, words, code, told):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        result = run(*(word.replace("{}", str(tmp_path)).replace("{port}", str(port)) for word in words), cwd=tmp_path)
    assert (result.returncode, result.stdout) == (code, "")
    assert told in result.stderr and result.stderr.count("\n") == 1 and result.stderr.startswith("evgateway: ")


def test_server_that_does_not_accept_is_waited_for_only_so_long(tmp_path):
    """Its queue is full, which nothing tells the end of."""
    with socket.socket(socket.AF_UNIX) as full:
        path = str(tmp_path / "full.sock")
        full.bind(path)
        full.listen(0)
        held = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for client in held:
            client.setblocking(False)
            client.connect_ex(path)
        result = run("status", "--admin-bind", f"unix:{path}")
        assert result.returncode == 2 and "no answer in 2 s" in result.stderr
        for client in held:
            client.close()


def test_reader_that_leaves_is_no_error(admin):
    server = admin({"/status": status()})
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run([LAUNCHER, "status", "--admin-bind", server.address], stdout=write, env=environment(),
                             stderr=subprocess.PIPE, timeout=60)
    os.close(write)
    assert (process.returncode, process.stderr) == (0, b"")


# Where commands stand


def test_help_of_every_command():
    overview = run("--help").stdout
    for command in ["status", "connections", "stack", "reload", "stop", "scale", "upgrade", "reopen-logs"]:
        assert re.search(rf"^  {command}\b", overview, re.M)
        result = run(command, "--help")
        assert result.returncode == 0 and f"Usage: evgateway {command}" in result.stdout
        assert "--admin-bind" in result.stdout


def test_app_with_the_name_of_a_command(tmp_path):
    (tmp_path / "status.py").write_text("def app(environ, start_response): pass\n")
    for app in ("status:app", "./status.py", "status.py"):
        result = run("--check-config", "--python", PYTHON, app, cwd=tmp_path)
        assert (result.returncode, "configuration OK" in result.stdout) == (0, True), result.stderr


def test_command_that_does_not_stand_first_is_pointed_at(tmp_path):
    result = run("--python", PYTHON, "stop", cwd=tmp_path)
    assert result.returncode == 1 and result.stderr.endswith("; the command stands first: evgateway stop\n")


def test_every_host_knows_the_commands(admin, example):
    server = admin({"/status": status()})
    package = LAUNCHER.parent / "evgateway_CPythonBridge.resources" / "python" / "evgateway" / "__main__.py"
    for program in ([example("hello")], [PYTHON, package]):
        library = {"EVGATEWAY_LIBRARY": str(LAUNCHER.parent / "libEvPython.so")}
        result = ask(server, "status", program=program, env=library)
        assert result.returncode == 0 and "2 of 2 workers ready" in result.stdout, result.stderr


# A real server


def test_server_is_found_in_every_way_and_obeys(gateway, tmp_path):
    address = f"unix:{tmp_path}/admin.sock"
    server = gateway("contract:app", "--admin-bind", address, "--pid", tmp_path / "pid")
    (tmp_path / "server.toml").write_text("admin_bind = 'unix:admin.sock'\n")
    for words, env in [
            (["--admin-bind", address], {}), (["--admin-bind", "unix:admin.sock"], {}), (["--pid", "pid"], {}),
            (["--pid", server.pid], {}), (["--config", "server.toml"], {}), ([], {"EVGATEWAY_ADMIN_BIND": address}),
            ([], {"EVGATEWAY_PIDFILE": "pid"}), ([], {"EVGATEWAY_CMD_ARGS": "--admin-bind unix:admin.sock"})]:
        result = run("status", *words, env=env, cwd=tmp_path)
        assert result.returncode == 0, (words, env, result.stderr)
        assert f"  master {server.pid}\n" in result.stdout and "\n1 of 1 worker ready, " in result.stdout
    result = run("scale", 2, "--pid", server.pid)
    assert result.returncode == 0 and "Worker ready" in result.stdout, result.stderr
    assert run("status", "--pid", server.pid, "--json").stdout.count('"state":"ready"') == 2
    assert run("reload", "--pid", server.pid).returncode == 0
    assert run("stop", "--pid", tmp_path / "pid").returncode == 0
    assert server.wait() == 0
    result = run("status", "--pid", server.pid)
    assert result.returncode == 2 and "has ended" in result.stderr


def test_what_a_request_does_is_told_by_a_worker_that_turns_and_one_that_does_not(gateway, tmp_path):
    address = f"unix:{tmp_path}/admin.sock"
    for kind, told in (("threads", "live"), ("inline", "signal")):
        server = gateway("contract:app", "-k", kind, "--admin-bind", address, "--graceful-timeout", "0.1")
        with server.connect() as wire:
            wire.send(b"GET /sleep?seconds=30&a=%1b HTTP/1.1\r\nHost: x\r\n\r\n")
            wait.until(lambda: "/sleep" in run("connections", "--worker", 0, "--pid", server.pid).stdout,
                       "the request is known")
            result = run("stack", "--worker", 0, "--pid", server.pid)
            assert result.returncode == 0 and "contract.py" in result.stdout, result.stderr
            assert ("it does not answer" in result.stdout) == (told == "signal"), result.stdout
        server.stop(signal.SIGQUIT)


def test_code_that_does_not_load_fails_the_reload(gateway, tmp_path):
    path = tmp_path / "changing.py"
    path.write_text("def app(environ, start_response): start_response('200 OK', []); return []\n")
    server = gateway("changing:app", "--admin-bind", f"unix:{tmp_path}/admin.sock", cwd=tmp_path)
    path.write_text("raise KeyError('of the new code')\n")
    result = run("reload", "--pid", server.pid)
    assert result.returncode == 1 and "KeyError: 'of the new code'" in result.stdout + result.stderr
    assert server.get("/").status == 200


def test_several_servers_are_listed_and_none_is_guessed(gateway, tmp_path):
    servers = [gateway("contract:app", "--admin-bind", f"unix:{tmp_path}/{name}") for name in ("one", "two")]
    result = run("status", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    for server, name in zip(servers, ("one", "two")):
        assert f"  --pid {server.pid}  contract:app  at unix:{tmp_path}/{name}\n" in result.stderr


def test_server_without_an_admin_address_is_told(gateway):
    server = gateway("contract:app")
    result = run("status", "--pid", server.pid)
    assert result.returncode == 2 and "runs without --admin-bind" in result.stderr
    result = run("status", "--pid", server.worker_pids()[0])
    assert result.returncode == 2 and "is not the master of a server" in result.stderr


def test_fake_server_speaks_the_form_of_the_real_one(gateway, tmp_path):
    """Members of the real answers that the fake ones have, too, are of the same types."""
    real = gateway("contract:app", "--admin-bind", f"unix:{tmp_path}/real.sock")
    result = run("status", "--pid", real.pid, "--json")
    assert result.returncode == 0, result.stderr
    answer, made = json.loads(result.stdout), fake_admin.status()
    for one, other in ((answer, made), (answer["workers"][0], made["workers"][0])):
        for name in one.keys() & other.keys():
            kinds = {type(one[name]), type(other[name])}
            assert len(kinds) == 1 or kinds <= {int, float} or type(None) in kinds, name
