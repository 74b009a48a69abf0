"""Programs that call evgateway.serve(), as processes: what it leaves behind, where it may be called, and what the
package is without the server."""

import json
import shutil

import pytest

from conftest import PYTHON
from support import wait
from support.classes import CLASSES
from support.program import PACKAGE, Program
from test_python_api import HEAD, MODULE


def test_the_process_is_afterwards_what_it_was(program):
    server = program(HEAD + """
def descriptors():
    return len(os.listdir("/proc/self/fd"))

def stop(server):
    os.kill(os.getpid(), signal.SIGTERM)

signal.signal(signal.SIGTERM, lambda *_: print("my handler"))
signal.signal(signal.SIGWINCH, signal.SIG_IGN)
folder = os.getcwd()
os.umask(0o022)
evgateway.serve(app, port=0, when_ready=stop, chdir="/", umask=0o077, on_exit=lambda server: print(os.getcwd()))
print(os.getcwd() == folder, os.umask(0o022) == 0o022)
before = descriptors()
for _ in range(3):
    evgateway.serve(app, port=0, when_ready=stop)
print(descriptors() - before)
os.kill(os.getpid(), signal.SIGTERM)
try:
    os.kill(os.getpid(), signal.SIGINT)
    signal.pause()
except KeyboardInterrupt:
    print("interrupted")
with open("/proc/self/status") as status:
    ignored = [int(line.split()[1], 16) for line in status if line.startswith("SigIgn")]
print(bool(ignored[0] >> (signal.SIGWINCH - 1) & 1))
""", workers=None)
    assert server.wait() == 0
    assert server.said() == ["/", "True True", "0", "my handler", "interrupted", "True"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_of_multiprocessing(program, method):
    server = program(HEAD + f"""
import multiprocessing
if __name__ == "__main__":
    context = multiprocessing.get_context("{method}")
    process = context.Process(target=evgateway.serve, args=(app,), kwargs=dict(port=0, workers=2), daemon=True)
    process.start()
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    process.join()
    print(process.exitcode)
""", workers=2)
    assert server.get().status == 200
    assert server.stop() == 0 and server.said() == ["0"]


def test_under_gevent(program):
    server = program("""
from gevent import monkey
monkey.patch_all()
import gevent, threading
""" + HEAD + """
evgateway.serve(app, port=0, workers=2)
gevent.spawn(print, "after").join()
thread = threading.Thread(target=print, args=("thread",))
thread.start()
thread.join()
""", workers=2)
    assert server.get("/p").body == b"/p True []"
    assert "Using worker: gevent" in server.error_log()
    assert server.stop() == 0 and server.said() == ["after", "thread"]


def test_what_is_meant_for_a_command_line_is_left_alone(program, tmp_path):
    (tmp_path / "gunicorn.conf.py").write_text("workers = 5\n1 / 0\n")
    (tmp_path / "mine.py").write_text("threads = 5\nworkers = 7\ndef when_ready(server): print('hook of the file')\n")
    environment = {"GUNICORN_CMD_ARGS": "--nothing", "EVGATEWAY_CMD_ARGS": "--workers 9", "WEB_CONCURRENCY": "2",
                   "EVGATEWAY_THREADS": "4"}
    server = program(HEAD + "evgateway.serve(app, port=0)\n", workers=2, env=environment)
    assert server.log.matches("on 4 threads") and len(server.worker_pids()) == 2
    server.stop()
    server = program(HEAD + "evgateway.serve(app, port=0, workers=1, config='mine.py')\n", env=environment)
    server.output.wait_for("hook of the file")
    assert server.log.matches("on 5 threads") and len(server.worker_pids()) == 1


def test_python_m(program, tmp_path):
    (tmp_path / "module.py").write_text(MODULE)
    server = Program([PYTHON, "-m", "evgateway", "module:app", "-w", 2, "-b", "127.0.0.1:0"], tmp_path)
    try:
        assert server.wait_until_ready(2).get().body == b"wsgi"
        assert server.stop() == 0
    finally:
        server.clean_up()
    server = Program([PYTHON, "-m", "evgateway"], tmp_path)
    try:
        assert server.wait() == 1
        assert server.error_log() == "evgateway: no APP given: name it on the command line, or as wsgi_app in the file"
    finally:
        server.clean_up()


def test_the_package_without_the_server(program, tmp_path):
    text = """
import sys
import evgateway
print([name for name in sys.modules if "evgateway" in name], evgateway.version, evgateway.worker)
"""
    server = program(text, workers=None)
    assert server.wait() == 0
    assert server.said()[0].startswith("['evgateway'] ") and not server.said()[0].startswith("['evgateway'] None")
    shutil.copytree(PACKAGE / "evgateway", tmp_path / "alone" / "evgateway")
    server = program(text + "evgateway.serve('module:app')\n", workers=None,
                     env={"PYTHONPATH": str(tmp_path / "alone")})
    assert server.wait() == 1 and server.said() == ["['evgateway'] None None"]
    assert server.error_log().splitlines()[-1].startswith("ImportError: ")


@pytest.mark.parametrize("name", list(CLASSES))
def test_an_app_asks_of_its_worker(gateway, tmp_path, name):
    (tmp_path / "asking.py").write_text("""
import json, os
import evgateway

def told():
    worker = evgateway.worker
    return json.dumps([worker.index, worker.age, worker.pid == os.getpid(), worker.connections, worker.requests,
                       evgateway.version]).encode()

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [told()]

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": told()})
""")
    server = gateway(CLASSES[name][0].replace("both", "asking"), *CLASSES[name][1:], "--pythonpath", tmp_path)
    index, age, is_own, connections, requests, version = json.loads(server.get().body)
    assert (index, age, is_own, requests) == (0, 1, True, 1) and connections >= 1 and version
    others = [server.connect() for _ in range(3)]
    for wire in others:
        assert wire.get().status == 200
    with server.connect() as wire:
        wait.until(lambda: json.loads(wire.get().body)[3] == 4, "four connections are counted")
        for other in others:
            other.close()
        wait.until(lambda: json.loads(wire.get().body)[3] == 1, "one is left")
