"""A worker whose loop is blocked: before it is killed, the log shows the request and the Python stacks."""

import os
import re
import signal
import threading

import pytest

from support import procfs, wait

APP = """
import os
import threading


def idle(event):
    event.wait()


def app(environ, start_response):
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

    def start(*flags, worker_class="inline"):
        app = "stuck:asgi_app" if worker_class == "asgi" else "stuck:app"
        flags = ("-k", worker_class, "--lifespan", "off", *flags)
        server = gateway(app, "--pythonpath", tmp_path, "--error-logfile", log, *flags,
                         env={"STUCK_MARK": str(tmp_path / "mark")}, wait=False)
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
    assert "Fatal Python error: Aborted" in text
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
