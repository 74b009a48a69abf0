"""Worker class threads at its limits: clients that never read, and threads that never come back."""

import threading

import pytest

from support import procfs, wait
from support.wsgi import ask

APP = "Tests/System/wsgi_apps/threads_app.py:app"
SIZE = 5_000_000


def start(gateway, *flags, **more):
    return gateway(APP, "-k", "threads", "--threads", 2, *flags, **more)


class Spools:
    """A server whose spool files are in a folder of their own."""

    def __init__(self, gateway, folder, *flags):
        self.folder = str(folder)
        self.server = start(gateway, *flags, env={"TMPDIR": self.folder})
        (self.worker,) = self.server.worker_pids()

    def paths(self):
        return [path for path in procfs.open_paths(self.worker) if path.startswith(self.folder)]

    def until(self, count):
        wait.until(lambda: len(self.paths()) == count, lambda: f"{count} answers are spooled, not {self.paths()}")

    def readers(self, count):
        readers = [self.server.connect(receive_buffer=4096) for _ in range(count)]
        for reader in readers:
            reader.request("GET", f"/size?size={SIZE}")
        self.until(count)
        return readers


def until_busy(server, count):
    """The request that asks is one of them."""
    wait.until(lambda: ask(server, "/state").json()["busy"] == count, lambda: f"{count} threads are busy")


# Clients that never read


def test_clients_that_never_read_hold_no_thread_and_no_memory(gateway, tmp_path):
    spools = Spools(gateway, tmp_path)
    server = spools.server
    assert ask(server, f"/size?size={SIZE}").content == b"y" * SIZE
    before = procfs.resident_bytes(spools.worker)
    readers = spools.readers(10)
    until_busy(server, 1)
    assert procfs.resident_bytes(spools.worker) - before < len(readers) * SIZE / 2
    for reader in readers[:3]:
        assert reader.read().body == b"y" * SIZE
        assert reader.get("/me").status == 200
    for reader in readers[3:]:
        reader.reset()
    spools.until(0)


def test_spooled_answer_arrives_whole_when_its_request_is_long_over(gateway, tmp_path):
    spools = Spools(gateway, tmp_path, "--keep-alive", 0.1)
    slow, half_closed = spools.readers(2)
    until_busy(spools.server, 1)
    half_closed.half_close()
    with spools.server.connect() as idle:
        assert idle.get("/me").status == 200
        idle.expect_close()     # what has been idle for longer than that is closed too
    assert slow.read().body == half_closed.read().body == b"y" * SIZE
    slow.close()
    half_closed.close()


@pytest.mark.parametrize("limit", [0, 1_000_000])
def test_answer_beyond_the_spool_limit_waits_with_its_thread(gateway, tmp_path, limit):
    spools = Spools(gateway, tmp_path, "--spool-limit", limit)
    server = spools.server
    with server.connect(receive_buffer=4096) as reader:
        reader.request("GET", f"/size?size={SIZE}").read_head()
        until_busy(server, 2)
        spools.until(1 if limit else 0)
        assert reader.read_exactly(SIZE) == b"y" * SIZE
        until_busy(server, 1)


def test_answer_that_cannot_be_spooled_waits_with_its_thread(gateway):
    server = start(gateway, limits="ulimit -f 100")     # files end at 50 or 100 KB; a full disk does the same
    for _ in range(2):
        with server.connect(receive_buffer=4096) as reader:
            reader.request("GET", f"/size?size={SIZE}")
            server.wait_for_log("Cannot spool a response: its thread waits for the client")
            until_busy(server, 2)
            assert reader.read().body == b"y" * SIZE
            until_busy(server, 1)
    assert server.error_log().count("Cannot spool a response") == 1


# Threads that never come back


def test_worker_whose_threads_never_come_back_is_replaced(gateway, python):
    server = start(gateway, "--timeout", 1, "--graceful-timeout", 1, python=python)
    (stuck,) = server.worker_pids()
    with server.connect() as one, server.connect() as two, server.connect() as waiting:
        one.request("GET", "/hold?id=never")
        two.request("GET", "/hold?id=never")
        server.wait_for_log("holding", count=2)
        waiting.request("GET", "/me")
        server.wait_for_log("No thread has finished a request for 1 s: the worker is replaced")
        server.wait_for_log(r"threads_app\.py.* in hold", count=2)
        server.wait_for_log("Worker ready", count=2)
        wait.until(lambda: stuck not in server.worker_pids(), "the stuck worker leaves")
        assert ask(server, "/me").status_code == 200
    assert "SIGKILL" not in server.error_log()


def test_worker_whose_threads_are_only_busy_stays(gateway):
    server = start(gateway, "--timeout", 1)
    workers = server.worker_pids()
    clients = [threading.Thread(target=lambda: ask(server, "/nap?seconds=0.4")) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(60)
    assert server.worker_pids() == workers and "No thread has finished" not in server.error_log()
