"""The table of connections and the status of the admin side: every state is brought about from outside."""

import json
import os
import re
import signal

import pytest

from support import procfs, wait
from support.administration import Administration
from support.classes import CLASSES
from support.gateway import ROOT
from support.wire import Wire
from test_longpoll_swift import PAGE

APPS = ROOT / "Tests" / "System" / "asgi_apps"
FIELDS = {"id", "peer", "client", "state", "since", "method", "target", "request_id", "bytes_in", "bytes_out",
          "waits_for", "listens"}


@pytest.fixture
def admin(short_path):
    return Administration(short_path / "admin.sock")


@pytest.fixture
def serve(gateway, admin):
    """Starts a server with an admin side."""
    def start(*flags, **more):
        server = gateway(*flags, *admin.flags, **more)
        admin.wait_until_there()
        wait.until(lambda: admin.status()["state"] == "serving", "the master has heard that the workers are ready")
        return server
    return start


@pytest.fixture
def gate(tmp_path):
    """A file for which requests of apps/both.py wait."""
    path = tmp_path / "open"
    yield path
    path.touch()


def the_only(status):
    (worker,) = status["workers"]
    return worker


def test_head_body_queue_and_app(serve, admin, gate):
    server = serve("both:wsgi", "-k", "threads", "--threads", 1, "--keep-alive", 100)
    silent, slow, posting, inside, behind, kept = [server.connect() for _ in range(6)]
    assert kept.get("/me").status == 200

    one = admin.wait_for(silent, "idle", "the first request, ")
    assert set(one) == FIELDS and one["bytes_in"] == 0 and one["method"] is None and one["client"] is None
    assert re.fullmatch(r"the first request, \d+ of at most \d+ s", one["waits_for"])

    slow.send("GET /slow HTTP/1.1\r\nHo")
    one = admin.wait_for(slow, "reading", "the head, ")
    assert one["bytes_in"] == 22 and one["since"] >= 0 and one["target"] is None

    posting.send("POST /echo?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 12345\r\n\r\n0123456789")
    one = admin.wait_for(posting, "reading", "the body, 10 of 12,345 bytes")
    assert (one["method"], one["target"]) == ("POST", "/echo?x=1")

    inside.request("GET", f"/hold?file={gate}")
    one = admin.wait_for(inside, "app", "the app")
    assert (one["method"], one["target"]) == ("GET", f"/hold?file={gate}")
    behind.request("GET", "/me?id=behind")
    one = admin.wait_for(behind, "queued", "a thread")
    assert one["target"] == "/me?id=behind"
    # The one that has the thread goes on to have it.
    assert admin.of(inside)["state"] == "app"

    one = admin.wait_for(kept, "idle", "the next request, ")
    assert one["waits_for"].endswith(" of at most 100 s") and one["bytes_out"] > 0
    (table,) = admin.tables()
    assert (table["source"], table["total"]) == ("live", 6) and table["as_of"] < 5
    assert len({one["id"] for one in table["connections"]}) == len(table["connections"]) == 6
    gate.touch()
    assert inside.read().status == behind.read().status == 200
    admin.wait_for(inside, "idle")
    silent.close()
    wait.until(lambda: admin.tables()[0]["total"] == 5, "one has left")


def test_request_is_in_the_app_in_every_class(serve, admin, called_by, gate):
    server = serve(*CLASSES[called_by])
    with server.connect() as wire:
        # The class inline has one request at a time, and its loop stands still meanwhile.
        wire.request("GET", f"/hold?file={gate}")
        if called_by == "inline":
            wait.until(lambda: any(one["state"] == "app" and one["target"].startswith("/hold?file=")
                                   for one in admin.connections()), "it is known where the worker stands")
        else:
            admin.wait_for(wire, "app", "the app")
        gate.touch()
        assert wire.read().status == 200


@pytest.mark.parametrize("worker_class", ["threads", "gevent"])
def test_client_that_reads_slowly(serve, admin, worker_class):
    server = serve("contract:app", "-k", worker_class)
    with server.connect(receive_buffer=4096) as wire:
        wire.request("GET", "/bytes?count=30000000")
        one = admin.wait_for(wire, "writing", "the client to read ")
        assert one["target"] == "/bytes?count=30000000" and one["bytes_out"] > 0
        assert re.fullmatch(r"the client to read [\d,]+ bytes", one["waits_for"])


def test_answer_that_waits_for_its_reader_is_known_when_the_app_has_ended(serve, admin, example):
    server = serve(example("longpoll"), env={"CHAT_PAGE": PAGE})
    with server.connect(receive_buffer=4096) as wire:
        # So many that the answers find no room in the sockets' buffers.
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2000)
        one = admin.wait_for(wire, "writing", "the client to read ")
        assert (one["method"], one["target"]) == ("GET", "/")


