"""A worker that is replaced gives its connections to those that stay: clients keep theirs, and the next request on it
is answered by the new code."""

import contextlib
import os
import signal

import pytest

from support import procfs, wait, wire
from support.classes import CLASSES

SOURCE = """
import time
import evgateway

TEXT = b"{text}"


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(0.5)
    if path == "/wait" and TEXT == b"one":
        evgateway.leaving.wait(60)
        raise evgateway.Replay
    if path == "/replay":
        raise evgateway.Replay
    start_response("200 OK", [("Content-Length", str(len(TEXT)))])
    return [TEXT]


async def asgi(scope, receive, send):
    path = scope["path"]
    if path == "/slow":
        import asyncio
        await asyncio.sleep(0.5)
    if path == "/wait" and TEXT == b"one":
        await evgateway.leaving.wait(60)
        raise evgateway.Replay
    if path == "/replay":
        raise evgateway.Replay
    await send({{"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(TEXT)).encode())]}})
    await send({{"type": "http.response.body", "body": TEXT}})
"""

WAITING = [name for name in CLASSES if name != "inline"]


@pytest.fixture
def deployed(gateway, tmp_path):
    """Factory: `deployed(called_by, *flags)` serves app.py of `tmp_path`, which says "one"; `rewrite("two")` changes
    it."""
    def rewrite(text):
        (tmp_path / "deployed.py").write_text(SOURCE.format(text=text))

    def start(called_by="threads", *flags, **more):
        rewrite("one")
        (tmp_path / "__pycache__").mkdir(exist_ok=True)
        name, *chosen = CLASSES[called_by]
        kind = "asgi" if "asgi" in chosen else "wsgi"
        server = gateway(f"deployed:{kind}", *chosen, "--pythonpath", tmp_path, "--lifespan", "off",
                         "--graceful-timeout", 60, *flags, env={"PYTHONDONTWRITEBYTECODE": "1"}, **more)
        server.rewrite = rewrite
        return server
    return start


def reload(server, workers=1):
    """Returns when the old workers have gone."""
    before = server.worker_pids()
    server.signal(signal.SIGHUP)
    return server.wait_for_workers(len(before), besides=before)


def moved(server):
    return sum(int(found[1]) for found in server.log.matches(r"Moved connections to other workers.* connections=(\d+)"))


@contextlib.contextmanager
def connections(server, count):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(server.connect()) for _ in range(count)]


def ask(wires):
    """The bodies of the answers; every connection stays open."""
    bodies = []
    for each in wires:
        answer = each.get("/")
        assert answer.status == 200 and not answer.closes
        bodies.append(answer.body)
    return bodies


def sockets(pid):
    def is_one(name):
        try:
            return os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
        except FileNotFoundError:
            return False    # closed meanwhile
    return sum(is_one(name) for name in os.listdir(f"/proc/{pid}/fd"))


def test_idle_connections_stay_and_the_new_code_answers(deployed, called_by):
    server = deployed(called_by)
    with connections(server, 40) as wires:
        assert ask(wires[:20]) == [b"one"] * 20     # the others have said nothing yet
        server.rewrite("two")
        reload(server)
        assert ask(wires) == [b"two"] * 40
        assert moved(server) == 40


@pytest.mark.parametrize("flags", [
    ("--workers", 3), ("--workers", 2, "--reuse-port"), ("--workers", 2, "--preload"), ("--bind", "unix:{}/socket"),
    ("--proxy-protocol", "--proxy-allow-from", "*"), ("--max-requests", 1000, "--request-id-header", "X-Request-Id")],
    ids=lambda flags: " ".join(map(str, flags)))
def test_ways_to_serve(deployed, tmp_path, flags):
    server = deployed("threads", *(str(flag).format(tmp_path) for flag in flags))
    with connections(server, 60) as wires:
        assert ask(wires[:30]) == [b"one"] * 30
        server.rewrite("two")
        for _ in range(3):
            reload(server)
            assert ask(wires) == [b"one" if "--preload" in flags else b"two"] * 60
        assert moved(server) >= 180


def test_running_request_ends_and_its_connection_goes(deployed):
    server = deployed()
    with server.connect() as wire:
        wire.request("GET", "/slow")
        wait.until(lambda: server.get("/").body, "it runs")
        server.rewrite("two")
        before = server.worker_pids()
        server.signal(signal.SIGHUP)
        answer = wire.read()
        assert answer.body == b"one" and not answer.closes
        server.wait_for_workers(1, besides=before)
        assert ask([wire]) == [b"two"]


def test_beginning_of_a_request_goes_too(deployed):
    server = deployed()
    with server.connect() as wire:
        wire.send("GET / HTTP/1.1\r\nHo")
        server.rewrite("two")
        reload(server)
        wire.send("st: test\r\n\r\n")
        assert wire.read().body == b"two"


@pytest.mark.parametrize("called_by", WAITING)
def test_request_that_waits_is_run_again_by_the_new_code(deployed, called_by):
    server = deployed(called_by)
    with connections(server, 3) as wires:
        for wire in wires:
            wire.request("GET", "/wait")
        (worker,) = server.worker_pids()
        server.get("/")
        server.rewrite("two")
        reload(server)
        for wire in wires:
            answer = wire.read()
            assert (answer.status, answer.body) == (200, b"two") and not answer.closes
        assert ask(wires) == [b"two"] * 3
    assert "Traceback" not in server.error_log()


def test_replay_where_nobody_takes_it_is_503(deployed, called_by):
    server = deployed(called_by)
    answer = server.get("/replay")
    assert (answer.status, answer.get("Retry-After")) == (503, "1")
    assert "Traceback" not in server.error_log()


