"""evgateway.leaving: an app learns that its worker is leaving, in every class, and ends in time what it holds. The time
that a worker waits for its requests is longer here than any test: what ends earlier has been told."""

import os
import signal
import subprocess

import pytest

from conftest import PYTHON
from support.classes import CLASSES
from support.gateway import ROOT

HELD = 8
WAITING = [name for name in CLASSES if name != "inline"]


@pytest.fixture
def leaves(gateway):
    """Factory: `leaves(called_by, *flags)` serves apps/leaves.py."""
    def start(called_by, *flags):
        app, *chosen = CLASSES[called_by]
        return gateway(app.replace("both", "leaves"), *chosen, "--lifespan", "off", "--graceful-timeout", 300, *flags)
    return start


def hold(server, target, count=1):
    """Clients whose requests the app holds."""
    position = server.log_position()
    clients = [server.connect(timeout=120).request("GET", target) for _ in range(count)]
    server.wait_for_log("holding", count=count, start=position)
    return clients


def answers(clients):
    found = []
    for client in clients:
        with client:
            answer = client.read()
            assert answer.status == 200
            found.append(answer.body)
    return found


def reload(server):
    before = server.worker_pids()
    server.signal(signal.SIGHUP)
    return before


def test_object_is_the_workers(leaves, called_by):
    server = leaves(called_by)
    with server.connect() as client:
        assert client.get("/same").body == b"True" and client.get("/set").body == b"False"


@pytest.mark.parametrize("called_by", WAITING)
def test_reload_ends_what_waits(leaves, called_by):
    server = leaves(called_by)
    assert server.get("/wait?timeout=0.01").body == b"False"
    clients = hold(server, "/wait", HELD)
    before = reload(server)
    assert answers(clients) == [b"True"] * HELD
    server.wait_for_workers(1, besides=before)
    assert server.get("/set").body == b"False"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_stop_ends_what_waits(leaves, called_by, number):
    server = leaves(called_by)
    clients = hold(server, "/stream")
    server.signal(number)
    if number == signal.SIGTERM:
        (body,) = answers(clients)
        assert body.startswith(b"tick\n") and body.endswith(b"end\n")
    assert server.wait() == 0
    for client in clients:
        client.close()


def test_stream_ends_whole_with_its_worker(leaves, called_by):
    server = leaves(called_by)
    clients = hold(server, "/stream")
    before = reload(server)
    (body,) = answers(clients)
    assert body.startswith(b"tick\n") and body.endswith(b"end\n")
    server.wait_for_workers(1, besides=before)


def test_worker_that_has_served_its_requests_tells(leaves):
    server = leaves("threads", "--max-requests", 3)
    before = server.worker_pids()
    clients = hold(server, "/wait")
    for _ in range(2):
        server.get("/set")
    assert answers(clients) == [b"True"]
    server.wait_for_workers(1, besides=before)


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_callbacks_are_called_once(leaves, called_by, preload):
    server = leaves(called_by, *(["--preload"] if preload and called_by != "gevent" else []))
    clients = hold(server, "/called") if called_by != "inline" else []
    before = reload(server)
    assert answers(clients) == [b"True"] * len(clients)
    server.wait_for_workers(1, besides=before)
    place = {"threads": "evgateway-leave", "gevent": r"(MainThread|Dummy-\d+|GreenletProfiler)"}
    assert len(server.log.matches(rf"^told on {place.get(called_by, 'MainThread')}")) == 1, server.error_log()
    assert len(server.log.matches(r"Error in a callback of on_leave")) == 1
    assert len(server.log.matches(r"^ValueError: a callback fails")) == 1
    assert not server.log.matches("although forgotten")


SLOW = """
import asyncio
import sys
import time
from evgateway import leaving


def slow():
    time.sleep(0.1)
    print("told", file=sys.stderr)


async def later():
    await asyncio.sleep(0.1)
    print("told", file=sys.stderr)


def wsgi(environ, start_response):
    pass


async def asgi(scope, receive, send):
    pass


leaving.on_leave(later if "--asgi" in sys.argv else slow)
"""


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT], ids=["HUP", "TERM", "QUIT"])
def test_callback_of_an_idle_worker_is_called_to_its_end(gateway, called_by, tmp_path, number):
    (tmp_path / "slow.py").write_text(SLOW)
    app, *flags = CLASSES[called_by]
    server = gateway(app.replace("both", "slow"), *flags, "--pythonpath", tmp_path, "--lifespan", "off",
                     arguments=["--asgi"] if "asgi" in app else [])
    if number == signal.SIGHUP:
        server.wait_for_workers(1, besides=reload(server))
    else:
        assert server.stop(number) == 0
    assert len(server.log.matches("^told$")) == 1
    assert not server.log.matches(r"\[ERROR\]")


def test_inline_app_cannot_wait_on_the_loop(leaves):
    server = leaves("inline")
    assert server.get("/wait?timeout=0").body == b"False"
    assert b"cannot wait in class inline" in server.get("/wait").body


@pytest.mark.parametrize("called_by", ["asyncio", "uvloop"])
def test_loop_of_another_thread_is_woken(leaves, called_by):
    server = leaves(called_by)
    clients = hold(server, "/thread")
    reload(server)
    assert answers(clients) == [b"True"]


NATIVE = """
import sys
import evgateway
from gevent import get_hub


def app(environ, start_response):
    start_response('200 OK', [])
    sys.stderr.write('holding\\n')
    return [str(get_hub().threadpool.apply(evgateway.leaving.wait)).encode()]
"""


def test_native_thread_beside_greenlets_is_woken(gateway, tmp_path):
    (tmp_path / "native.py").write_text(NATIVE)
    server = gateway("native:app", "-k", "gevent", "--pythonpath", tmp_path, "--graceful-timeout", 300)
    clients = hold(server, "/")
    reload(server)
    assert answers(clients) == [b"True"]


def test_outside_of_a_server_it_is_never_set():
    text = ("from evgateway import leaving\n"
            "leaving.on_leave(print)\n"
            "print(leaving.is_set(), leaving.wait(0.01), leaving)\n"
            "try: leaving.on_leave(1)\n"
            "except TypeError as error: print(error)\n")
    path = str(ROOT / "Sources" / "CPythonBridge" / "python")
    result = subprocess.run([PYTHON, "-c", text], env={**os.environ, "PYTHONPATH": path}, capture_output=True,
                            text=True, check=True)
    assert result.stdout == ("False False <evgateway.leaving: False>\n"
                             "on_leave takes a callable without arguments, not int\n")


@pytest.mark.parametrize("worker_class", ["gevent", "threads"])
def test_chat_ends_its_holds(gateway, worker_class):
    server = gateway("Examples/longpoll/app.py", "-k", worker_class, "--graceful-timeout", 300,
                     env={"CHAT_HOLD": "300", "CHAT_FILE": ""})
    (pid,) = server.worker_pids()
    clients = [server.connect(timeout=120).request("GET", "/messages?after=0") for _ in range(4)]
    assert server.get("/health").status == 200      # and so it has accepted the four
    reload(server)
    assert answers(clients) == [b'{"last":0,"messages":[]}\n'] * 4
    server.wait_for_workers(1, besides=[pid])
