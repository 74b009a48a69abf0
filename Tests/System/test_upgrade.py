"""USR2 starts a new master on the same sockets, WINCH ends the workers of the old one, and there is a way back. Under
load, because requests could get lost."""

import os
import signal
import sys

import pytest

from conftest import PYTHON
from support import procfs, wait
from support.gateway import APPS, LAUNCHER, READY, Gateway
from support.wire import Wire
from test_lifecycle import assert_no_loss, loaded

TELLS = """
import os


def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [f"{os.getppid()} {os.environ.get('EVGATEWAY_HANDOVER')} {os.environ.get('LISTEN_PID')}".encode()]
"""


@pytest.fixture
def upgrade(gateway):
    """Starts the next master of a server and returns its process id when `workers` of it are ready."""
    def start(server, workers, master=None):
        position = server.log_position()
        os.kill(master or server.pid, signal.SIGUSR2)
        pid = int(server.wait_for_log(r"Started the next master \(pid: (\d+)\)", start=position)[1])
        server.wait_for_log(READY, count=workers, start=position)
        return pid
    return start


def end(pid):
    os.kill(pid, signal.SIGTERM)
    wait.until(lambda: not procfs.alive(pid), "the master has ended")


@pytest.mark.parametrize("flags", [(), ("--reuse-port",), ("--bind", "unix:{}/s")], ids=["tcp", "reuse-port", "unix"])
def test_upgrade_and_its_way_back_lose_no_request(gateway, upgrade, short_path, flags):
    pid_file, of_next, file = short_path / "pid", short_path / "pid.2", short_path / "s"
    server = gateway("contract:app", "-k", "threads", "--workers", 2, "--pid", pid_file,
                     *[flag.format(short_path) for flag in flags])
    with loaded(server) as load:
        load.wait_for_more(100)
        first = upgrade(server, 2)
        assert pid_file.read_text() == f"{server.pid}\n" and of_next.read_text() == f"{first}\n"
        assert procfs.stat(first)[1] == str(server.pid).encode()
        load.wait_for_more(100)

        # There is one next master at a time.
        server.signal(signal.SIGUSR2)
        server.wait_for_log(rf"No next master is started: .*{first}")

        # Forward, and back.
        server.signal(signal.SIGWINCH)
        wait.until(lambda: procfs.children(server.pid) == [first], "the old workers have left")
        load.wait_for_more(100)
        server.signal(signal.SIGHUP)
        wait.until(lambda: len(procfs.children(server.pid)) == 3, "the old master has workers again")
        server.wait_for_log("Reloaded")
        os.kill(first, signal.SIGTERM)
        server.wait_for_log(rf"The next master \(pid: {first}\) exited with code 0; this one goes on alone")
        assert not of_next.exists() and pid_file.exists()
        load.wait_for_more(100)

        # Forward to the end.
        second = upgrade(server, 2)
        server.signal(signal.SIGWINCH)
        wait.until(lambda: procfs.children(server.pid) == [second], "the old workers have left")
        server.signal(signal.SIGQUIT)
        assert server.wait() == 0
        server.wait_for_log("this one serves alone")
        wait.until(lambda: pid_file.exists() and pid_file.read_text() == f"{second}\n", "the pid file is the new one's")
        assert not of_next.exists()
        load.wait_for_more(100)
        assert_no_loss(load)
    if file.exists():
        assert server.get("/").status == 200
    end(second)
    assert list(short_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["python", "swift"])
def test_old_master_can_be_stopped_without_a_word_before(gateway, upgrade, example, kind):
    """TERM alone: what waits in the queue is left to the new workers."""
    name, target, expect = (("contract:app", "/echo?id={id}", '"id={id}"') if kind == "python"
                            else (example("hello"), "/", "Hello, World!"))
    server = gateway(name, "--workers", 2)
    with loaded(server, target=target, expect=expect) as load:
        load.wait_for_more(100)
        next_master = upgrade(server, 2)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        load.wait_for_more(200)
        # And the new one can be upgraded in its turn.
        server.wait_for_log("this one serves alone")
        position = server.log_position()
        os.kill(next_master, signal.SIGUSR2)
        third = int(server.wait_for_log(r"Started the next master \(pid: (\d+)\)", start=position)[1])
        server.wait_for_log(READY, count=2, start=position)
        end(next_master)
        load.wait_for_more(200)
        assert_no_loss(load)
    end(third)


def test_new_master_that_fails_leaves_the_old_one_serving(gateway, upgrade, tmp_path):
    module, settings = tmp_path / "changing.py", tmp_path / "gunicorn.conf.py"
    module.write_text(TELLS)
    settings.write_text("")
    server = gateway("changing:app", "-k", "threads", "-c", settings, cwd=tmp_path)
    with loaded(server, target="/", expect=f"{server.pid} None None") as load:
        for path, text, reason in ((module, "raise OSError(7)\n", "exited with code 3"),
                                   (settings, "workers = 'x'\n", "exited with code 1"),
                                   (settings, "def pre_exec(server):\n    raise OSError(7)\n", "exited with code 1")):
            good = path.read_text()
            path.write_text(text)
            position = server.log_position()
            if "pre_exec" in text:
                server.signal(signal.SIGHUP)
                server.wait_for_log("Reloaded", start=position)
            server.signal(signal.SIGUSR2)
            server.wait_for_log(rf"\[ERROR\] The next master .* {reason}; this one goes on alone", start=position)
            load.wait_for_more(50)
            path.write_text(good)
        assert_no_loss(load)
    settings.write_text("def pre_exec(server):\n    server.log.info('a new master comes')\n")
    position = server.log_position()
    server.signal(signal.SIGHUP)
    server.wait_for_log("Reloaded", start=position)
    # The worker says so itself, perhaps later than the master, and is not one of the next master.
    server.wait_for_log(READY, start=position)
    next_master = upgrade(server, 1)
    assert len(server.log.matches("a new master comes")) == 1
    server.signal(signal.SIGQUIT)
    assert server.wait() == 0
    # The app and what it starts do not see what the masters tell each other.
    wait.until(lambda: server.get("/").body == f"{next_master} None None".encode(), "the new one answers")
    end(next_master)


