"""How workers leave, and are told to: what reaches them whatever the app does, and what the log says of it."""

import os
import signal

import pytest

from support import procfs, wait, wire
from support.classes import CLASSES

IGNORES_SIGNALS = """
import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def wsgi(environ, start_response):
    start_response('200 OK', [])
    return [b'fine']


async def asgi(scope, receive, send):
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'fine'})
"""


@pytest.fixture
def app(tmp_path):
    """Factory: `app(source)` writes a module and returns the flags that find it."""
    def write(source):
        (tmp_path / "leaving.py").write_text(source)
        return "--pythonpath", tmp_path, "--lifespan", "off"
    return write


def of_class(called_by):
    if called_by in ("asyncio", "uvloop"):
        return "leaving:asgi", "-k", "asgi", "--asgi-loop", called_by
    return "leaving:wsgi", "-k", called_by


def test_term_for_the_group_is_no_error_while_workers_boot(gateway):
    server = gateway("contract:app", "--workers", 4, wait=False)
    server.wait_for_log("Booting worker", count=4)
    os.killpg(server.pid, signal.SIGTERM)
    assert server.wait() == 0
    assert "[ERROR]" not in server.error_log()


def test_app_that_ignores_signals_stops_and_reopens_its_logs(gateway, app, called_by, tmp_path):
    access = tmp_path / "access.log"
    server = gateway(*of_class(called_by), *app(IGNORES_SIGNALS), "--access-logfile", access, "--graceful-timeout", 60)
    access.rename(tmp_path / "access.1")
    server.signal(signal.SIGUSR1)
    (worker,) = server.worker_pids()
    wait.until(lambda: str(access) in procfs.open_paths(worker), "the worker has opened the new file")
    assert server.get("/").body == b"fine"
    assert server.stop(timeout=20) == 0
    assert "GET / HTTP/1.1" in access.read_text()


CLOSES = """
import os


def close(path):
    if path == '/all':
        os.closerange(3, 50)
    if path == '/wake':
        names = {number: os.readlink(f'/proc/self/fd/{number}') for number in range(3, 50)
                 if os.path.lexists(f'/proc/self/fd/{number}')}
        os.close(min(number for number in names if names[number] == 'anon_inode:[eventfd]'))


def wsgi(environ, start_response):
    close(environ['PATH_INFO'])
    start_response('200 OK', [])
    return [b'fine']


async def asgi(scope, receive, send):
    close(scope['path'])
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'fine'})
"""


def test_worker_whose_descriptors_the_app_closes_is_replaced(gateway, app, called_by):
    server = gateway(*of_class(called_by), *app(CLOSES))
    (pid,) = server.worker_pids()
    with server.connect() as client:
        # gevent's hub has had its first turn then; before, it aborts the process.
        assert client.get("/").body == b"fine"
        client.request("GET", "/all")
        server.wait_for_workers(1, besides=[pid])
    if called_by == "uvloop":  # libuv aborts the process before anybody can look
        server.wait_for_log(rf"\[ERROR\] Worker \(pid: {pid}\) was killed by SIGABRT")
    else:
        server.wait_for_log(rf"\[{pid}\] \[ERROR\] The app has closed or replaced the workers' common wake")
        server.wait_for_log(rf"\[ERROR\] Worker \(pid: {pid}\) has lost descriptors of its own")
        assert len(server.log.matches(r"\[ERROR\]")) == 2
    server.wait_for_log("Worker ready", count=2)
    assert server.get("/").body == b"fine"


def test_worker_notices_that_a_client_has_the_number_of_its_wake(gateway, app):
    server = gateway(*of_class("inline"), *app(CLOSES))
    (pid,) = server.worker_pids()
    with server.connect() as client:
        assert client.get("/wake").body == b"fine"
        other = server.connect().request()
        server.wait_for_workers(1, besides=[pid])
        other.close()
    server.wait_for_log(rf"\[{pid}\] \[ERROR\] The app has closed or replaced the loop's epoll set, or its wake")
    server.wait_for_log("Worker ready", count=2)
    assert server.get("/").body == b"fine"


def test_worker_that_the_app_ends_leaves_an_error(gateway):
    server = gateway("contract:app")
    (pid,) = server.worker_pids()
    with server.connect() as client, pytest.raises((wire.Closed, ConnectionResetError)):
        client.get("/exit?code=0")
    server.wait_for_log(rf"\[ERROR\] Worker \(pid: {pid}\) exited with code 0")
    server.wait_for_workers(1, besides=[pid])
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert len(server.log.matches(r"\[ERROR\]")) == 1


SPINS = """
import sys


def spin():
    sys.stderr.write('spinning\\n')
    while True:
        pass


def wsgi(environ, start_response):
    spin()


async def asgi(scope, receive, send):
    spin()
"""


def test_worker_that_hangs_ends_after_the_master(gateway, app):
    """In every class at once, because each has to wait for the end of the graceful timeout."""
    servers = [gateway(*of_class(name), *app(SPINS), "--graceful-timeout", 0.1, "--timeout", 0) for name in CLASSES]
    clients = [server.connect().request() for server in servers]
    workers = [pid for server in servers for pid in server.worker_pids()]
    for server in servers:
        server.wait_for_log("spinning")
        server.signal(signal.SIGKILL)
    wait.until(lambda: not any(map(procfs.alive, workers)), "the workers have ended")
    for client in clients:
        client.close()


SLOW = """
import time


def wsgi(environ, start_response):
    time.sleep(float(environ['QUERY_STRING']))
    start_response('200 OK', [])
    return [b'fine']
"""


@pytest.mark.parametrize("seconds, statuses", [("0.02", {200}), ("10", {503})])
def test_term_answers_all_that_have_connected(gateway, app, seconds, statuses):
    """By the app while there is time, else with 503; nobody is reset although only a few have a place."""
    graceful = 60 if statuses == {200} else 0.2
    server = gateway(*of_class("gevent"), *app(SLOW), "--connections", 10, "--graceful-timeout", graceful)
    clients = [server.connect().request(target=f"/?{seconds}") for _ in range(60)]
    server.signal(signal.SIGTERM)
    answers = [client.read() for client in clients]
    assert {answer.status for answer in answers} == statuses
    for client, answer in zip(clients, answers):
        assert statuses == {200} or answer.closes and answer.get("Retry-After")
        client.close()
    assert server.wait() == 0
