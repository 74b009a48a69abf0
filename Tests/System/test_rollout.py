"""A server that leaves while a proxy still sends requests to it: --shutdown-delay, alone and behind HAProxy."""

import csv
import os
import signal
import socket
import subprocess

import pytest

from support import wait
from support.fronts import HOST, binary
from support.load import Load

# Its readiness fails as soon as it knows that it will leave.
APP = """
import evgateway


def app(environ, start_response):
    ready = environ['PATH_INFO'] != '/health' or not evgateway.worker.leaving
    start_response('200 OK' if ready else '503 Leaving', [('Content-Type', 'text/plain')])
    return [environ['QUERY_STRING'].encode()]
"""


@pytest.fixture
def serve(gateway, tmp_path):
    (tmp_path / "rolled.py").write_text(APP)
    return lambda *flags: gateway("rolled:app", "-k", "threads", *flags, cwd=tmp_path)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGQUIT])
def test_delay_accepts_and_closes_until_a_second_signal(serve, second):
    server = serve("--workers", 2, "--shutdown-delay", 600)
    kept = server.connect()
    assert kept.get("/health").status == 200
    server.signal(signal.SIGTERM)
    server.wait_for_log(r"Leaving in 600 s")
    answer = kept.get("/health")
    while not answer.closes:    # the worker is told right after the log is
        answer = kept.get("/health")
    assert answer.status == 503
    kept.close()
    for _ in range(20):
        with server.connect() as client:
            answer = client.get("/?fine")
            assert answer.status == 200 and answer.body == b"fine"
    wait.until(lambda: server.get("/health").status == 503, "both workers know")
    # A worker that dies is replaced, and its successor knows, too.
    (killed, _) = before = server.worker_pids()
    os.kill(killed, signal.SIGKILL)
    server.wait_for_workers(2, besides=[killed])
    assert server.process.poll() is None and len(before) == 2
    server.signal(second)
    assert server.wait(30) == 0


def test_delay_ends_by_itself_and_takes_what_waits(serve):
    server = serve("--shutdown-delay", 0.5)
    with Load(server.address, clients=2, one_shot=2, target="/?id={id}", expect="id={id}") as load:
        load.wait_for_more(100)
        server.signal(signal.SIGTERM)
        server.wait_for_log(r"Leaving in 0\.5 s")
        load.wait_for_more(20)
        assert server.wait(30) == 0
        load.stopping.set()
    # Who was refused came too late. So did a connection that the kernel made after the last accept and before the
    # close: it is reset, at most one of each client, for a socket cannot be closed in another way.
    resets = [line for line in load.failures if "ConnectionResetError" in line]
    assert set(load.outcomes) <= {"ok", "ConnectionRefusedError", "ConnectionResetError"}, load.failures
    assert all("reused: False" in line for line in resets) and len(resets) <= len(load.threads)


CONFIGURATION = """
global
    stats socket {folder}/stats
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    # What fails is shown and not tried again.
    retries 0
frontend front
    bind {front}
    default_backend servers
backend servers
    option httpchk GET /health
    default-server check inter 50ms fall 2 rise 1
    server one {one}
    server two {two}
"""


class Balancer:
    """HAProxy in front of two servers."""

    def __init__(self, folder, one, two):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.address = probe.getsockname()
        self.stats = str(folder / "stats")
        (folder / "haproxy.cfg").write_text(CONFIGURATION.format(
            folder=folder, front="%s:%d" % self.address, one="%s:%d" % one, two="%s:%d" % two))
        self.process = subprocess.Popen([binary("haproxy"), "-db", "-f", folder / "haproxy.cfg"],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def is_up(self, name):
        with socket.socket(socket.AF_UNIX) as control:
            try:
                control.connect(self.stats)
            except OSError:
                return False
            control.sendall(b"show stat\n")
            text = b"".join(iter(lambda: control.recv(65536), b"")).decode().lstrip("# ")
        [row] = [row for row in csv.DictReader(text.splitlines()) if row["svname"] == name]
        return row["status"].startswith("UP") and row["check_status"].startswith("L7OK")


def test_rolling_restart_behind_a_balancer_loses_no_request(serve, short_path):
    rolling_restarts(serve, short_path, rounds=1)


def rolling_restarts(serve, folder, rounds, clients=4, requests=100):
    """Returns how many requests were answered."""
    flags = ("--shutdown-delay", 1)
    servers = {name: serve(*flags) for name in ("one", "two")}
    with Balancer(folder, *[server.address for server in servers.values()]) as balancer:
        for name in servers:
            wait.until(lambda: balancer.is_up(name), f"{name} is up")
        with Load(balancer.address, clients, one_shot=2, target="/?id={id}", expect="id={id}") as load:
            for _ in range(rounds):
                for name, server in servers.items():
                    load.wait_for_more(requests)
                    server.signal(signal.SIGTERM)
                    assert server.wait() == 0
                    servers[name] = serve(*flags, "--bind", "%s:%d" % server.address)
                    wait.until(lambda: balancer.is_up(name), f"{name} is up again")
            load.wait_for_more(requests)
            load.stop()
            assert set(load.outcomes) == {"ok"}, f"{dict(load.outcomes)}\n" + "\n".join(load.failures[:20])
            return load.total
