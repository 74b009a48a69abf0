"""`-k auto`: the app decides the class, the log shows the choice and its reason, and failures end a worker only."""

import os
import signal
import subprocess

import pytest

from support import wait

WSGI = """
def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'wsgi']
"""

ASGI = """
async def app(scope, receive, send):
    if scope['type'] == 'http':
        await send({'type': 'http.response.start', 'status': 200, 'headers': []})
        await send({'type': 'http.response.body', 'body': b'asgi'})
    elif scope['type'] == 'lifespan':
        raise RuntimeError('no lifespan')


class Object:
    async def __call__(self, scope, receive, send):
        await app(scope, receive, send)


class Double:
    def __init__(self, scope):
        pass

    async def __call__(self, receive, send):
        pass


def single(scope, receive, send):
    return app(scope, receive, send)


def double(scope):
    return lambda receive, send: None


wrapped = Object()
"""


@pytest.fixture
def served(gateway, tmp_path):
    """Starts a server with an app `chosen.py` that has this text."""
    def start(text, *flags, locator="chosen:app", **more):
        (tmp_path / "chosen.py").write_text(text)
        return gateway(locator, "--pythonpath", tmp_path, *flags, **more)
    return start


def ended(server, code):
    assert server.wait() == code
    server.log.thread.join(10)
    return server.error_log()


def using(server):
    return server.wait_for_log(r"Using worker: (\w+)(?: \((.*)\))?")


def test_wsgi_app_is_called_and_the_reason_is_told(served, python):
    server = served(WSGI, python=python)
    assert server.get("/").body == b"wsgi"
    found = subprocess.run([python, "-c", "import gevent; print(gevent.__version__)"], capture_output=True, text=True)
    if found.returncode == 0:
        assert using(server).groups() == ("gevent", f"a WSGI app, and gevent {found.stdout.strip()} is installed")
    else:
        assert using(server).groups() == ("threads", "a WSGI app, and gevent is not installed")


@pytest.mark.parametrize("text, reason", [
    ("raise ModuleNotFoundError(name='gevent')", "gevent is not installed"),
    ("raise OSError('of another machine')", "gevent cannot be imported"),
    ("__version__ = '1.4.0'", "gevent 1.4.0 is too old"),
])
def test_gevent_that_cannot_be_used_gives_threads(served, tmp_path, text, reason):
    (tmp_path / "gevent.py").write_text(text)
    server = served(WSGI)
    assert server.get("/").body == b"wsgi"
    assert using(server).groups() == ("threads", f"a WSGI app, and {reason}")


def test_explicit_class_needs_no_reason_and_no_import(served, tmp_path):
    server = served(f"open({str(tmp_path / 'imports')!r}, 'a').write('x')\n" + WSGI, "-k", "inline")
    assert server.get("/").body == b"wsgi"
    assert using(server).groups() == ("inline", None)
    assert (tmp_path / "imports").read_text() == "x"


@pytest.mark.parametrize("locator", ["app", "wrapped", "single"])
def test_asgi_app_is_told_by_its_looks(served, python, locator):
    server = served(ASGI, locator=f"chosen:{locator}", python=python)
    assert server.get("/").body == b"asgi"
    assert using(server).groups() == ("asgi", "an ASGI app")


def test_interface_overrides_the_looks(served):
    wrapped = ASGI + "\ninner = app\n\n\ndef app(*arguments):\n    return inner(*arguments)\n"
    server = served(wrapped, "--interface", "asgi")
    assert server.get("/").body == b"asgi"
    assert using(server).groups() == ("asgi", "--interface is asgi")


def test_interface_wsgi_imports_the_app_in_the_worker_alone(served, tmp_path):
    text = f"open({str(tmp_path / 'imports')!r}, 'a').write('x')\n" + WSGI
    assert served(text, "--interface", "wsgi").get("/").body == b"wsgi"
    assert (tmp_path / "imports").read_text() == "x"


@pytest.mark.parametrize("locator", ["Double", "double"])
@pytest.mark.parametrize("worker_class", ["auto", "asgi", "inline"])
def test_asgi_2_is_refused_by_name(served, locator, worker_class):
    server = served(ASGI, "-k", worker_class, locator=f"chosen:{locator}", wait=False)
    log = ended(server, 4)
    assert f"'chosen:{locator}' is an ASGI 2 app" in log and "guarantee_single_callable" in log


@pytest.mark.parametrize("text, flags, expected", [
    (ASGI, ["-k", "inline"], "is an ASGI app, and a WSGI app is asked for: use --worker-class asgi"),
    (WSGI, ["-k", "asgi"], "is a WSGI app, and an ASGI app is asked for: use --worker-class gevent, threads or inline"),
])
def test_class_that_cannot_call_the_app_is_refused(served, text, flags, expected):
    log = ended(served(text, *flags, wait=False), 4)
    assert log.count(f"'chosen:app' {expected}") == 1


def test_failure_of_the_app_is_told_once_and_by_the_worker(served):
    log = ended(served("print('said at import')\nraise RuntimeError('not today')", wait=False), 3)
    assert log.count("RuntimeError: not today") == 2, log  # the traceback's last line, and the line of the log
    assert log.count("Traceback (most recent call last)") == 1
    assert "the app could not be examined" not in log


