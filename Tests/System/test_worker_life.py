"""When workers are replaced, and how many there are: by age, by memory, by load. Nobody who asks meanwhile notices."""

import os
import signal

import pytest

from support import wait
from support.gateway import READY
from test_lifecycle import assert_no_loss, loaded


def app(folder, body, name="lives", before=""):
    """An app whose function has this body."""
    (folder / f"{name}.py").write_text(
        f"import os, time\n{before}\n\n\ndef app(environ, start_response):\n"
        f"    start_response('200 OK', [('Content-Type', 'text/plain')])\n    {body}\n"
        "    return [environ['QUERY_STRING'].encode()]\n")
    return f"{name}:app"


def test_workers_are_replaced_by_age_without_loss(gateway):
    server = gateway("contract:app", "-k", "threads", "--workers", 2, "--max-worker-lifetime", 0.5)
    patient = gateway("contract:app", "-k", "threads", "--workers", 2, "--max-worker-lifetime", 0.5,
                      "--max-worker-lifetime-jitter", 1e7)
    with loaded(server) as load:
        for _ in range(2):
            before = set(server.worker_pids())
            load.wait_for_more(100)
            wait.until(lambda: not before & set(server.worker_pids()), "none of these workers is left")
        assert_no_loss(load)
    assert server.log.matches(r"Autorestarting worker\. It has lived for its --max-worker-lifetime")
    # Of a time up to four months later, chance chooses none that is over.
    assert not patient.log.matches("Autorestarting")


@pytest.mark.parametrize("worker_class", ["threads", "gevent"])
def test_worker_that_leaks_is_replaced_without_loss(gateway, tmp_path, worker_class):
    leaks = app(tmp_path, "kept.append(os.urandom(1 << 16))", before="kept = []")
    server = gateway(leaks, "-k", worker_class, "--workers", 2, "--max-worker-rss", "150M", cwd=tmp_path)
    assert server.get("/?x").body == b"x"
    with loaded(server, target="/?id={id}", expect="id={id}") as load:
        before = set(server.worker_pids())
        wait.until(lambda: not before & set(server.worker_pids()), "none of these workers is left", timeout=60)
        load.wait_for_more(50)
        assert_no_loss(load)
    assert server.log.matches(r"Autorestarting worker\. Its \d+ MB are above --max-worker-rss"), server.error_log()


def test_worker_that_is_too_large_from_the_beginning_is_left_alone(gateway):
    server = gateway("contract:app", "-k", "threads", "--max-worker-rss", "1M")
    server.wait_for_log(r"\[WARNING\] .*--max-worker-rss has no effect on this worker: it has \d+ MB")
    before = server.worker_pids()
    server.signal(signal.SIGTTIN)
    server.wait_for_workers(2)
    assert set(before) <= set(server.worker_pids()) and server.get("/").status == 200


# Load


def test_workers_follow_requests_that_wait_for_a_thread(gateway, tmp_path):
    holds = app(tmp_path, "while environ['PATH_INFO'] == '/hold' and not os.path.exists('over'): time.sleep(0.01)")
    server = gateway(holds, "-k", "sync", "--max-workers", 2, "--worker-idle-timeout", 1, cwd=tmp_path)
    (first,) = server.worker_pids()
    held = [server.connect().request("GET", "/hold?held") for _ in range(2)]
    server.wait_for_log(READY, count=2)
    assert first in server.worker_pids() and server.log.matches("Number of workers: 2")
    # Nobody waits behind those two.
    for _ in range(20):
        assert server.get("/?free").body == b"free"
    (tmp_path / "over").touch()
    for client in held:
        assert client.read().body == b"held"
    assert server.wait_for_workers(1) == [first]
    server.wait_for_log("Number of workers: 1")


SPINS = """
import time


async def app(scope, receive, send):
    end = time.thread_time() + 0.05
    while time.thread_time() < end:
        pass
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': scope['query_string']})
"""


@pytest.mark.parametrize("kind", ["inline", "asgi"])
def test_workers_follow_loops_that_have_no_time_left(gateway, tmp_path, kind):
    if kind == "asgi":
        (tmp_path / "lives.py").write_text(SPINS)
        name, flags = "lives:app", ["--lifespan", "off"]
    else:
        name, flags = app(tmp_path, "time.sleep(0.05)"), []
    server = gateway(name, "-k", kind, *flags, "--max-workers", 2, "--worker-idle-timeout", 1, cwd=tmp_path)
    with loaded(server, target="/?id={id}", expect="id={id}") as load:
        server.wait_for_workers(2)
        load.wait_for_more(20)
        assert_no_loss(load)
    server.wait_for_workers(1)


def test_most_that_is_less_than_the_least_is_said_to_do_nothing(gateway):
    server = gateway("contract:app", "--workers", 2, "--max-workers", 1)
    server.wait_for_log(r"\[WARNING\] .*--max-workers 1 is less than --workers 2: no effect")
    assert len(server.worker_pids()) == 2
