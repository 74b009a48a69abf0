"""The master: signals, reload, watchdog, crashes, files; under load where requests could get lost."""

import os
import signal
import threading

import pytest

from support import procfs, wait, wire
from support.gateway import ROOT
from support.load import Load
from support.wsgi import WSGI_CLASSES

ASGI_APPS = ROOT / "Tests" / "System" / "asgi_apps"


def loaded(server, **more):
    return Load(server.address, clients=4, one_shot=2, **more)


def assert_no_loss(load):
    load.stop()
    assert set(load.outcomes) == {"ok"}, f"{dict(load.outcomes)}\n" + "\n".join(load.failures[:20])


# TERM, INT, QUIT


def test_term_answers_what_is_in_flight(gateway, example):
    server = gateway(example("longpoll-chat"), "--workers", 2)
    held = [server.connect().request("GET", "/messages?since=0&wait=1.5") for _ in range(8)]
    wait.until(lambda: sum(procfs.connections_per_process(server.worker_pids(), server.port)) == 8, "all are inside")
    held.append(server.connect().request("GET", "/messages?since=0&wait=0.5"))
    server.signal(signal.SIGTERM)
    for client in held[:8]:
        answer = client.read()
        assert answer.status in (200, 204) and answer.closes
    assert server.wait() == 0


def test_term_finishes_a_streamed_answer(gateway):
    server = gateway("contract:app")
    with server.connect() as client:
        client.request("GET", "/stream?count=5&delay=0.2")
        client.read_head()
        first = client.read_chunk()
        server.signal(signal.SIGTERM)
        rest = []
        while block := client.read_chunk():
            rest.append(block)
    assert len([first, *rest]) == 5
    assert server.wait() == 0


def test_term_ends_idle_connections_at_once(gateway):
    server = gateway("contract:app", "--graceful-timeout", 60)
    with server.connect() as client:
        assert client.get("/").status == 200
        server.signal(signal.SIGTERM)
        assert server.wait(30) == 0
        client.expect_close()


def test_term_does_not_wait_for_connections_that_ask_nothing(gateway):
    server = gateway("contract:app", "--graceful-timeout", 300, "--header-timeout", 300)
    with server.connect():
        wait.until(lambda: procfs.connections_per_process(server.worker_pids(), server.port) == [1], "it is accepted")
        server.signal(signal.SIGTERM)
        assert server.wait(60) == 0


def test_term_ends_what_outlives_the_graceful_timeout(gateway, example):
    server = gateway(example("longpoll-chat"), "--graceful-timeout", 1)
    with server.connect() as client:
        client.request("GET", "/messages?since=0&wait=30")
        wait.until(lambda: server.get("/waiting").body == b"1", "the request waits")
        server.signal(signal.SIGTERM)
        assert server.wait(20) == 0
        with pytest.raises((ConnectionError, wire.Closed)):
            answer = client.read()
            assert answer.status == 503
            raise wire.Closed


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_second_signal_ends_the_drain(gateway, example, tmp_path, second):
    pidfile = tmp_path / "pid"
    server = gateway(example("longpoll-chat"), "--graceful-timeout", 60, "--pid", pidfile)
    with server.connect() as client:
        client.request("GET", "/messages?since=0&wait=30")
        wait.until(lambda: server.get("/waiting").body == b"1", "the request waits")
        position = server.log_position()
        server.signal(signal.SIGTERM)
        server.wait_for_log(r"(?i)(term|drain|shut|stop)", start=position)
        server.signal(second)
        assert server.wait(20) == 0
    assert not pidfile.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_quick_signal_does_not_wait(gateway, example, number):
    server = gateway(example("longpoll-chat"), "--workers", 2, "--graceful-timeout", 60)
    with server.connect() as client:
        client.request("GET", "/messages?since=0&wait=30")
        wait.until(lambda: sum(procfs.connections_per_process(server.worker_pids(), server.port)) == 1, "it is inside")
        server.signal(number)
        assert server.wait(20) == 0


