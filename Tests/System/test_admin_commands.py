"""Commands over the admin socket: they do what signals do, and wait for what comes of it."""

import contextlib
import json
import os
import re
import signal
import socket
import tempfile

import pytest

from conftest import PYTHON
from support import accounts, admin, procfs, wait
from support.admin import APP, Admin, hold, rewrite, version
from support.gateway import APPS, READY, Gateway

BROKEN = APP + "\nraise RuntimeError('this version does not load')\n"


# reload

@pytest.mark.parametrize("workers", [1, 3])
def test_reload_tells_each_step_and_ends_when_the_new_code_serves(served, short_path, workers):
    server, desk = served("--workers", workers)
    before = desk.workers()
    rewrite(short_path, APP.replace("VERSION = 1", "VERSION = 2"))
    succeeded, text, steps = desk.command("/reload")
    # At once, without a look at the processes: nothing old answers.
    assert [version(server) for _ in range(10)] == [b"2"] * 10
    assert succeeded and text.startswith(f"Reloaded: {workers} worker")
    assert [step for step in steps if "replaced" in step][1:] == [
        f"Worker {number} of {workers} replaced" for number in range(1, workers + 1)]
    wait.until(lambda: not set(before) & set(desk.workers()), "all old workers have left")
    server.wait_for_log(r"\[INFO\] Asked over the admin socket: reload")
    assert not server.log.matches("Handling signal: hup")


@pytest.mark.parametrize("flags", [(), ("--user", "nobody")], ids=["same-user", "user"])
def test_reload_of_code_that_does_not_load_ends_with_its_traceback(served, short_path, flags):
    if flags and os.geteuid():
        pytest.skip("only root can change the user")
    if flags:
        accounts.require()
    server, desk = served("--workers", 2, *flags)
    before = desk.workers()
    rewrite(short_path, BROKEN)
    succeeded, text, _ = desk.command("/reload")
    first, second, *_ = text.splitlines()
    assert not succeeded and first.startswith("Reload aborted") and second == "Traceback (most recent call last):"
    assert "RuntimeError: this version does not load" in text
    assert desk.workers() == before and version(server) == b"1"
    rewrite(short_path, APP)
    assert desk.command("/reload")[0]


def test_longest_traceback_ends_with_its_error(served, short_path):
    _, desk = served()
    rewrite(short_path, "def f(n):\n    f(n - 1) if n else [][0]\n" + "#" * 100 + "\n"
            "def a():\n    raise ValueError('x' * 3000 + 'é' * 3000 + ' the end\\0\\x1b')\na()\n")
    succeeded, text, _ = desk.command("/reload")
    assert not succeeded and "the end" in text and "\0" not in text


def test_reload_with_settings_that_cannot_be_used_is_refused_with_the_reason(served, short_path):
    (short_path / "conf.py").write_text("bind = ['127.0.0.1:0']\n")
    _, desk = served("-c", short_path / "conf.py", "--python", PYTHON, bare=True)
    for bad, reason in [("workers = 'many'\n", "workers"), ("1 / 0\n", "ZeroDivisionError"),
                        ("bind = ['127.0.0.1:1', '192.0.2.1:1']\n", "Cannot listen on")]:
        (short_path / "conf.py").write_text(bad)
        succeeded, text, _ = desk.command("/reload")
        assert not succeeded and text.startswith("Reload refused: ") and reason in text, text


def test_second_reload_waits_for_its_own(served, short_path):
    (short_path / "go").touch()
    slow = APP + "\nwhile not os.path.exists('go'):\n    time.sleep(0.01)\n"
    server, desk = served(text=slow)
    os.unlink(short_path / "go")
    with desk.waiting("/reload") as first, desk.waiting("/reload") as second:
        server.wait_for_log("A reload is in progress; another one follows it")
        (short_path / "go").touch()
        assert admin.last(first)["succeeded"]
        assert len(server.log.matches(r"\[INFO\] Reloaded$")) >= 1
        assert admin.last(second)["succeeded"]
        assert len(server.log.matches(r"\[INFO\] Reloaded$")) == 2


def test_reload_fails_where_the_new_code_only_shows_its_error(served, short_path):
    """With --reload, a worker serves the traceback until a file changes."""
    server, desk = served("--reload")
    with desk.waiting("/reload") as wire:
        rewrite(short_path, BROKEN)
        assert "this version does not load" in json.dumps(list(admin.lines(wire))) or not desk.command("/reload")[0]
    succeeded, text, _ = desk.command("/reload")
    assert not succeeded and "RuntimeError: this version does not load" in text
    assert server.get("/").status == 500