def test_old_master_serves_again_when_the_new_one_dies(gateway, upgrade):
    server = gateway("contract:app", "-k", "threads")
    next_master = upgrade(server, 1)
    server.signal(signal.SIGWINCH)
    wait.until(lambda: procfs.children(server.pid) == [next_master], "the old worker has left")
    position = server.log_position()
    os.kill(next_master, signal.SIGKILL)
    server.wait_for_log(r"\[ERROR\] The next master .* was killed by SIGKILL", start=position)
    server.wait_for_log(READY, start=position)
    assert server.get("/").status == 200


def test_new_master_takes_what_its_configuration_says(gateway, upgrade, tmp_path, short_path):
    """An address that is gone, one that stays, and a new one; more workers than before."""
    settings = tmp_path / "settings.py"
    settings.write_text(f"bind = ['unix:{short_path}/stays', 'unix:{short_path}/goes']\n")
    server = gateway("contract", "-c", settings, "--python", PYTHON, "--pythonpath", APPS, bare=True)
    settings.write_text(f"bind = ['unix:{short_path}/comes', 'unix:{short_path}/stays']\nworkers = 2\n")
    kept, left = (Wire(str(short_path / name)) for name in ("stays", "goes"))
    assert kept.get("/").status == 200
    left.send("GET / HTTP/1.1\r\nHo")
    next_master = upgrade(server, 2)
    names = {path.name for path in short_path.iterdir()}
    assert names == {"stays", "goes", "comes"}
    server.signal(signal.SIGTERM)
    new = [str(pid).encode() for pid in procfs.children(next_master)]
    wait.until(lambda: kept.get("/pid").body in new, "the connection has moved")
    # Nobody else could answer this one.
    left.send("st: test\r\n\r\n")
    answer = left.read()
    assert answer.status == 200 and answer.closes
    assert server.wait() == 0
    assert kept.get("/").status == 200
    wait.until(lambda: not (short_path / "goes").exists(), "the file of the old address is removed")
    for name in ("stays", "comes"):
        server.address = str(short_path / name)
        assert server.get("/").status == 200
    end(next_master)
    assert list(short_path.iterdir()) == []


ACTIVATES = """
import os, socket, sys

listener = socket.create_server(("127.0.0.1", 0))
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_activated_socket_is_passed_on(gateway, upgrade, tmp_path):
    """Under its number, with systemd's variables for the new process: without them it would listen elsewhere."""
    (tmp_path / "told.py").write_text(TELLS)
    (tmp_path / "activate.py").write_text(ACTIVATES)
    server = Gateway(["--python", PYTHON, "-k", "threads", "told:app"], cwd=tmp_path,
                     program=[sys.executable, tmp_path / "activate.py", LAUNCHER])
    try:
        server.wait_until_ready()
        next_master = upgrade(server, 1)
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        words = wait.until(lambda: (found := server.get("/").body.split()) and found[0] != str(server.pid).encode()
                           and found, "the new one answers")
        assert words == [str(next_master).encode(), b"None", b"None"]
        end(next_master)
    finally:
        server.clean_up()


# WINCH


def test_winch_ends_the_workers_and_clients_wait(gateway):
    """The server of a test has no terminal, as a daemon."""
    server = gateway("contract:app", "-k", "threads", "--workers", 2)
    server.signal(signal.SIGWINCH)
    server.wait_for_log("All workers leave")
    wait.until(lambda: not server.worker_pids(), "no worker lives")
    with server.connect() as client:
        client.request("GET", "/")
        server.signal(signal.SIGHUP)
        assert client.read().status == 200
    server.wait_for_workers(2)


def test_winch_of_a_terminal_tells_of_its_window(gateway, tmp_path):
    program = tmp_path / "terminal.py"
    program.write_text("import fcntl, os, sys, termios\n"
                       "master, slave = os.openpty()\n"
                       "fcntl.ioctl(slave, termios.TIOCSCTTY, 0)\n"
                       "os.set_inheritable(master, True)\n"
                       "os.execv(sys.argv[1], sys.argv[1:])\n")
    server = Gateway(["--python", PYTHON, "--pythonpath", APPS, "--bind", "127.0.0.1:0", "contract"],
                     program=[sys.executable, program, LAUNCHER])
    try:
        server.wait_until_ready()
        before = server.worker_pids()
        server.signal(signal.SIGWINCH)
        server.signal(signal.SIGUSR1)
        server.wait_for_log("Handling signal: usr1")
        assert server.get("/").status == 200 and server.worker_pids() == before
        assert not server.log.matches("winch")
    finally:
        server.clean_up()
