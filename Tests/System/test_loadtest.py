"""scripts/loadtest with small counts: it counts correctly, reports what it cannot do, and leaves nothing behind."""

import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from signal import SIGINT, SIGKILL

import pytest

from conftest import PYTHON
from support import procfs, wait
from support.gateway import ROOT

HARNESS = [sys.executable, "-B", str(ROOT / "scripts" / "loadtest.d" / "loadtest.py")]


def run(*arguments, limit=None, env=None, timeout=120):
    """Runs the harness and returns its finished process. `limit`: the most descriptors of each process."""
    command = [*HARNESS, *map(str, arguments)]
    if limit:
        command = ["sh", "-c", f'ulimit -n {limit} && exec "$@"', "sh", *command]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, **(env or {})})


def measured(tmp_path, *arguments, **more):
    """Returns the result of a run, which must succeed."""
    file = tmp_path / "result.json"
    done = run(*arguments, "--json", file, "--python", PYTHON, **more)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text())


class Peer:
    """A server in this process. It calls `answer(number, connection)` for each connection, counted from 0."""

    def __init__(self, answer):
        self.listener, self.answer = socket.create_server(("127.0.0.1", 0)), answer
        self.number, self.lock = 0, threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/"

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            while connection.recv(65536):
                with self.lock:
                    number, self.number = self.number, self.number + 1
                if not self.answer(number, connection):
                    return

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Wakes accept(), which close() alone would not.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_held_requests_are_counted_on_each_worker(tmp_path):
    result = measured(tmp_path, "--server", "evgateway", "--workers", 2, "hold:count=40,ramp=0.2,hold=0.2")
    assert result["server"]["command"].endswith("--worker-class gevent waiting:app")
    [found] = result["scenarios"]
    assert (found["requests"], found["errors"], found["extra"]["most_held"]) == (40, {}, 40)
    assert sum(found["balance"]["workers"].values()) == found["memory"]["connections"] == 40
    assert found["latency"]["count"] == 40


@pytest.mark.parametrize("server", [
    "evgateway:class=asgi", "evgateway:class=asgi,workers=2", "evgateway:class=gevent,workers=2"])
def test_one_publish_answers_everyone(tmp_path, server):
    [found] = measured(tmp_path, "--server", server, "fanout:count=40,ramp=0.2,hold=0")["scenarios"]
    assert (found["requests"], found["errors"], found["extra"]["waiting"]) == (40, {}, 40)
    assert found["latency"]["count"] == 40
    assert 0 < found["extra"]["first_byte_ms"] <= found["extra"]["last_byte_ms"]


def test_those_answered_early_ask_again_or_are_errors(tmp_path):
    """A server that first answers waiting requests at once, and then answers none, not even the publish."""
    def answer(number, connection):
        if number >= 20:
            return connection.recv(1)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        return True

    for again, errors in (("no", {"early": 5}), ("yes", {"never answered": 5, "publish timeout": 1})):
        with Peer(answer) as peer:
            [found] = measured(tmp_path, "--url", peer.url, "--timeout", 1, "--processes", 1,
                               f"fanout:count=5,ramp=0,hold=1,again={again}")["scenarios"]
        assert found["errors"] == errors
        assert ("asked_again" in found["extra"]) == (again == "yes")