# HUP, TTIN, TTOU, CHLD


def test_reload_loses_no_request(gateway):
    server = gateway("contract:app", "--workers", 2)
    with loaded(server) as load:
        for _ in range(5):
            load.wait_for_more(200)
            before = server.wait_for_workers(2)
            server.signal(signal.SIGHUP)
            server.wait_for_workers(2, besides=before)
        load.wait_for_more(200)
        assert_no_loss(load)


def test_reload_takes_new_code(gateway, tmp_path):
    module = tmp_path / "changing.py"
    source = ("def app(environ, start_response):\n"
              "    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '3')])\n"
              "    return [b'%s']\n")
    module.write_text(source % "one")
    server = gateway("changing:app", "--pythonpath", tmp_path)
    assert server.get("/").body == b"one"
    # If the file changed within a second and kept its size, Python would use the old .pyc.
    module.write_text("# the second version\n" + source % "two")
    before = server.worker_pids()
    server.signal(signal.SIGHUP)
    server.wait_for_workers(1, besides=before)
    assert server.get("/").body == b"two"


@pytest.mark.parametrize("broken", ["import nothing_of_this_name\n", "def app(:\n", "app = 42\n"])
def test_reload_with_a_broken_app_keeps_the_old_workers(gateway, tmp_path, broken):
    module = tmp_path / "changing.py"
    good = ("import os\ndef app(environ, start_response):\n"
            "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
            "    return [environ['QUERY_STRING'].encode()]\n")
    module.write_text(good)
    server = gateway("changing:app", "--pythonpath", tmp_path, "--workers", 2)
    before = server.worker_pids()
    with loaded(server, target="/?id={id}", expect="id={id}") as load:
        module.write_text(broken)
        position = server.log_position()
        server.signal(signal.SIGHUP)
        server.wait_for_log(r"(?i)(ModuleNotFoundError|SyntaxError|not callable)", start=position)
        server.wait_for_log(r"(?i)(old workers|reload)", start=position)
        load.wait_for_more(200)
        assert set(before) <= set(server.worker_pids())
        module.write_text(good + "# and again\n")
        server.signal(signal.SIGHUP)
        server.wait_for_workers(2, besides=before)
        load.wait_for_more(200)
        assert_no_loss(load)


def test_workers_come_and_go_without_loss(gateway):
    server = gateway("contract:app", "--workers", 2)
    with loaded(server) as load:
        for _ in range(3):
            server.signal(signal.SIGTTIN)
            server.wait_for_workers(3)
            load.wait_for_more(100)
            server.signal(signal.SIGTTOU)
            server.wait_for_workers(2)
            load.wait_for_more(100)
        assert_no_loss(load)


def test_last_worker_does_not_go(gateway):
    server = gateway("contract:app")
    server.signal(signal.SIGTTOU)
    server.wait_for_log("signal: ttou")
    server.signal(signal.SIGTTIN)
    server.wait_for_workers(2)
    assert server.get("/").status == 200


def test_killed_worker_loses_only_what_was_inside(gateway):
    server = gateway("contract:app", "--workers", 2)
    with loaded(server) as load:
        for _ in range(3):
            load.wait_for_more(200)
            workers = server.wait_for_workers(2)
            held = procfs.connections_per_process(workers[:1], server.port)[0]
            failed = load.total - load.outcomes["ok"]
            position = server.log_position()
            os.kill(workers[0], signal.SIGKILL)
            server.wait_for_log(rf"(?i){workers[0]}.*(SIGKILL|signal 9|killed)", start=position)
            server.wait_for_workers(2, besides=workers[:1])
            load.wait_for_more(200)
            # Between the count and the kill, at most one more request per client can begin.
            assert load.total - load.outcomes["ok"] - failed <= held + 2, load.failures
        load.stop()
        assert load.outcomes["wrong"] == 0, load.failures