def test_connection_that_closes(serve, admin):
    server = serve("contract:app")
    with server.connect() as wire:
        # What it has announced to send does not come, so the server waits for a while after its answer.
        wire.send("POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n0123456789")
        assert wire.read().closes
        admin.wait_for(wire, "closing", "the client to close")


def test_websocket(serve, admin, example, dial):
    server = serve(example("websocket-echo"))
    socket = dial(server, "/echo")
    socket.send("hello")
    assert socket.recv() == "hello"
    one = wait.until(lambda: next((one for one in admin.connections() if one["state"] == "websocket"), None),
                     "there is a WebSocket")
    assert (one["method"], one["target"], one["waits_for"]) == ("GET", "/echo", "a message")
    wait.until(lambda: the_only(admin.status())["websockets"] == 1, "it is counted")
    assert the_only(admin.status())["slowest"] == [] and one["listens"] is None


def test_what_is_listened_on(serve, admin, dial):
    server = serve("listening_app:app", "-k", "asgi", "--grip", "--pythonpath", APPS)
    with server.connect() as poll, server.connect() as stream:
        poll.request("GET", f"/held?response=a,b,{'c' * 100},d,e")
        one = admin.wait_for(poll, "held", "a message on a, b, ")
        listens = one["listens"]
        assert 0 < listens.pop("left") <= 55
        name = "c" * 61 + "\u2026"
        assert listens == {"mode": "response", "channels": ["a", "b", name], "count": 5}
        assert re.fullmatch(rf"a message on a, b, {name} and 2 more channels, for \d+ s more", one["waits_for"])
        stream.request("GET", "/held?stream=news")
        one = admin.wait_for(stream, "held", "a message on news")
        assert one["listens"] == {"mode": "stream", "left": None, "channels": ["news"], "count": 1}
    socket = dial(server)
    socket.recv()
    socket.send(json.dumps({"type": "evgateway.subscribe", "channel": "room"}))
    assert socket.recv() == '"done"'
    one = wait.until(lambda: next((one for one in admin.connections() if one["state"] == "websocket"), None),
                     "there is a WebSocket")
    assert one["waits_for"] == "a message of the client, or one on room"
    assert one["listens"] == {"mode": "websocket", "left": None, "channels": ["room"], "count": 1}


def test_long_poll_that_is_parked(serve, admin, example):
    server = serve(example("longpoll"), env={"CHAT_HOLD": "3600", "CHAT_PAGE": PAGE})
    with server.connect() as wire:
        wire.request("GET", "/messages?after=0")
        one = admin.wait_for(wire, "parked", "what the app has parked it for")
        assert one["target"] == "/messages?after=0"
        wait.until(lambda: [one["target"] for one in the_only(admin.status())["slowest"]] == ["/messages?after=0"],
                   "the status has it too")


def test_id_of_a_request_is_told(serve, admin, gate):
    server = serve("both:wsgi", "-k", "gevent", "--request-id", "--forwarded-allow-ips", "127.0.0.1")
    with server.connect() as wire:
        wire.request("GET", f"/hold?file={gate}", fields=[("X-Request-ID", "of-the-proxy-1")])
        assert admin.wait_for(wire, "app")["request_id"] == "of-the-proxy-1"


def test_client_behind_a_proxy_is_named_if_the_proxy_is_trusted(serve, admin, gate):
    server = serve("both:wsgi", "-k", "gevent", "--forwarded-allow-ips", "127.0.0.1")
    with server.connect() as wire, server.connect() as other:
        wire.request("GET", f"/hold?file={gate}", fields=[("X-Forwarded-For", "192.0.2.7")])
        other.request("GET", f"/hold?file={gate}")
        assert admin.wait_for(wire, "app")["client"] == "192.0.2.7"
        assert admin.wait_for(other, "app")["client"] is None


def test_client_is_not_named_by_somebody_else(serve, admin, gate):
    server = serve("both:wsgi", "-k", "gevent", "--forwarded-allow-ips", "192.0.2.1")
    with server.connect() as wire:
        wire.request("GET", f"/hold?file={gate}", fields=[("X-Forwarded-For", "192.0.2.7")])
        assert admin.wait_for(wire, "app")["client"] is None


def test_peer_at_a_unix_socket(serve, admin, gate, short_path):
    server = serve("both:wsgi", "-k", "gevent", "-b", f"unix:{short_path / 'app.sock'}")
    with server.connect() as wire:
        wire.request("GET", f"/hold?file={gate}")
        one = wait.until(lambda: next((one for one in admin.connections() if one["state"] == "app"), None), "it runs")
        assert (one["peer"], one["bytes_in"], one["bytes_out"]) == ("unix", None, None)