def test_max_requests_disconnects_nobody(deployed):
    server = deployed("threads", "--max-requests", 5)
    with server.connect() as wire:
        def replaced():
            assert ask([wire]) == [b"one"]
            return len(server.log.matches("Worker exiting")) >= 3
        wait.until(replaced, "three workers have been replaced")


def test_worker_that_is_told_to_end_is_replaced_first(deployed):
    """TERM to the only worker, as from an operator or a control group. A second one ends it without a successor."""
    server = deployed()
    with connections(server, 10) as wires:
        assert ask(wires) == [b"one"] * 10
        server.rewrite("two")
        (first,) = server.worker_pids()
        os.kill(first, signal.SIGTERM)
        (second,) = server.wait_for_workers(1, besides=[first])
        assert ask(wires) == [b"two"] * 10
        server.rewrite("three\" + missing + b\"")
        os.kill(second, signal.SIGTERM)
        server.wait_for_log("before it was ready")
        assert ask(wires) == [b"two"] * 10
        os.kill(second, signal.SIGTERM)
        wires[0].expect_close()
        server.wait_for_log(rf"Worker exiting \(pid: {second}\)")


def test_code_that_does_not_load_costs_no_connection(deployed):
    server = deployed()
    with connections(server, 5) as wires:
        assert ask(wires) == [b"one"] * 5
        server.rewrite("two\" + missing + b\"")
        server.signal(signal.SIGHUP)
        server.wait_for_log("Reload aborted")
        assert ask(wires) == [b"one"] * 5


def test_no_descriptor_is_left(deployed):
    server = deployed("threads", "--workers", 2)
    reload(server)
    before = sorted(sockets(pid) for pid in server.worker_pids())
    with connections(server, 50) as wires:
        ask(wires)
        for _ in range(3):
            reload(server)
        assert sum(sockets(pid) for pid in server.worker_pids()) == sum(before) + 50
    wait.until(lambda: sum(sockets(pid) for pid in server.worker_pids()) == sum(before), "all are closed")


@pytest.mark.parametrize("killed", ["receiver", "giver"])
def test_kill_loses_connections_or_keeps_them(deployed, killed):
    """Each client gets an answer on its connection, or the end of it, and the server keeps no descriptor."""
    server = deployed("threads", "--workers", 2)
    for _ in range(3):
        with connections(server, 30) as wires:
            ask(wires)
            before, position = server.worker_pids(), server.log_position()
            server.signal(signal.SIGHUP)
            new = int(server.wait_for_log(r"Worker ready \(pid: (\d+)\)", start=position)[1])
            with contextlib.suppress(ProcessLookupError):
                os.kill(new if killed == "receiver" else before[0], signal.SIGKILL)
            server.wait_for_workers(2, besides=[*before, *([new] if killed == "receiver" else [])])
            for each in wires:
                with contextlib.suppress(wire.Closed, ConnectionError):
                    assert each.get("/").body == b"one"
    assert server.get("/").body == b"one"
    expected = sockets(server.pid)
    reload(server)
    wait.until(lambda: sockets(server.pid) == expected, "the master has as many sockets as before")


# Held requests

HOLDS = """
import evgateway


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/publish/"):
        evgateway.publish("news", path[9:] + "\\n")
        start_response("204 No Content", [])
        return []
    start_response("200 OK", [("Grip-Hold", path[1:]), ("Grip-Channel", "news"), ("Content-Type", "text/plain"),
                              ("Grip-Timeout", "120")])
    return [b"begin\\n" if path == "/stream" else b"time is up"]
"""


def content(wire, end):
    """The body of a stream up to a line."""
    data = wire.buffer
    while end + b"\n" not in data:
        more = wire.socket.recv(65536)
        assert more, f"the stream ended after {data[-200:]}"
        data += more
    lines = data.split(b"\r\n")
    return b"".join(lines[1::2]).split()


@pytest.fixture
def held(gateway, tmp_path):
    """A server with three workers whose app holds requests, with so many of them."""
    (tmp_path / "holds.py").write_text(HOLDS)
    with contextlib.ExitStack() as stack:
        def start(mode, count, *flags):
            server = gateway("holds:wsgi", "-k", "threads", "--grip", "--workers", 3, "--pythonpath", tmp_path,
                             "--graceful-timeout", 60, *flags)
            wires = [stack.enter_context(server.connect()) for _ in range(count)]
            for wire in wires:
                wire.request("GET", f"/{mode}")
            if mode == "stream":
                for wire in wires:
                    wire.read_head()
            return server, wires
        yield start


def test_streams_go_on_and_miss_nothing(held):
    """Messages are published while three reloads move the streams: each comes once, in order."""
    server, wires = held("stream", 60)
    count = 0
    with server.connect() as publisher:
        for _ in range(3):
            before = server.worker_pids()
            server.signal(signal.SIGHUP)
            while set(server.worker_pids()) & set(before) or len(server.worker_pids()) != 3:
                assert publisher.get(f"/publish/{count}").status == 204
                count += 1
        publisher.get("/publish/end")
    expected = [b"begin", *(str(number).encode() for number in range(count)), b"end"]
    for wire in wires:
        assert content(wire, b"end") == expected
    assert moved(server) >= 60
    assert "[ERROR]" not in server.error_log()


def test_long_polls_go_on(held):
    server, wires = held("response", 60)
    with server.connect() as publisher:
        reload(server, 3)
        publisher.get("/publish/news")
    for wire in wires:
        answer = wire.read()
        assert (answer.status, answer.body) == (200, b"news\n") and not answer.closes