def test_preloaded_app_is_reloaded_as_hup_does(served):
    server, desk = served("--preload", "--workers", 2)
    before = desk.workers()
    succeeded, _, _ = desk.command("/reload")
    assert succeeded
    wait.until(lambda: not set(before) & set(desk.workers()), "all old workers have left")
    assert version(server) == b"1"


# stop

@pytest.mark.parametrize("daemon", [False, True], ids=["foreground", "daemon"])
def test_stop_ends_when_another_server_can_take_the_place(served, short_path, gateway, daemon):
    flags = ("--pid", short_path / "pid", "-b", f"unix:{short_path}/s", "--error-logfile", short_path / "log",
             "--admin-bind", "127.0.0.1:0")
    if daemon:
        server, desk = served(*flags, "--daemon", wait=False)
        assert server.wait() == 0
        master = int((short_path / "pid").read_text())
    else:
        server, desk = served(*flags, wait=False)
        wait.until(lambda: (short_path / "log").exists() and re.search(READY, (short_path / "log").read_text()),
                   "a worker is ready")
        master = server.pid
    port = int(re.search(r"Admin listening at: http://127\.0\.0\.1:(\d+)", (short_path / "log").read_text())[1])
    succeeded, text, _ = desk.command("/stop")
    with socket.create_server(("127.0.0.1", port)):
        pass
    assert succeeded and text == "The server has stopped"
    assert sorted(path.name for path in short_path.iterdir() if path.name in ("a", "s", "pid")) == []
    if not daemon:
        assert server.wait() == 0
    wait.until(lambda: not procfs.alive(master), "the master is gone")


def test_stop_waits_for_requests_and_tells_what_is_open(served, short_path):
    server, desk = served("--threads", 2)
    held = hold(server)
    with desk.waiting("/stop") as wire, desk.waiting("/stop") as other:
        steps = admin.lines(wire)
        while not (found := re.fullmatch(r"1 worker still to end, with 1 connection and 1 request",
                                         next(steps)["text"])):
            pass
        assert found and desk.ask("POST", "/reload").body.count(b'"succeeded":false') == 1
        (short_path / "go").touch()
        assert held.read().status == 200
        assert list(steps)[-1] == {"done": True, "succeeded": True, "text": "The server has stopped"}
        assert admin.last(other)["succeeded"]
    assert server.wait() == 0


def test_stop_now_waits_for_nobody(served):
    server, desk = served("--threads", 2)
    held = hold(server)
    wait.until(lambda: b'"in_flight":1' in desk.ask("GET", "/status").body, "the app has the request")
    with desk.waiting("/stop") as graceful:
        assert next(admin.lines(graceful))["text"].startswith("1 worker still to end")
        assert desk.command("/stop?now=1")[:2] == (True, "The server has stopped")
        assert admin.last(graceful)["succeeded"]
    with contextlib.suppress(ConnectionError):
        held.read_until_close()
    assert server.wait() == 0


# scale

def test_scale_ends_when_there_are_as_many(served):
    server, desk = served("--workers", 2)
    for wanted in (4, 1, 1, 3):
        succeeded, text, _ = desk.command(f"/scale?workers={wanted}")
        # Who have left are gone, not only told to.
        assert succeeded and len(desk.workers()) == wanted and text.startswith(f"{wanted} worker")
    succeeded, text, steps = desk.command("/scale?workers=60000")
    assert succeeded and text == "32 workers serve"
    assert steps[0].startswith("There is room for 32 workers, not for 60000")
    # As with TTIN, a reload takes it back.
    assert desk.command("/reload")[0] and wait.until(lambda: len(desk.workers()) == 2, "2 workers are left")


def test_scale_fails_with_the_traceback_of_a_worker_that_does_not_boot(served, short_path):
    server, desk = served()
    rewrite(short_path, BROKEN)
    succeeded, text, _ = desk.command("/scale?workers=2")
    assert not succeeded and text.startswith("A worker does not boot") and "RuntimeError: this version" in text
    assert version(server) == b"1"
    assert desk.command("/scale?workers=1")[0]


# reopen-logs