def test_worker_that_dies_in_a_request_is_replaced(gateway):
    server = gateway("contract:app")
    before = server.worker_pids()
    with server.connect() as client:
        with pytest.raises((wire.Closed, ConnectionResetError)):
            client.get("/exit?code=7")
    server.wait_for_workers(1, besides=before)
    assert server.get("/").status == 200


def test_worker_that_keeps_dying_is_started_with_back_off(gateway, tmp_path):
    """After one good start the app exits at import: the number of starts is limited, and the master goes on."""
    module = tmp_path / "changing.py"
    good = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'fine']\n"
    module.write_text("import os\n" + good)
    server = gateway("changing:app", "--pythonpath", tmp_path)
    module.write_text("import os; os._exit(9)\n" + good)
    position = server.log_position()
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    server.wait_for_log(r"next start in", count=3, start=position)
    assert server.process.poll() is None
    module.write_text("# repaired\n" + good)
    wait.until(lambda: answers(server), "the repaired app answers")


def answers(server):
    try:
        with server.connect(timeout=1) as client:
            return client.get("/").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("kind", [*WSGI_CLASSES, "asgi", "swift"])
@pytest.mark.parametrize("workers, limit, jitter", [(2, 100, 20), (1, 1, 0)])
def test_max_requests_recycles_without_loss(gateway, example, kind, workers, limit, jitter):
    """If workers use up --max-requests faster than others start, a successor is always starting, so the test cannot
    wait for a certain number of workers."""
    app, target, expect, *flags = {
        "asgi": ("asgi_app:app", "/?id={id}", '"id={id}"', "--pythonpath", ASGI_APPS),
        "swift": (example("hello"), "/", "Hello, World!"),
    }.get(kind, ("contract:app", "/echo?id={id}", '"id={id}"', "-k", kind))
    server = gateway(app, *flags, "--workers", workers, "--max-requests", limit, "--max-requests-jitter", jitter)
    with loaded(server, target=target, expect=expect) as load:
        for _ in range(3):
            before = set(server.worker_pids())
            load.wait_for_more(500)
            wait.until(lambda: not before & set(server.worker_pids()), "none of these workers is left")
        assert_no_loss(load)


# The watchdog


def test_hung_worker_is_killed_and_its_request_named(gateway):
    server = gateway("contract:app", "--timeout", 2)
    (hung,) = server.worker_pids()
    with server.connect() as client:
        client.request("GET", "/spin?name=culprit")
        server.wait_for_log(r"GET /spin\?name=culprit")
        server.wait_for_workers(1, besides=[hung])
    assert server.get("/").status == 200


def test_worker_that_waits_is_not_hung(gateway, example):
    server = gateway(example("longpoll-chat"), "--timeout", 1)
    before = server.worker_pids()
    with server.connect() as client:
        client.request("GET", "/messages?since=0&wait=4")
        assert client.read().status in (200, 204)
    assert server.worker_pids() == before


# Death of the master


def test_workers_leave_when_the_master_is_killed(gateway):
    server = gateway("contract:app", "--workers", 3)
    workers = server.worker_pids()
    server.signal(signal.SIGKILL)
    server.process.wait()
    wait.until(lambda: not any(map(procfs.alive, workers)), "the workers have left")
    again = gateway("contract:app", "--bind", f"127.0.0.1:{server.port}")
    assert again.get("/").status == 200


# Files


def test_log_rotation_loses_no_line(gateway, tmp_path):
    access, moved = tmp_path / "access.log", tmp_path / "access.1"
    server = gateway("contract:app", "--workers", 2, "--access-logfile", access)
    with loaded(server) as load:
        for turn in range(5):
            load.wait_for_more(200)
            access.rename(tmp_path / f"access.{turn}")
            server.signal(signal.SIGUSR1)
            wait.until(access.exists, "a new log file")
        load.wait_for_more(200)
        assert_no_loss(load)
    answered = load.outcomes["ok"]
    assert server.stop() == 0
    lines = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines()]
    assert len([line for line in lines if "/echo" in line]) == answered
    assert moved.exists()


