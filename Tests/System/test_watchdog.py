"""A worker whose loop is blocked: before it is killed, the log shows the request and the Python stacks."""

import os
import re
import signal
import socket
import threading
import time

import pytest

from support import procfs, wait
from support.gateway import BUILD

STACK_SIGNALS = signal.SIGRTMAX - 3, signal.SIGRTMAX - 4

APP = """
import faulthandler
import os
import signal
import threading

if os.environ.get('MEDDLING') == 'disabled':
    faulthandler.disable()
elif os.environ.get('MEDDLING') == 'elsewhere':
    faulthandler.enable(open(os.devnull, 'w'))


def idle(event):
    event.wait()


def app(environ, start_response):
    if environ['PATH_INFO'] == '/child':
        if not (child := os.fork()):
            signal.pause()
        start_response('200 OK', [])
        return [str(child).encode()]
    if environ['PATH_INFO'] == '/stuck':
        threading.Thread(target=idle, args=(threading.Event(),), daemon=True).start()
        open(os.environ['STUCK_MARK'], 'w').close()
        stand_still()
    start_response('200 OK', [])
    return [b'fine']


async def asgi_app(scope, receive, send):
    if scope['path'] == '/stuck':
        threading.Thread(target=idle, args=(threading.Event(),), daemon=True).start()
        stand_still()
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'fine'})


def stand_still():
    while True:
        os.getpid()
"""


@pytest.fixture
def stuck(gateway, tmp_path):
    """Starts a server with one worker and a log file, and sends it a request that never ends."""
    (tmp_path / "stuck.py").write_text(APP)
    log = tmp_path / "error.log"

    def start(*flags, worker_class="inline", env=()):
        app = "stuck:asgi_app" if worker_class == "asgi" else "stuck:app"
        flags = ("-k", worker_class, "--lifespan", "off", *flags)
        server = gateway(app, "--pythonpath", tmp_path, "--error-logfile", log, *flags,
                         env={"STUCK_MARK": str(tmp_path / "mark"), **dict(env)}, wait=False)
        wait.until(lambda: log.exists() and "Worker ready" in log.read_text(), "the worker is ready")
        address = re.search(r"Listening at: http://([\d.]+):(\d+)", log.read_text())
        server.address = (address[1], int(address[2]))
        return server, log

    return start


def ask_and_hang(server):
    thread = threading.Thread(target=lambda: _swallow(server), daemon=True)
    thread.start()
    return thread


def _swallow(server):
    try:
        server.get("/stuck?secret=no")
    except Exception:  # the connection ends with the worker
        pass


@pytest.mark.parametrize("worker_class", ["inline", "gevent", "asgi"])
def test_log_file_has_the_request_and_the_stacks(stuck, worker_class):
    server, log = stuck("--timeout", 1, worker_class=worker_class)
    thread = ask_and_hang(server)
    wait.until(lambda: log.read_text().count("Worker ready") == 2, "a new worker replaces the stuck one", timeout=60)
    thread.join(30)
    text = log.read_text()
    assert re.search(r'has stood still for [\d.]+ s and is aborted; it is in "GET /stuck\?secret=no HTTP/1.1"', text)
    assert text.count("Stacks of the worker (pid: ") == text.count("in stand_still") == 1
    # Every thread of the app, the innermost frame first.
    assert re.search(r'stuck\.py", line \d+ in stand_still\n.*stuck\.py", line \d+ in (asgi_)?app', text)
    if worker_class != "gevent":  # where threads are greenlets, whose stacks faulthandler does not print
        assert re.search(r'stuck\.py", line \d+ in idle', text)
    assert text.index("is aborted") < text.index("in stand_still") < text.rindex("Worker ready")
    assert "in stand_still" not in server.error_log()
    assert server.get("/").body == b"fine"