def test_logs_are_reopened_in_every_process(served, short_path):
    log, access = short_path / "e.log", short_path / "access.log"
    server, desk = served("--workers", 2, "--error-logfile", log, "--access-logfile", access, wait=False)
    wait.until(lambda: log.exists() and len(re.findall(READY, log.read_text())) == 2, "the workers are ready")
    for path in (log, access):
        path.rename(f"{path}.1")
    assert desk.command("/reopen-logs") == (True, "The logs have been opened again", [])
    open_now = {pid: procfs.open_paths(pid) for pid in (server.pid, *desk.workers())}
    assert all(str(log) in paths and f"{log}.1" not in paths for paths in open_now.values()), open_now
    assert all(f"{access}.1" not in paths for paths in open_now.values()), open_now
    admin_pid = desk.pid()
    wait.until(lambda: str(log) in procfs.open_paths(admin_pid) and f"{log}.1" not in procfs.open_paths(admin_pid),
               "the admin process has the new file")


def test_worker_that_is_stuck_is_named_when_it_does_not_reopen(served, short_path):
    server, desk = served("--workers", 2)
    stuck, _ = desk.workers()
    os.kill(stuck, signal.SIGSTOP)
    try:
        succeeded, text, _ = desk.command("/reopen-logs")
    finally:
        os.kill(stuck, signal.SIGCONT)
    assert not succeeded and text.endswith(f"(pid: {stuck})")


# upgrade

def test_upgrade_ends_when_the_next_master_serves_alone(served, short_path):
    server, desk = served("--workers", 2, "--pid", short_path / "pid", "-b", f"unix:{short_path}/s")
    rewrite(short_path, APP.replace("VERSION = 1", "VERSION = 2"))
    held = hold(server)
    with desk.waiting("/upgrade") as wire:
        server.wait_for_log(r"The next master serves")
        wait.until(lambda: version(server) == b"2", "the workers of before accept nothing any more")
        (short_path / "go").touch()
        steps = list(admin.lines(wire))
    assert held.read().body.startswith(b"1 ")
    assert steps[-1]["succeeded"] and any(step["text"].startswith("Next master: Worker ready") for step in steps)
    # At once.
    master = int((short_path / "pid").read_text())
    assert master != server.pid and not (short_path / "pid.2").exists()
    assert version(server) == b"2" and server.get("/").body.split()[1:] == [str(master).encode(), b"None"]
    assert server.wait() == 0
    # It answers for itself, and can do the same again.
    assert json.loads(desk.ask("GET", "/status").body)["master"] == master
    assert desk.command("/upgrade")[0] and desk.command("/reload")[0]
    assert desk.command("/stop")[0] and not (short_path / "pid").exists() and not (short_path / "a").exists()


@pytest.mark.parametrize("boot", ["raises", "dies", "settings"])
def test_upgrade_that_fails_leaves_everything_as_it_was(served, short_path, boot):
    (short_path / "conf.py").write_text("timeout = 20\n")
    server, desk = served("--workers", 2, "--pid", short_path / "pid", "-c", short_path / "conf.py")
    before = desk.workers()
    reason = "RuntimeError: this version does not load"
    if boot == "raises":
        rewrite(short_path, BROKEN)
    elif boot == "dies":
        rewrite(short_path, "import os\nos.kill(os.getpid(), 11)\n")
        reason = "before it was ready"
    else:
        (short_path / "conf.py").write_text("1 / 0\n")
        reason = "Its log says why"
    succeeded, text, _ = desk.command("/upgrade")
    assert not succeeded and "this one goes on alone" in text and reason in text, text
    assert desk.workers() == before and version(server) == b"1"
    assert (short_path / "pid").read_text() == f"{server.pid}\n" and not (short_path / "pid.2").exists()
    (short_path / "conf.py").write_text("timeout = 20\n")
    rewrite(short_path, APP)
    assert desk.command("/upgrade")[0] and server.wait() == 0
    assert desk.command("/stop")[0]


def test_next_master_that_ends_while_the_former_leaves_is_no_loss(served, short_path):
    server, desk = served("--graceful-timeout", 60)
    held = hold(server)
    with desk.waiting("/upgrade") as wire:
        found = server.wait_for_log(r"The next master serves \(pid: (\d+)\)")
        for refused in ("/reload", "/stop", "/scale?workers=2", "/upgrade"):
            assert desk.command(refused)[:2] == (False, "An upgrade is in progress, which is to end first")
        os.kill(int(found[1]), signal.SIGKILL)
        end = admin.last(wire)
    assert not end["succeeded"] and "this one goes on alone" in end["text"]
    (short_path / "go").touch()
    assert held.read().status == 200 and version(server) == b"1"
    assert desk.command("/stop")[0]


