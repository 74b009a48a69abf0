"""Requests through proxies that keep connections, sent when the server or the proxy is just closing the idle one, with
the lines that the documentation gives. Each client has an upstream of its own, so that its connection is idle between
its requests."""

import collections
import contextlib
import random
import signal
import subprocess
import threading
import time

import pytest

from support import wait, wire
from support.foreground import Foreground, binary
from support.nginx import FILES

SERVER, PROXY = 0.6, 0.4    # seconds for which an idle connection is kept
CLIENTS, ROUNDS = 16, 6

NGINX = """
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
""" + FILES + """\
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    {upstreams}
    server {{
        listen unix:{directory}/front;
        {lines}
        {locations}
    }}
}}
"""
HAPROXY = """
global
    maxconn 500
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    http-reuse always
    retries 10
    retry-on conn-failure empty-response
    option http-buffer-request
frontend front
    bind unix@{directory}/front
    {rules}
{backends}
"""


class Race(Foreground):
    """A proxy at the socket `address`, with an upstream for each client: `/c3/` is that of client 3."""

    def __init__(self, kind, directory, upstream, lines="", kept=""):
        self.address, self.output = str(directory / "front"), directory / "log"
        file = directory / "proxy.conf"
        unix = isinstance(upstream, str)
        numbers = range(CLIENTS)
        if kind == "nginx":
            place = f"unix:{upstream}" if unix else "{}:{}".format(*upstream)
            file.write_text(NGINX.format(
                directory=directory, lines=lines,
                upstreams="\n".join(f"upstream app{n} {{ server {place} max_fails=0; keepalive 8; {kept} }}"
                                    for n in numbers),
                locations="\n".join(f"location /c{n}/ {{ proxy_pass http://app{n}/; }}" for n in numbers)))
            self.command = [binary("nginx"), "-p", directory, "-e", "stderr", "-c", file]
        else:
            place = f"unix@{upstream}" if unix else "{}:{}".format(*upstream)
            file.write_text(HAPROXY.format(
                directory=directory,
                rules="\n    ".join(f"use_backend app{n} if {{ path_beg /c{n}/ }}" for n in numbers),
                backends="\n".join(
                    f"backend app{n}\n    http-request replace-path /c[0-9]+(/.*) \\1\n    server a {place}"
                    for n in numbers)))
            self.command = [binary("haproxy"), "-db", "-f", file]

    def clients(self, gaps):
        """Starts all clients, each of which asks again after a gap of one of these lengths, plus or minus 5 ms. Returns
        what waits for them and returns their outcomes."""
        outcomes, lock = collections.Counter(), threading.Lock()

        def client(number):
            with wire.Wire(self.address) as own:
                for turn in range(ROUNDS):
                    method = ("GET", "POST")[(number + turn) % 2]
                    try:
                        status = own.request(method, f"/c{number}/", body=b"x" * (method == "POST")).read().status
                    except OSError as error:
                        status = type(error).__name__
                    with lock:
                        outcomes[f"{method} {status}"] += 1
                    if status != 200:
                        return
                    time.sleep(random.choice(gaps) + random.uniform(-0.005, 0.005))
        threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()

        def end():
            for thread in threads:
                thread.join(60)
            return dict(outcomes)
        return end


ALL = {"GET 200": CLIENTS * ROUNDS // 2, "POST 200": CLIENTS * ROUNDS // 2}
KINDS = {
    # nginx closes first.
    "nginx": ("nginx", {"kept": f"keepalive_timeout {int(PROXY * 1000)}ms;", "lines": "proxy_next_upstream error;"}),
    # The server does, and nginx may repeat everything.
    "nginx that repeats": ("nginx", {"lines": "proxy_next_upstream error non_idempotent;"}),
    "haproxy": ("haproxy", {}),
}


@pytest.fixture(params=["tcp", "unix"])
def served(request, gateway, short_path):
    """A server, and where its proxies find it."""
    flags = ["--keep-alive", SERVER, "--workers", 2]
    if request.param == "tcp":
        server = gateway("contract:app", *flags)
        return server, server.address
    server = gateway("contract:app", *flags, "--bind", f"unix:{short_path}/app", "--socket-mode", "666")
    return server, f"{short_path}/app"


def test_no_request_is_lost_to_the_close_of_an_idle_connection(served, short_path):
    server, upstream = served
    with contextlib.ExitStack() as stack:
        races = {}
        for name, (kind, more) in KINDS.items():
            directory = short_path / name.replace(" ", "-")
            directory.mkdir(mode=0o755)
            races[name] = stack.enter_context(Race(kind, directory, upstream, **more))
        ends = {name: race.clients([SERVER, PROXY]) for name, race in races.items()}
        for name, end in ends.items():
            assert end() == ALL, (name, races[name].log.read_text())
        # A worker that retires keeps idle connections for a second, and so closes before any proxy.
        ends = {name: races[name].clients([SERVER, PROXY, 1.0]) for name in ("nginx that repeats", "haproxy")}
        for _ in range(2):
            before = server.wait_for_workers(2)
            server.signal(signal.SIGHUP)
            server.wait_for_workers(2, besides=before)
        for name, end in ends.items():
            assert end() == ALL, (name, races[name].log.read_text())
