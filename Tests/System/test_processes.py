"""What the processes are to the system: their titles, their terminal, their processors."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

from support import procfs, wait
from support.gateway import LAUNCHER, environment
from support.settings import FLAGS, refusal, run
from support.wire import Wire


def command_line(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode()


def titles(server):
    return [command_line(pid).rstrip("\0") for pid in (server.pid, *server.worker_pids())]


# Titles


def test_titles_say_what_the_processes_are(gateway):
    server = gateway("contract:app", "--workers", "2")
    # Without the rest of the command line, and without what has stood there before.
    assert titles(server) == [f"evgateway: {role} [contract:app]" for role in ("master", "worker 1", "worker 2")]
    assert all(command_line(pid).count("\0") <= 1 for pid in (server.pid, *server.worker_pids()))
    shown = subprocess.run(["ps", "-o", "comm=,args=", "-p", str(server.pid)], capture_output=True, text=True).stdout
    assert shown.split(None, 1) == ["evgateway", "evgateway: master [contract:app]\n"]
    found = subprocess.run(["pgrep", "-f", "-s", str(server.pid), r"^evgateway: worker [12] \[contract:app\]$"],
                           capture_output=True, text=True).stdout
    assert sorted(map(int, found.split())) == server.worker_pids()


def test_name_takes_the_place_of_the_app_and_follows_the_file(gateway, tmp_path):
    (tmp_path / "g.py").write_text("proc_name = 'shop'\nname = 'a variable of the file'\n")
    server = gateway("contract:app", "-c", tmp_path / "g.py")
    assert titles(server) == ["evgateway: master [shop]", "evgateway: worker 1 [shop]"]
    (tmp_path / "g.py").write_text("proc_name = 'store'\n")
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"\[INFO\] Reloaded")
    wait.until(lambda: titles(server) == ["evgateway: master [store]", "evgateway: worker 1 [store]"], "the new name")
    by_flag = gateway("contract:app", "--name", "by flag")
    assert titles(by_flag)[0] == "evgateway: master [by flag]"


def test_title_that_is_longer_than_the_command_line_leaves_the_environment_alone(gateway, tmp_path):
    """It takes the room of the environment, whose variables are as they were for the app and its programs."""
    (tmp_path / "sees.py").write_text(
        "import json, os, subprocess, sys\n\n\ndef app(environ, start_response):\n    start_response('200 OK', [])\n"
        "    code = 'import json, os; print(json.dumps(dict(os.environ)))'\n"
        "    os.environ['ADDED'] = 'later'\n"
        "    os.unsetenv('TAKEN')\n"
        "    done = subprocess.run([sys.executable, '-c', code], capture_output=True, check=True, "
        "env=None)\n    return [done.stdout]\n")
    name = "n" * 600
    variables = {f"VARIABLE_{number}": f"value {number}" * 3 for number in range(40)}
    server = gateway("sees:app", "-k", "threads", "--name", name, "--pythonpath", tmp_path,
                     env={**variables, "TAKEN": "1"})
    assert titles(server)[0] == f"evgateway: master [{name}]"
    seen = json.loads(server.get("/").body)
    assert {key: seen.get(key) for key in variables} == variables
    assert seen["ADDED"] == "later" and seen["PATH"] == os.environ["PATH"]


def test_swift_app_has_a_title_and_its_arguments(gateway, example):
    server = gateway(example("hello"), arguments=["one", "two"])
    assert titles(server) == ["evgateway: master [example-hello]", "evgateway: worker 1 [example-hello]"]
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"\[INFO\] Reloaded")
    assert server.get("/").status == 200


# In the background


@pytest.fixture
def daemon(tmp_path):
    """Factory: runs the command with --daemon to its end; returns what it said, and the master's pid or None."""
    started = []

    def start(*flags, app="contract:app", **more):
        pid_file = tmp_path / "daemon.pid"
        result = subprocess.run(
            [str(word) for word in (LAUNCHER, *FLAGS, "--daemon", "--pid", pid_file, "--bind", f"unix:{tmp_path}/s",
                                    *flags, app)],
            cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL, timeout=60,
            **{"capture_output": True, **more})
        pid = int(pid_file.read_text()) if pid_file.exists() else None
        if pid:
            started.append(pid)
        return result, pid
    yield start
    left = [pid for pid in started if procfs.alive(pid)]
    for pid in left:
        session = int(procfs.stat(pid)[3])
        for member in procfs.session_members(session):
            os.kill(member, signal.SIGKILL)
    assert not left, (tmp_path / "log").read_text()