def test_upgrade_goes_on_when_its_client_and_the_admin_process_are_gone(served, short_path):
    server, desk = served("--pid", short_path / "pid")
    held = hold(server)
    wait.until(lambda: b'"in_flight":1' in desk.ask("GET", "/status").body, "the app has the request")
    with desk.waiting("/upgrade"):
        server.wait_for_log(r"The next master serves")
    os.kill(desk.pid(), signal.SIGKILL)
    (short_path / "go").touch()
    assert held.read().status == 200 and server.wait() == 0
    # Between the two masters there is a moment without the file.
    wait.until((short_path / "pid").exists, "the next one has the pid file")
    master = int((short_path / "pid").read_text())
    wait.until(lambda: json.loads(desk.ask("GET", "/status").body)["master"] == master, "the next one answers")
    assert desk.command("/stop")[0]


# who waits

def test_client_that_leaves_takes_nothing_back(served):
    server, desk = served("--workers", 2)
    before = desk.workers()
    with desk.waiting("/reload"):
        pass
    server.wait_for_log(r"\[INFO\] Reloaded")
    wait.until(lambda: not set(before) & set(desk.workers()), "all old workers have left")


def test_command_of_an_admin_process_that_was_killed_is_not_told_to_the_next(served, short_path):
    server, desk = served("--threads", 2)
    held = hold(server)
    wait.until(lambda: b'"in_flight":1' in desk.ask("GET", "/status").body, "the app has the request")
    first = desk.pid()
    with desk.waiting("/stop") as wire:
        assert next(admin.lines(wire))
        os.kill(first, signal.SIGKILL)
        with pytest.raises(ConnectionError):
            list(admin.lines(wire))
    assert desk.pid(besides=first) != first
    with desk.waiting("/stop") as wire:
        (short_path / "go").touch()
        assert admin.last(wire)["succeeded"]
    assert held.read().status == 200 and server.wait() == 0


def test_clients_that_leave_make_room_for_others(served, short_path):
    server, desk = served("--threads", 2)
    held = hold(server)
    wait.until(lambda: b'"in_flight":1' in desk.ask("GET", "/status").body, "the app has the request")
    for _ in range(20):
        def begun():
            with contextlib.suppress(AssertionError), desk.waiting("/stop") as wire:
                return next(admin.lines(wire))
        wait.until(begun, "there is room")
    (short_path / "go").touch()
    assert held.read().status == 200 and server.wait() == 0


def test_clients_that_wait_are_bounded(served, short_path):
    server, desk = served("--threads", 2)
    held = hold(server)
    wait.until(lambda: b'"in_flight":1' in desk.ask("GET", "/status").body, "the app has the request")
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(desk.waiting("/stop")) for _ in range(16)]
        assert desk.ask("POST", "/stop").status == 503
        (short_path / "go").touch()
        assert all(admin.last(wire)["succeeded"] for wire in waiting)
    assert held.read().status == 200 and server.wait() == 0


@pytest.mark.parametrize("method, target, status", [
    ("GET", "/reload", 405), ("HEAD", "/stop", 405), ("PUT", "/upgrade", 405), ("POST", "/status", 405),
    ("POST", "/stop?now=2", 400), ("POST", "/stop?now", 400), ("POST", "/stop?later=1", 400),
    ("POST", "/stop?now=1&now=0", 400), ("POST", "/reload?x", 400), ("POST", "/scale", 400),
    ("POST", "/scale?workers=0", 400), ("POST", "/scale?workers=-1", 400), ("POST", "/scale?workers=+2", 400),
    ("POST", "/scale?workers=99999999999999999999", 400), ("POST", "/scale?workers=%32", 400),
    ("POST", "/reload/", 404), ("POST", "/nothing", 404),
])
def test_what_is_not_meant_changes_nothing(unchanged, method, target, status):
    server, desk = unchanged
    answer = desk.ask(method, target)
    assert answer.status == status
    if status == 405:
        assert answer.get("allow") == ("GET, HEAD" if target == "/status" else "POST")
    assert not server.log.matches("Asked over the admin socket")


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    """One server for all that must not change it."""
    with tempfile.TemporaryDirectory(prefix="evg") as folder:
        server = Gateway(["contract:app", "-b", "127.0.0.1:0", "--admin-bind", f"unix:{folder}/a",
                          "--python", str(PYTHON), "--pythonpath", str(APPS)]).wait_until_ready()
        yield server, Admin(server, f"{folder}/a")
        assert server.clean_up() == []