def test_error_log_is_reopened(gateway, tmp_path):
    log = tmp_path / "error.log"
    server = gateway("contract:app", "--error-logfile", log, "--bind", f"unix:{tmp_path}/s", wait=False)
    server.address = str(tmp_path / "s")
    wait.until(lambda: answers(server), "the server answers")
    log.rename(tmp_path / "error.1")
    server.signal(signal.SIGUSR1)
    wait.until(log.exists, "a new log file")
    server.get("/log?line=after-the-rotation")
    wait.until(lambda: "after-the-rotation" in log.read_text(), "the line is in the new file")


def test_pid_file_lives_as_long_as_the_master(gateway, tmp_path):
    path = tmp_path / "pid"
    server = gateway("contract:app", "--pid", path)
    assert path.read_text().strip() == str(server.pid)
    server.stop()
    assert not path.exists()


def test_stale_pid_file_is_replaced(gateway, tmp_path):
    path = tmp_path / "pid"
    path.write_text("4194303\n")
    server = gateway("contract:app", "--pid", path)
    assert path.read_text().strip() == str(server.pid)


def test_live_pid_file_is_refused(gateway, tmp_path):
    path = tmp_path / "pid"
    first = gateway("contract:app", "--pid", path)
    second = gateway("contract:app", "--pid", path, wait=False)
    assert second.wait() == 1
    assert str(first.pid) in second.error_log()
    assert path.read_text().strip() == str(first.pid)


def test_unix_socket_file_lives_as_long_as_the_master(gateway, tmp_path):
    path = tmp_path / "socket"
    server = gateway("contract:app", "--bind", f"unix:{path}", "--workers", 2)
    assert server.get("/").body == b"Hello, World!"
    assert server.stop() == 0
    assert not path.exists()


def test_stale_unix_socket_is_replaced_and_a_live_one_refused(gateway, tmp_path):
    path = tmp_path / "socket"
    first = gateway("contract:app", "--bind", f"unix:{path}")
    second = gateway("contract:app", "--bind", f"unix:{path}", wait=False)
    assert second.wait() == 1 and str(path) in second.error_log()
    assert first.get("/").status == 200
    first.signal(signal.SIGKILL)
    first.process.wait()
    wait.until(lambda: not procfs.session_members(first.pid), "the workers have left")
    assert path.exists()
    third = gateway("contract:app", "--bind", f"unix:{path}")
    assert third.get("/").status == 200


def test_abstract_socket_is_served(gateway):
    name = f"evgateway-test-{os.getpid()}"
    server = gateway("contract:app", "--bind", f"unix:@{name}")
    with wire.Wire("\0" + name) as client:
        assert client.get("/").status == 200
    assert server.stop() == 0


def test_requests_that_arrive_during_a_reload_wait_in_the_queue(gateway):
    """While a new worker imports slowly, the old one serves."""
    server = gateway("contract:app")
    before = server.worker_pids()
    answers_during = []

    def ask():
        for _ in range(50):
            answers_during.append(server.get("/").status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    server.signal(signal.SIGHUP)
    for thread in threads:
        thread.join()
    assert answers_during == [200] * 200
    server.wait_for_workers(1, besides=before)


def test_signal_that_comes_while_the_app_is_looked_at_is_handled_when_the_master_listens(gateway, tmp_path):
    """Its default would end the server: a reload at the wrong moment is no reason to."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "app.py").write_text(
        "import os\n"
        "if os.path.exists('gate'):\n"
        "    open('gate').read()\n"
        "from contract import app\n")
    server = gateway("app:app", cwd=tmp_path, wait=False)
    with open(gate, "w"):
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN):
            server.signal(number)
        gate.unlink()
    server.wait_until_ready(2)
    server.log.wait_for("Handling signal: hup")
    server.log.wait_for("Handling signal: ttin")
