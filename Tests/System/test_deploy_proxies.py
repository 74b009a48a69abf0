"""The proxies of Examples/deploy, run with the files that are there, in front of the app and the settings beside them:
over the unix socket, and with the line for TCP in its place."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile

import pytest

from conftest import PYTHON, end
from support import wait
from support.fronts import CLIENT, FOLDER, FRONTS, asking, binary
from support.gateway import Gateway
from support.load import Load

CLAIMED = "203.0.113.9"


@pytest.fixture(scope="module")
def folder():
    """One with a short name, open to proxies, which run as other users."""
    with tempfile.TemporaryDirectory(prefix="evg") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@pytest.fixture(scope="module")
def server(folder):
    """One server on both kinds of address for all proxies; `socket` is the path of one."""
    server = Gateway(["--bind", "127.0.0.1:0", "--bind", f"unix:{folder}/s", "--socket-mode", "666",
                      "--access-logfile", folder / "access.log"],
                     cwd=FOLDER, env={"VIRTUAL_ENV": str(PYTHON.parent.parent), "PYTHONDONTWRITEBYTECODE": "1"})
    server.wait_until_ready(2)
    server.socket, server.access = f"{folder}/s", folder / "access.log"
    yield server
    end([server])


@pytest.fixture(scope="module", params=[(name, over) for name in FRONTS for over in ("unix", "tcp")], ids="-".join)
def front(request, folder, server):
    name, over = request.param
    own = folder / f"{name}-{over}"
    own.mkdir(mode=0o755)
    with FRONTS[name](own, server.address if over == "tcp" else server.socket) as front:
        front.over = over
        yield front


@pytest.fixture
def asks(front):
    """Factory: see `asking`."""
    with asking(front) as ask:
        yield ask


def test_proxy_finds_nothing_to_complain_of(front):
    assert front.complaints() == ""


def test_page(asks):
    answer = asks("GET", "/")
    assert answer.status == 200 and b"Hello, World!" in answer.read()
    assert asks("GET", "/nowhere").status == 404


def test_upload(asks):
    body = os.urandom(2_000_000)
    answer = asks("POST", "/upload", body=body)
    assert answer.status == 200
    assert json.loads(answer.read()) == {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_stream_arrives_piece_by_piece(asks):
    answer = asks("GET", "/ticks?count=4&pause=0.2")
    first, rest = answer.read1(), answer.read()
    assert first.startswith(b"data: 0\n\n") and b"data: 3" not in first
    assert first + rest == b"".join(b"data: %d\n\n" % number for number in range(4))


def test_client_is_told_to_the_app_and_cannot_claim_another_address(asks, front, server):
    target = f"/client?{front.directory.name}"
    told = json.loads(asks("GET", target, headers={
        "X-Forwarded-For": CLAIMED, "X-Forwarded-Proto": "https", "Host": "hello.example"}).read())
    assert told == {"address": CLIENT, "forwarded": CLIENT, "scheme": "http", "host": "hello.example",
                    "port": told["port"]}

    def logged():
        return [line for line in server.access.read_text().splitlines() if f"{target} " in line]
    [line] = wait.until(logged, "the request is in the log")
    assert line.startswith(f"{CLIENT} - - [")


def test_connections_to_the_app_are_kept(asks, front, server):
    """Each request is on a new connection of the client's, so it is the proxy that keeps them."""
    seen = []
    for _ in range(10):
        told = json.loads(asks("GET", "/client").read())
        seen.append({told["port"]} if front.over == "tcp" else connected(server.socket))
    assert all(seen) and len(set.union(*seen)) <= 3, seen


def test_reload_behind_the_proxy_loses_no_request(front, server):
    with Load(front.address, clients=4, one_shot=2, target="/?{id}", expect="Hello") as load:
        for _ in range(2):
            load.wait_for_more(50)
            before = server.wait_for_workers(2)
            server.signal(signal.SIGHUP)
            server.wait_for_workers(2, besides=before)
        load.wait_for_more(50)
        load.stop()
    assert set(load.outcomes) == {"ok"}, load.failures[:10]


def connected(path):
    """The inodes of the server's ends of connections on a unix socket."""
    with open("/proc/net/unix") as table:
        return {line.split()[6] for line in table if line.rstrip().endswith(f" {path}") and line.split()[5] == "03"}


def test_caddyfile_is_formatted():
    formatted = subprocess.run([binary("caddy"), "fmt", FOLDER / "Caddyfile"], capture_output=True, text=True)
    assert formatted.stdout == (FOLDER / "Caddyfile").read_text()