@pytest.mark.parametrize("worker_class", ["auto", "asgi", "inline", "threads"])
@pytest.mark.parametrize("parameters", ["", "config=None", "config=None, debug=False", "config=None, **more"])
def test_function_that_makes_the_app_is_no_app(served, worker_class, parameters):
    factory = f"\n\ndef create_app({parameters}):\n    return app\n"
    log = ended(served(WSGI + factory, "-k", worker_class, locator="chosen:create_app", wait=False), 4)
    assert log.count("'chosen:create_app' takes no request") == 1 and "chosen:create_app()" in log


@pytest.mark.parametrize("parameters", ["*arguments, **more", "environ=None, start_response=None"])
def test_wrapper_of_an_app_is_an_app(served, parameters):
    call = parameters.replace("=None", "")
    server = served(WSGI + f"\ninner = app\n\n\ndef app({parameters}):\n    return inner({call})\n")
    assert server.get("/").body == b"wsgi"


def test_missing_attribute_is_the_same_line_as_ever(served):
    log = ended(served(WSGI, locator="chosen:ap", wait=False), 4)
    assert log.count("'chosen' has no attribute 'ap'") == 1


def test_import_that_ends_the_process_ends_only_a_child(served):
    server = served("import os\nos._exit(9)", wait=False)
    server.wait_for_log("exited with code 9 before it was ready")
    assert server.stop() == 0


def test_import_that_hangs_is_given_up(served, tmp_path):
    """The first import hangs, but not the imports in workers."""
    text = (f"import os, time\nmark = {str(tmp_path / 'mark')!r}\n"
            "if not os.path.exists(mark):\n    open(mark, 'w').close()\n    time.sleep(3600)\n")
    server = served(text + WSGI, "--timeout", 1)
    assert server.get("/").body == b"wsgi"
    assert using(server)[2] == "the app could not be examined"


def test_the_import_leaves_nothing_in_the_master(served):
    """If the app were imported in the master and started a thread there, the master could not fork safely."""
    text = "import threading, time\nthreading.Thread(target=time.sleep, args=(3600,), daemon=True).start()\n"
    server = served(text + WSGI)
    assert server.get("/").body == b"wsgi"
    assert "threads" not in server.error_log().replace("Using worker: threads", "")


def test_signal_during_the_import_ends_master_and_child(served, tmp_path):
    text = f"import time\nopen({str(tmp_path / 'mark')!r}, 'w').close()\ntime.sleep(3600)\n"
    server = served(text + WSGI, wait=False)
    wait.until((tmp_path / "mark").exists, "the import has begun")
    server.signal(signal.SIGTERM)
    assert server.wait() in (0, -signal.SIGTERM)


def test_choice_is_kept_over_a_reload(served, tmp_path):
    server = served(WSGI)
    before = server.worker_pids()
    (tmp_path / "chosen.py").write_text(ASGI)
    server.signal(signal.SIGHUP)
    server.wait_for_log("is an ASGI app, and a WSGI app is asked for")
    server.wait_for_log("Reload aborted")
    assert server.worker_pids() == before and server.get("/").body == b"wsgi"
    assert len(server.log.matches("Using worker: ")) == 1


def test_preloaded_app_is_never_given_to_gevent(served):
    server = served(WSGI, "--preload")
    assert server.get("/").body == b"wsgi"
    assert using(server).groups() == ("threads", "a WSGI app, which gevent cannot patch after --preload")


def test_sync_serves_one_request_at_a_time(served, tmp_path):
    """As gunicorn's does; the worker goes on answering for itself meanwhile."""
    os.mkfifo(tmp_path / "gate")
    text = f"""
def app(environ, start_response):
    start_response('200 OK', [])
    if environ['PATH_INFO'] == '/waits':
        open({str(tmp_path / 'gate')!r}).close()
    return [str(environ['wsgi.multithread']).encode()]
"""
    server = served(text, "-k", "sync")
    assert using(server).groups() == ("threads", "one request at a time")
    with server.connect() as first, server.connect() as second, server.connect() as wrong:
        first.request("GET", "/waits")
        gate = open(tmp_path / "gate", "w")     # returns when the app has begun to wait
        second.request("GET", "/")
        assert wrong.send("no request\r\n\r\n").read().status == 400
        gate.close()
        assert first.read().body == second.read().body == b"False"


def test_threads_asked_for_are_threads_got(served):
    server = served(WSGI, "--threads", 2)
    assert server.get("/").body == b"wsgi"
    assert using(server).groups() == ("threads", "a WSGI app, and --threads is given")


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


@pytest.mark.parametrize("workers", [1, 2])
def test_module_of_the_app_may_have_a_name_of_the_standard_library(gateway, tmp_path, workers):
    """Several workers share what their master imports of the standard library."""
    (tmp_path / "secrets.py").write_text("KEY = 'own'\n")
    (tmp_path / "app.py").write_text(
        "import secrets\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [secrets.KEY.encode()]\n")
    server = gateway("app:app", "-k", "threads", "--workers", workers, cwd=tmp_path)
    assert server.get("/").body == b"own"
