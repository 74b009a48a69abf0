"""A WSGI app that raises, leaks, hangs or exits: the effect on the client, the log and the worker."""

import http.client

import pytest
import requests

from support import wait
from support.wsgi import APP, SECRET, WSGI_CLASSES, ask


@pytest.fixture
def server(gateway, python, worker_class):
    return gateway(APP, "-k", worker_class, python=python)


# Failures


@pytest.mark.parametrize("kind", ["ValueError", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "MemoryError"])
@pytest.mark.parametrize("when", ["called", "started"])
def test_exception_is_a_500_and_its_traceback_goes_to_the_log_alone(server, kind, when):
    workers = server.worker_pids()
    answer = ask(server, f"/boom?kind={kind}&when={when}%1b[31m")
    assert answer.status_code == 500 and SECRET not in answer.text and "Traceback" not in answer.text
    assert "X-Secret" not in answer.headers
    server.wait_for_log(f"{kind}: {SECRET}")
    log = server.error_log()
    assert "Traceback (most recent call last)" in log
    assert f"GET /boom?kind={kind}" in log and "\x1b" not in log
    assert ask(server, "/unread").content == b"ok" and server.worker_pids() == workers


def test_exception_after_the_head_breaks_the_response_visibly(server):
    for version in ("1.1", "1.0"):
        with server.connect() as wire:
            wire.request("GET", "/boom-later?after=2", version=version)
            wire.read_head()
            try:
                rest = wire.read_until_close()
            except ConnectionResetError:
                rest = b""
            assert not rest.endswith(b"0\r\n\r\n")
            assert version == "1.1" or rest == b""   # without framing, only the reset shows the error
    server.wait_for_log(SECRET)


def test_exception_before_the_first_block_is_a_500(server):
    assert ask(server, "/boom-later?after=0").status_code == 500
    assert ask(server, "/text-block").status_code == 500
    assert ask(server, "/none").status_code == 500


def test_exception_in_close_leaves_the_response_whole(server):
    with server.connect() as wire:
        assert wire.get("/boom-in-close").body == b"whole"
        assert wire.get("/unread").body == b"ok"
    server.wait_for_log("the secret of close")


def test_errors_stream_goes_to_the_error_log(gateway, worker_class, tmp_path):
    log = tmp_path / "error.log"
    server = gateway(APP, "-k", worker_class, "--error-logfile", log, wait=False)
    wait.until(lambda: log.exists() and "Worker ready" in log.read_text(), "the worker is ready")
    port = int(log.read_text().split("Listening at: http://127.0.0.1:")[1].split()[0])
    assert requests.get(f"http://127.0.0.1:{port}/errors", timeout=30).content == b"ok"
    lines = log.read_text().splitlines()
    assert [line for line in lines if not line.startswith("[")] == [
        "one line", "half a line", "listed lines", "flushed", "printed"]
    server.stop()


def test_requests_leave_nothing_behind(server):
    targets = ["/unread", "/generator", "/empty-blocks?id=l", "/boom", "/boom-later?after=1", "/file?size=10",
               "/written", "/error-page", "/bad-start?kind=nul", "/headers", "/length?announced=3&given=9&as=generator"]
    session = http.client.HTTPConnection(server.host, server.port, timeout=60)

    def turn(times):
        for _ in range(times):
            for target in targets:
                session.request("POST" if target == "/unread" else "GET", target, body=b"x" * 10)
                try:
                    session.getresponse().read()
                except http.client.HTTPException:
                    session.close()
        session.close()
        return ask(server, "/objects").json()

    # A leak of one object per request of a kind is 100 in every turn. What threads and caches keep is bounded: it grows
    # less from turn to turn, more slowly where many threads take turns on busy cores.
    # Once before the count: a descriptor is opened for the first client that sends a FIN while its request runs.
    with server.connect() as wire:
        assert wire.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").half_close().read_until_close().endswith(b"ok")
    counts, growth = [turn(100)], []
    while not growth or max(growth[-1][:2]) >= 60:
        assert len(growth) < 30, growth
        counts.append(turn(100))
        growth.append([after - before for before, after in zip(*counts[-2:])])
    # A connection that has just ended may still be closing while its successor asks.
    wait.until(lambda: ask(server, "/objects").json()[2] <= counts[0][2], lambda: f"no more descriptors: {counts}")


# Threads, and the end of a worker


def test_start_response_on_another_thread_is_refused(server):
    said = ask(server, "/other-thread").json()
    assert len(said) == 2 and all("thread" in text for text in said)
    assert ask(server, "/unread").content == b"ok"


def test_threads_of_the_app_run_while_the_loop_sleeps(server):
    assert ask(server, "/background").content == b"ok"
    server.wait_for_log("from behind")


def test_exit_handlers_of_the_app_run_in_the_worker(server, tmp_path):
    assert ask(server, f"/at-exit?file={tmp_path / 'exit'}").content == b"ok"
    assert server.stop() == 0
    assert (tmp_path / "exit").read_text() == "farewell"


# Not in class threads, whose loop goes on while a request hangs.
@pytest.mark.parametrize("worker_class", [name for name in WSGI_CLASSES if name != "threads"])
def test_worker_that_hangs_shows_its_python_stack(gateway, python, worker_class):
    server = gateway(APP, "-k", worker_class, "--timeout", "1", python=python)
    with server.connect() as wire:
        wire.request("GET", "/hang")
        server.wait_for_log(r"Stacks of the worker \(pid: \d+\):")
        server.wait_for_log(r"wsgi_failures\.py.* in hang")
        server.wait_for_log("Worker ready", count=2)
    assert ask(server, "/unread").content == b"ok"