def test_what_clients_send_is_data(serve, admin, gate):
    server = serve("both:wsgi", "-k", "gevent", "--limit-request-line", 8190)
    start = b"/hold?file=" + str(gate).encode() + b"&"
    long = start + b"x" * 8000
    targets = [long, *(start + rest for rest in (
        b"<script>alert(1)</script>", b"'\"><img src=x>", b"\xff\xfe\x80\xc2\x9b", b"\\\xe2\x80\xa8", b"\x1b[31m",
        b"\x7f"))]
    wires = [server.connect().send(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n") for target in targets]
    try:
        one = admin.wait_for(wires[0], "app")
        assert one["target"].endswith("…") and len(one["target"]) == 1025
        assert long.decode().startswith(one["target"][:-1])
        # Each is refused, or stands in the table.
        wait.until(lambda: all((told := admin.of(wire)) is None or told["state"] in ("app", "closing")
                               for wire in wires), "all have been looked at")
        for path in ("/connections", "/status"):
            text = admin.ask(path).body
            json.loads(text)
            assert text.count(b"\n") == 1 and len(text) < 30_000
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029<>]", text.decode())
    finally:
        for wire in wires:
            wire.close()


def test_stuck_workers_are_told_of(serve, admin):
    server = serve("contract:app", "-k", "inline", "-w", 2, "--timeout", 0)
    idle = [server.connect() for _ in range(20)]
    for wire in idle:
        assert wire.get("/").status == 200
    stuck = {}
    while len(stuck) < 2:
        # Whoever accepts it is stuck from then on.
        wire = server.connect().request("GET", f"/spin?number={len(stuck)}")
        wait.until(lambda: len(spinning(admin)) > len(stuck), "one more stands still")
        stuck[len(stuck)] = wire
    wait.until(lambda: all(worker["stuck"] for worker in admin.status()["workers"]), "both are known to be stuck")
    status = admin.status()
    assert status["state"] == "serving" and status["target_workers"] == 2
    for worker in status["workers"]:
        assert worker["state"] == "ready" and worker["silence"] > 2
        assert worker["current"]["line"].startswith("GET /spin?number=") and worker["current"]["age"] > 1
        assert worker["slowest"][0]["target"].startswith("/spin?number=")
    tables = admin.tables()
    assert [table["worker"] for table in tables] == [0, 1]
    for table in tables:
        assert table["source"] == "shared" and table["as_of"] > 1
        (one,) = [one for one in table["connections"] if one["state"] == "app"]
        assert one["since"] > 1 and set(one) == FIELDS
    assert sum(table["total"] for table in tables) == 22
    for pid in [worker["pid"] for worker in status["workers"]]:
        os.kill(pid, signal.SIGKILL)


def spinning(admin):
    return [one for one in admin.connections() if (one["target"] or "").startswith("/spin")]


def test_one_worker_can_be_asked_for_and_mistakes_are_told(serve, admin):
    server = serve("contract:app", "-w", 2)
    assert [[table["worker"] for table in admin.tables(number)] for number in (0, 1, 7)] == [[0], [1], []]
    stacks = admin.json("/stacks?worker=0")["workers"]
    assert [one["worker"] for one in stacks] == [0] and stacks[0]["source"] == "live"
    assert admin.tables(1)[0]["pid"] in server.worker_pids()
    for target in ("/connections?worker=x", "/connections?worker=", "/connections?worker=-1", "/connections?name=1",
                   "/connections?worker=1&worker=2", "/connections?worker=99999999999999999999", "/status?x=1"):
        answer = admin.ask(target)
        assert answer.status == 400 and answer.get("content-type").startswith("text/plain"), target
        assert re.fullmatch(rb"[^\n]+\n", answer.body)


def test_thousands_of_connections_are_listed(serve, admin):
    server = serve("contract:app", "-k", "threads", "--connections", 4000)
    wires = [Wire(server.address) for _ in range(3000)]
    try:
        wait.until(lambda: the_only(admin.status())["connections"] == 3000, "all are open")
        (table,) = admin.tables()
        assert (table["source"], table["total"], len(table["connections"])) == ("live", 3000, 3000)
        assert len({one["peer"] for one in table["connections"]}) == 3000
    finally:
        for wire in wires:
            wire.close()


def test_admin_process_that_is_killed_comes_back(serve, admin, gate):
    server = serve("both:wsgi", "-k", "gevent")
    with server.connect() as wire:
        wire.request("GET", f"/hold?file={gate}")
        admin.wait_for(wire, "app")
        before = admin.status()
        (pid,) = set(procfs.children(server.pid)) - {the_only(before)["pid"]}
        os.kill(pid, signal.SIGKILL)
        server.log.wait_for(r"The admin process \(pid: \d+\) was killed by SIGKILL")
        admin.wait_until_there()
        assert admin.wait_for(wire, "app")["target"] == f"/hold?file={gate}"
        after = admin.status()
        assert after["started"] == before["started"] and the_only(after)["pid"] == the_only(before)["pid"]
        assert after["events"] == before["events"]


def test_status_tells_why_workers_were_replaced(serve, admin):
    server = serve("contract:app", "-k", "threads", "--max-requests", 3)

    def ended(cause):
        wait.until(lambda: cause in [one["cause"] for one in admin.status()["restarts"]],
                   lambda: f"{cause} in {admin.status()['restarts']}")
        wait.until(lambda: [one["state"] for one in admin.status()["workers"]] == ["ready"], "a worker is ready")
        return [one for one in admin.status()["restarts"] if one["cause"] == cause][-1]

    pid = the_only(admin.status())["pid"]
    os.kill(pid, signal.SIGSEGV)
    one = ended("signal")
    assert (one["worker"], one["pid"]) == (0, pid) and "SIGSEGV" in one["text"] and one["time"] > 0
    for _ in range(3):
        server.get("/")
    ended("max_requests")
    with server.connect() as wire:
        wire.request("GET", "/exit?code=7")
        assert "exited with code 7" in ended("exit")["text"]
    server.signal(signal.SIGHUP)
    ended("reload")
    server.signal(signal.SIGTTIN)
    wait.until(lambda: admin.status()["target_workers"] == 2, "there are to be two")
    server.signal(signal.SIGTTOU)
    assert ended("scale")["worker"] == 1
    assert all(event["worker"] is None or event["pid"] > 0 for event in admin.status()["events"])
    assert [one["time"] for one in admin.status()["restarts"]] == sorted(
        one["time"] for one in admin.status()["restarts"])


def test_status_tells_of_a_hang(serve, admin):
    server = serve("contract:app", "-k", "inline", "--timeout", 1)
    wire = server.connect().request("GET", "/spin")
    wait.until(lambda: [one["cause"] for one in admin.status()["restarts"]] == ["hang"], "it was replaced")
    assert any("WORKER TIMEOUT" in event["text"] and "/spin" in event["text"] for event in admin.status()["events"])
    wire.close()


def test_status_has_what_the_kernel_tells(serve, admin):
    server = serve("contract:app", "-k", "threads", "--threads", 2, "--connections", 77)
    status = admin.status()
    assert status["binds"] == [f"127.0.0.1:{server.port}"]
    worker = the_only(status)
    assert set(status) == {
        "version", "application", "worker_class", "time", "started", "master", "state", "target_workers",
        "accept_queue", "binds", "workers", "restarts", "events"}
    assert set(worker) == {
        "worker", "age", "pid", "state", "stuck", "uptime", "silence", "connections", "connections_limit", "idle",
        "websockets", "in_flight", "requests", "dropped", "rss", "pss", "cpu", "current", "longest", "slowest"}
    assert worker["rss"] > 1_000_000 and worker["cpu"] >= 0 and worker["connections_limit"] == 77
    assert worker["pss"] is None or worker["rss"] >= worker["pss"] > 100_000
    assert status["state"] == "serving" and status["started"] <= status["time"] and status["restarts"] == []
    wait.until(lambda: admin.status()["accept_queue"] == 0, "the queue is known")


def test_accept_queue_is_told(serve, admin):
    server = serve("contract:app", "-k", "inline", "--connections", 1, "--timeout", 0)
    wire = server.connect().request("GET", "/spin")
    wait.until(lambda: spinning(admin), "the worker stands still")
    waiting = [server.connect() for _ in range(5)]
    wait.until(lambda: admin.status()["accept_queue"] == 5, lambda: f"five wait: {admin.status()['accept_queue']}")
    for one in (wire, *waiting):
        one.close()
    os.kill(the_only(admin.status())["pid"], signal.SIGKILL)


def test_state_while_the_server_leaves(serve, admin):
    server = serve("contract:app", "-k", "threads", "--shutdown-delay", 60)
    server.signal(signal.SIGTERM)
    wait.until(lambda: admin.status()["state"] == "leaving", "it says that it leaves")
    assert the_only(admin.status())["state"] == "leaving"
    answer = admin.ask("/readyz")
    assert (answer.status, answer.body) == (503, b"0 of 1 workers ready, leaving\n")
    with server.connect() as wire:
        wire.request("GET", "/sleep?seconds=3")
        admin.wait_for(wire, "app")
        server.signal(signal.SIGTERM)
        wait.until(lambda: admin.status()["state"] == "stopping", "it stops")
        assert the_only(admin.status())["state"] == "draining"
        assert wire.read().status == 200
    assert server.wait() == 0