def test_a_closed_idle_connection_is_counted_and_no_error(tmp_path):
    def answer(number, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with Peer(answer) as peer:
        [found] = measured(tmp_path, "--url", peer.url, "idle:count=10,hold=0.2")["scenarios"]
    assert (found["requests"], found["errors"], found["extra"]["closed_by_server"]) == (10, {}, 10)


def test_a_reload_shows_no_errors(tmp_path):
    [found] = measured(tmp_path, "--server", "evgateway", "reload:count=20,hold=0.2,seconds=3,rate=50")["scenarios"]
    assert (found["errors"], found["extra"]["reloads"]) == ({}, 2)
    assert found["latency"]["count"] == 150


def test_several_scenarios_run_one_after_another(tmp_path):
    result = measured(tmp_path, "--server", "evgateway:class=inline", "--seconds", 0.5, "--rate", 40, "throughput",
                      "churn", "upload:bytes=100k", "download:bytes=100k")
    assert [found["name"] for found in result["scenarios"]] == ["throughput", "churn", "upload", "download"]
    for found in result["scenarios"]:
        assert (found["requests"], found["errors"]) == (20, {}), found
        assert found["latency"]["corrected"]
    assert result["scenarios"][3]["bytes_read"] > 20 * 100 * 1024


def test_slow_clients_are_not_errors(tmp_path):
    [found] = measured(tmp_path, "--server", "evgateway", "slow:count=9,interval=0.1,seconds=1,rate=40")["scenarios"]
    assert (found["requests"], found["errors"]) == (40, {})
    assert [found["extra"][f"{what}_open"] for what in ("heads", "bodies", "readers")] == [3, 3, 3]


def test_websockets_echo_are_idle_and_hear_a_broadcast(tmp_path):
    echo, idle, broadcast = measured(
        tmp_path, "--server", "evgateway:class=asgi", "--count", 20, "--seconds", 0.2, "websocket:bytes=70000",
        "websocket:do=idle,deflate=yes", "websocket:do=broadcast")["scenarios"]
    assert echo["errors"] == idle["errors"] == broadcast["errors"] == {}
    assert echo["latency"]["count"] == echo["requests"] >= 20 and echo["throughput"]
    assert idle["requests"] == idle["memory"]["connections"] == 20
    assert broadcast["requests"] == 20 * broadcast["extra"]["broadcasts"] > 0


def test_what_is_wrong_with_a_websocket_is_an_error(tmp_path):
    accepted = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
    handshakes = [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"]
    # The message is "ahovc": in two fragments and after a ping; another; masked; RSV1; a close frame; nothing.
    frames = [b"\x01\x02ah\x89\x01p\x80\x03ovc", b"\x81\x05ahovx", b"\x81\x85\0\0\0\0ahovc", b"\xc1\x05ahovc",
              b"\x88\x02\x03\xf3", b""]
    places, answered = {}, set()

    def answer(number, connection):
        # All are open before the first message is sent.
        place = places.setdefault(connection, number)
        if number == place:
            connection.sendall([*handshakes, *(len(frames) * [accepted])][place])
            return place > 1
        if place not in answered:
            answered.add(place)
            # The first is answered when no more is sent: what comes then is the pong.
            time.sleep(0.2 if place == 2 else 0)
            connection.sendall(frames[place - 2])
        return place == 2

    with Peer(answer) as peer:
        [found] = measured(tmp_path, "--url", peer.url, "websocket:count=8,bytes=5,seconds=0.1")["scenarios"]
    assert found["errors"] == {"status 403": 1, "not accepted": 1, "another message": 1, "a masked frame": 1,
                               "a reserved bit": 1, "closed with 1011": 1, "closed": 1}
    assert found["requests"] == found["extra"]["pings"] == 1


def test_errors_are_counted_by_kind(tmp_path):
    def answer(number, connection):
        kind = number % 5
        if kind == 0:
            # On close the kernel sends a reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif kind == 2:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        elif kind == 3:
            connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        elif kind == 4:
            connection.sendall(b"nothing of HTTP\r\n\r\n")

    with Peer(answer) as peer:
        [found] = measured(tmp_path, "--url", peer.url, "churn:rate=50,seconds=1")["scenarios"]
    assert found["errors"] == {"reset": 10, "closed": 10, "short": 10, "status 503": 10, "malformed": 10}
    assert found["requests"] == 10
    assert found["memory"] is found["cpu_seconds"] is found["balance"] is None


WRK = """\
Running 1s test @ http://127.0.0.1:8000/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.20ms  450.00us   2.50s    90.00%
    Req/Sec    10.00k     1.00k   11.00k    80.00%
  Latency Distribution
     50%  900.00us
     75%    1.10ms
     90%    1.90ms
     99%   12.34ms
  2000 requests in 1.00s, 1.50MB read
  Socket errors: connect 0, read 3, write 0, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:   2000.00
"""


def test_what_wrk_says_is_understood(tmp_path):
    """Makes a program `wrk` that prints output as wrk does."""
    program = tmp_path / "wrk"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{WRK}END\n")
    program.chmod(0o755)
    with Peer(lambda number, connection: False) as peer:
        [found] = measured(tmp_path, "--url", peer.url, "throughput:seconds=1",
                           env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})["scenarios"]
    assert (found["requests"], found["bytes_read"]) == (2000, 3 << 19)
    assert found["errors"] == {"read": 3, "timeout": 4, "status not 2xx or 3xx": 5}
    assert found["latency"]["percentiles"] == {"50": 900, "75": 1100, "90": 1900, "99": 12340, "100": 2_500_000}
    assert (found["latency"]["mean"], found["latency"]["stdev"], found["latency"]["corrected"]) == (1200, 450, False)


def test_clients_come_from_many_addresses(tmp_path):
    seen = set()

    def answer(number, connection):
        seen.add(connection.getpeername()[0])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with Peer(answer) as peer:
        measured(tmp_path, "--url", peer.url, "--processes", 2, "--sources", 3, "churn:rate=20,seconds=0.5")
    assert len(seen) == 6 and all(address.startswith("127.") for address in seen)


def test_nobody_listens(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    [found] = measured(tmp_path, "--url", url, "churn:rate=20,seconds=0.5")["scenarios"]
    assert (found["requests"], found["errors"], found["latency"]) == (0, {"refused": 10}, None)


def test_answers_in_chunks_and_in_pieces_are_read(tmp_path):
    def answer(number, connection):
        for piece in (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-",
                      b"Encoding: chunked\r\n\r\n5\r\nhel", b"lo\r\n0", b"\r\n\r", b"\n"):
            connection.sendall(piece)
            time.sleep(0.002)
        return True

    with Peer(answer) as peer:
        [found] = measured(tmp_path, "--url", peer.url, "throughput:rate=20,seconds=1")["scenarios"]
    assert (found["requests"], found["errors"]) == (20, {})


def test_latency_counts_from_the_moment_a_request_was_due(tmp_path):
    """When a server stops for half a second, all requests that were due in this time have a high latency."""
    start = []

    def answer(number, connection):
        start.append(time.monotonic())
        time.sleep(max(0.0, start[0] + 0.5 - time.monotonic()))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True

    with Peer(answer) as peer:
        [found] = measured(tmp_path, "--url", peer.url, "--processes", 1,
                           "throughput:rate=100,seconds=1,connections=1")["scenarios"]
    assert found["latency"]["count"] == 100
    # At least the 40 requests of the first 0.4 s have waited for 0.1 s or more.
    above = [percentile for percentile, value in found["latency"]["curve"] if value >= 100_000]
    assert min(above) <= 62


def test_what_cannot_be_reached_is_said_and_left_out(tmp_path):
    scenario = "hold:count=5000,ramp=0.2,hold=0.2"
    said = run("--plan", "--server", "evgateway", scenario, limit=400)
    assert said.returncode == 0
    assert re.search(r"cannot reach: 5000 connections at once: descriptors .* allow 100 ", said.stderr), said.stderr
    [found] = measured(tmp_path, "--server", "evgateway", scenario, limit=400)["scenarios"]
    assert (found["parameters"]["count"], found["requests"], found["errors"]) == (100, 100, {})


def test_what_a_worker_class_cannot_hold_is_said():
    said = run("--plan", "--server", "evgateway:class=threads,threads=8", "hold:count=100")
    assert "cannot reach: hold of 100: evgateway (threads) holds 8 requests at once" in said.stderr


def test_two_servers_are_compared(tmp_path):
    page, file = tmp_path / "page.html", tmp_path / "both.json"
    done = run("--compare", "evgateway:class=inline", "evgateway:class=asgi", "--rounds", 2, "--python", PYTHON,
               "churn:rate=20,seconds=0.5", "--html", page, "--json", file)
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert (found["comparison"]["a"], found["comparison"]["b"]) == ("evgateway-inline", "evgateway-asgi")
    assert [len(found[side]) for side in "ab"] == [2, 2]
    assert "evgateway-asgi" in page.read_text() and "errors in all rounds" in done.stdout


@pytest.mark.parametrize("arguments, words", [
    (["hold"], "--server, --url and --compare"),
    (["--server", "evgateway"], "which scenarios"),
    (["--server", "nosuch", "hold"], "no server 'nosuch'"),
    (["--server", "evgateway", "nosuch"], "no scenario 'nosuch'"),
    (["--server", "evgateway", "hold:count=many"], "count is a whole number"),
    (["--server", "evgateway", "hold:hold=nan"], "hold is a number"),
    (["--server", "evgateway", "hold:cont=3"], "no 'cont'"),
    (["--server", "evgateway", "hold", "--rate", "x"], "--rate"),
    (["--server", "evgateway", "hold", "--bogus"], "--bogus"),
    (["--server", "evgateway:colour=red", "hold"], "no setting 'colour'"),
    (["--server", "evgateway", "--worker-class", "none", "hold"], "no worker class 'none'"),
    (["--server", "bjoern", "--workers", "2", "hold"], "one process"),
    (["--server", "waitress", "reload"], "does not reload on HUP"),
    (["--server", "evgateway:class=swift", "--workers", "2", "fanout"], "one process only"),
    (["--server", "evgateway", "websocket"], "nothing to echo"),
    (["--server", "evgateway", "--app", "no.such:app", "hold"], "did not start"),
    (["--url", "https://127.0.0.1/", "hold"], "https"),
    (["--url", "http://127.0.0.1:x/", "hold"], "http://127.0.0.1:x/"),
    (["--url", "http://127.0.0.1:1/", "reload"], "--pid"),
    (["--url", "http://127.0.0.1:1/", "--header", "nothing", "hold"], "--header"),
])
def test_bad_options_are_refused(arguments, words):
    done = run(*arguments, *(["--python", PYTHON] if "--app" in arguments else []))
    assert done.returncode == 2, done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("plan: ")]
    assert words in said[0]
    # If the server did not start, its log is printed, too.
    assert len(said) == 1 or "--app" in arguments


@pytest.mark.parametrize("number", [SIGINT, SIGKILL])
def test_nothing_is_left_when_it_is_ended(number):
    process = subprocess.Popen([*HARNESS, "--server", "evgateway", "--python", str(PYTHON), "--quiet",
                                "hold:count=20,hold=60"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    port = next(int(found[1]) for line in process.stderr if (found := re.match(r"loadtest: .*:(\d+)/", line)))
    wait.until(lambda: len(procfs.established(port)) == 20, lambda: "20 requests are held")
    started = descendants(process.pid)
    assert len(started) >= 3, "a master, a worker and a client process"
    process.send_signal(number)
    code = process.wait(60)
    process.stderr.close()
    assert code == (130 if number == SIGINT else -SIGKILL)
    wait.until(lambda: not any(map(procfs.alive, started)), lambda: f"{started} still live")


def descendants(pid):
    found = procfs.children(pid)
    return found + [below for child in found for below in descendants(child)]
