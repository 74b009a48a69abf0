"""Long-lived connections spread over the workers: an imbalance at accept would last as long as the connections."""

import os

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