def test_abort_after_a_rotation_goes_to_the_new_file(stuck, tmp_path):
    server, log = stuck()
    log.rename(log.with_suffix(".1"))
    server.signal(signal.SIGUSR1)
    worker = server.worker_pids()[0]
    # The worker reopens its log by itself. Wait until its descriptor is the new file.
    wait.until(lambda: str(log) in procfs.open_paths(worker), "the worker has opened the new file")
    thread = ask_and_hang(server)
    wait.until((tmp_path / "mark").exists, "the request is inside")
    os.kill(worker, signal.SIGABRT)
    wait.until(lambda: "Worker ready" in log.read_text(), "a new worker is ready", timeout=60)
    thread.join(30)
    assert "in stand_still" in log.read_text() and "in stand_still" not in log.with_suffix(".1").read_text()


@pytest.mark.parametrize("meddling", ["disabled", "elsewhere"])
@pytest.mark.parametrize("worker_class", ["inline", "gevent", "asgi"])
def test_fault_handler_of_the_app_does_not_keep_the_stacks(stuck, worker_class, meddling):
    server, log = stuck("--timeout", 1, worker_class=worker_class, env={"MEDDLING": meddling})
    thread = ask_and_hang(server)
    wait.until(lambda: log.read_text().count("Worker ready") == 2, "a new worker replaces the stuck one", timeout=60)
    thread.join(30)
    assert re.search(r"Stacks of the worker.*\n(  .*\n)*  .*stuck\.py\", line \d+ in stand_still\n", log.read_text())


def test_stacks_go_to_syslog_too(stuck, tmp_path):
    there = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    there.settimeout(60)
    with there:
        there.bind(str(tmp_path / "syslog"))
        server, _ = stuck("--timeout", 1, "--log-syslog", "--log-syslog-to", f"unix://{tmp_path / 'syslog'}#dgram")
        thread = ask_and_hang(server)
        received = b""
        while b"in stand_still" not in received:
            received = there.recv(65536)
        server.stop()
        thread.join(30)


@pytest.mark.parametrize("worker_class", ["inline", "gevent", "asgi"])
def test_request_that_blocks_its_loop_is_slow_and_goes_on(stuck, worker_class):
    server, log = stuck("--slow-request", 1, worker_class=worker_class)
    (worker,) = server.worker_pids()
    thread = ask_and_hang(server)
    wait.until(lambda: "in stand_still" in log.read_text(), "the stack is in the log")
    text = log.read_text()
    assert re.search(r'\[WARNING\] A request is slow: "GET /stuck", for [\d.]+ s, in the app, and the loop of its '
                     rf"worker stands still \(pid: {worker}\)\nStacks of the worker \(pid: {worker}\):\n"
                     r'  Stack \(most recent call first\):\n  +File ".*stuck\.py", line \d+ in stand_still\n', text)
    assert "in idle" not in text and "secret" not in text
    time.sleep(2.5)     # a second look would be due
    assert log.read_text().count("in stand_still") == 1 and server.worker_pids() == [worker]
    server.stop(signal.SIGQUIT)
    thread.join(30)


def test_signals_of_the_stacks_do_not_end_a_worker_that_boots(gateway, tmp_path):
    mark = tmp_path / "mark"
    (tmp_path / "late.py").write_text(f"import time\nopen({str(mark)!r}, 'w').close()\ntime.sleep(1000)\n")
    server = gateway("late:app", "--pythonpath", tmp_path, "-k", "inline", wait=False)
    pid = int(server.wait_for_log(r"Booting worker with pid: (\d+)")[1])
    wait.until(mark.exists, "the app is being imported")
    for number in STACK_SIGNALS:
        os.kill(pid, number)
    time.sleep(0.5)
    assert procfs.alive(pid)


def test_signal_of_the_stacks_does_not_end_what_the_app_has_started(stuck):
    server, log = stuck(worker_class="inline")
    child = int(server.get("/child").body)
    for number in STACK_SIGNALS:
        os.kill(child, number)
    assert server.get("/").body == b"fine"
    assert procfs.alive(child)
    os.kill(child, signal.SIGKILL)


def test_swift_app_that_stands_still_is_replaced(gateway):
    """It has no stacks, and the signals that ask for them do it no harm."""
    server = gateway(BUILD / "example-hello", "--timeout", 0)
    (worker,) = server.worker_pids()
    for number in STACK_SIGNALS:
        os.kill(worker, number)
    assert server.get("/").status == 200 and server.worker_pids() == [worker]