def streams(pid):
    return [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)]


def end(pid, number=signal.SIGTERM):
    os.kill(pid, number)
    wait.until(lambda: not procfs.alive(pid), "the daemon has ended")


def test_command_ends_when_the_daemon_serves(daemon, tmp_path):
    result, pid = daemon("--workers", "2", "--error-logfile", tmp_path / "log")
    # Its pipes have ended, so no process of the daemon has them.
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert Wire(str(tmp_path / "s")).get("/").status == 200
    log = (tmp_path / "log").read_text()
    assert log.count("Worker ready") >= 1
    wait.until(lambda: (tmp_path / "log").read_text().count("Worker ready") == 2, "the other worker is ready")
    members = [pid, *procfs.children(pid)]
    assert len(members) == 3 and all(streams(member) == ["/dev/null"] * 3 for member in members)
    fields = procfs.stat(pid)
    # A session of its own, which it does not lead, and no terminal.
    assert int(fields[3]) not in (os.getsid(0), pid) and fields[4] == b"0"
    os.kill(pid, signal.SIGHUP)
    wait.until(lambda: "Reloaded" in (tmp_path / "log").read_text(), "it reloads")
    end(pid)
    assert not (tmp_path / "daemon.pid").exists() and not (tmp_path / "s").exists()


@pytest.mark.parametrize("app, flags, code, says", [
    ("contract:app", ["--bind", "unix:/no/such/folder/s"], 1, b"Cannot listen on unix:/no/such/folder/s"),
    ("broken:app", ["-k", "threads"], 3, b"ZeroDivisionError"),
    ("contract:nothing_there", ["-k", "threads"], 4, b"nothing_there"),
    ("contract:app", ["--workers", "0"], 1, b"--workers"),
])
def test_errors_of_the_start_reach_the_terminal(daemon, tmp_path, app, flags, code, says):
    (tmp_path / "broken.py").write_text("app = 1 / 0\n")
    result, pid = daemon(*flags, app=app)
    assert result.returncode == code, result.stderr
    assert says in result.stderr
    assert pid is None


def test_streams_can_be_kept(daemon, tmp_path):
    with open(tmp_path / "out", "wb") as out, open(tmp_path / "log", "wb") as log:
        result, pid = daemon("-R", "--access-logfile", "-", capture_output=False, stdout=out, stderr=log)
    assert result.returncode == 0
    assert streams(pid) == ["/dev/null", str(tmp_path / "out"), str(tmp_path / "log")]
    assert Wire(str(tmp_path / "s")).get("/?kept").status == 200
    wait.until(lambda: "/?kept" in (tmp_path / "out").read_text(), "the access log goes on")
    end(pid)
    assert "In the background there is no standard error" not in (tmp_path / "log").read_text()


def test_daemon_without_a_log_says_where_the_log_ends(daemon):
    result, pid = daemon()
    assert b"without --error-logfile the log ends here" in result.stderr
    end(pid)


def test_program_that_calls_the_server_is_no_daemon(program):
    server = program("import evgateway\n\n\ndef app(environ, start_response):\n    pass\n\n\n"
                     "evgateway.serve(app, port=0, daemon=True)\n", workers=None)
    assert server.wait() != 0
    assert "a program that calls the server goes into the background itself" in server.error_log()


# Processors


def test_each_worker_has_a_processor(gateway):
    usable = sorted(os.sched_getaffinity(0))
    server = gateway("contract:app", "--workers", "2", "--cpu-affinity", "auto")
    sets = [os.sched_getaffinity(pid) for pid in server.worker_pids()]
    assert sets == [{usable[number % len(usable)]} for number in range(2)]
    assert os.sched_getaffinity(server.pid) == set(usable)
    last = usable[-1]
    chosen = gateway("contract:app", "--workers", "2", "--cpu-affinity", f"{last}-{last}")
    assert [os.sched_getaffinity(pid) for pid in chosen.worker_pids()] == [{last}] * 2


@pytest.mark.parametrize("value, reason", [
    ("8000", r"there is no processor 8000 for this server; there is [\d,]+"),
    ("3-1", "'3-1' is neither auto nor processors as in 0,2,4-7"),
    ("some", "'some' is neither auto nor processors as in 0,2,4-7"),
])
def test_processors_that_are_not_there_are_told(value, reason):
    said = refusal(run(*FLAGS, "-b", "127.0.0.1:0", "--cpu-affinity", value, "contract:app"))
    assert re.fullmatch(f"evgateway: --cpu-affinity: {reason}", said)
