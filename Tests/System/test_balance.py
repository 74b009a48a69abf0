"""Long-lived connections spread over the workers: an imbalance at accept would last as long as the connections."""

import os
import signal

import pytest
from support import procfs, wait


def test_a_thousand_held_connections_spread_evenly(gateway, example):
    server = gateway(example("longpoll-chat"), "--workers", 4, "--connections", 1000)
    workers = server.wait_for_workers(4)
    held = [server.connect().request("GET", "/messages?since=0") for _ in range(1000)]
    try:
        counts = wait.until(
            lambda: (found := procfs.connections_per_process(workers, server.port)) and sum(found) == 1000 and found,
            lambda: f"all are accepted, not {procfs.connections_per_process(workers, server.port)}")
        assert max(counts) / min(counts) <= 1.1, counts
    finally:
        for client in held:
            client.reset()


def test_the_cap_of_every_worker_can_be_filled(gateway, example):
    """A client must be accepted while any worker has room, whatever the balance is."""
    server = gateway(example("longpoll-chat"), "--workers", 2, "--connections", 100)
    workers = server.wait_for_workers(2)
    held = [server.connect().request("GET", "/messages?since=0") for _ in range(200)]
    try:
        wait.until(lambda: procfs.connections_per_process(workers, server.port) == [100, 100],
                   lambda: f"both are full, not {procfs.connections_per_process(workers, server.port)}")
    finally:
        for client in held:
            client.reset()


def test_worker_whose_only_thread_is_busy_leaves_new_connections_to_its_sibling(gateway, tmp_path):
    """As under gunicorn's sync workers, where a busy worker does not accept."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "app.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    if environ['PATH_INFO'] == '/hold':\n"
        "        open('gate').read()\n"
        "    return [b'done']\n")
    server = gateway("app:app", "-k", "sync", "--workers", 2, cwd=tmp_path)
    workers = server.wait_for_workers(2)
    held = server.connect().request("GET", "/hold")
    # Opened for writing when the app has opened it for reading: one worker is busy from here on.
    with open(gate, "w"):
        for _ in range(40):
            # One that has sent its answer and has not come to its end yet would count as busy, too.
            wait.until(lambda: all(procfs.sleeps(worker) for worker in workers), "both workers sleep", interval=0)
            with server.connect() as wire:
                assert wire.get("/").body == b"done"
    assert held.read().body == b"done"


def write_hello(folder):
    (folder / "app.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '2')])\n"
        "    return [b'ok']\n"
        "async def asgi(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'2')]})\n"
        "    await send({'type': 'http.response.body', 'body': b'ok'})\n")


@pytest.mark.parametrize("arguments", [
    ("app:app", "-k", "inline"), ("app:app", "-k", "gevent"),
    ("app:asgi", "-k", "asgi", "--lifespan", "off", "--asgi-loop", "asyncio"),
    ("app:asgi", "-k", "asgi", "--lifespan", "off", "--asgi-loop", "uvloop"),
])
def test_a_connection_wakes_one_worker_of_six(gateway, tmp_path, arguments):
    """One that wakes all of them costs more than six switches."""
    write_hello(tmp_path)
    server = gateway(*arguments, "--workers", 6, cwd=tmp_path)
    workers = server.wait_for_workers(6)

    def switches_per_connection():
        before = sum(map(procfs.context_switches, workers))
        for _ in range(200):
            with server.connect() as wire:
                assert wire.get("/").body == b"ok"
        return (sum(map(procfs.context_switches, workers)) - before) / 200

    # A worker changes over in the first second of its life.
    wait.until(lambda: switches_per_connection() < 4, "a connection wakes one worker", interval=0)


def test_a_stopped_worker_keeps_nobody_waiting(gateway, tmp_path):
    """The kernel may have woken just that one; the others look once a second."""
    write_hello(tmp_path)
    server = gateway("app:app", "-k", "inline", "--workers", 2, cwd=tmp_path)
    workers = server.wait_for_workers(2)
    wait.until(lambda: all(map(procfs.watches_alone, workers)), "both have changed over")
    os.kill(workers[0], signal.SIGSTOP)
    try:
        for _ in range(10):
            with server.connect() as wire:
                assert wire.get("/").body == b"ok"
    finally:
        os.kill(workers[0], signal.SIGCONT)
