"""ASGI 3 as specified ("HTTP & WebSocket", spec_version 2.4), on asyncio and on uvloop."""

import json
import os

import httpx
import pytest
import requests

from support import procfs, wait, wire

from support.gateway import ROOT

APPS = ROOT / "Tests" / "System" / "asgi_apps"


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request):
    return request.param


@pytest.fixture
def serve(gateway, loop):
    """Factory: `serve(*flags)` starts asgi_app, or another app."""
    def start(*flags, app="asgi_app:app", **more):
        return gateway(app, "-k", "asgi", "--asgi-loop", loop, "--pythonpath", APPS, *flags, **more)
    return start


@pytest.fixture
def server(serve):
    return serve()


def scope_of(response):
    return json.loads(response.body)["scope"]


def seen(server):
    return json.loads(server.get("/seen").body)


# The scope

def test_scope_is_complete(server, loop, python, serve):
    server = serve(python=python)
    with server.connect() as client:
        client.request("GET", "/?a=1&b=%20", fields=[("X-Mixed-Case", "Value"), ("x-twice", "1"), ("X-Twice", "2")])
        told = json.loads(client.read().body)
        port = client.socket.getsockname()[1]
    scope = told["scope"]
    assert scope["type"] == "http" and scope["http_version"] == "1.1" and scope["method"] == "GET"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert scope["scheme"] == "http" and scope["root_path"] == ""
    assert scope["path"] == "/" and scope["raw_path"] == "/" and scope["query_string"] == "a=1&b=%20"
    assert scope["headers"] == [["host", "test"], ["x-mixed-case", "Value"], ["x-twice", "1"], ["x-twice", "2"]]
    assert scope["client"] == ["127.0.0.1", port] and scope["server"] == [server.host, server.port]
    assert scope["state"] == {"opened": "yes", "mine": 1}
    assert scope["extensions"]["http.response.pathsend"] == {} and told["pairs"]
    assert told["types"]["path"] == "str" and told["types"]["raw_path"] == told["types"]["query_string"] == "bytes"


def test_fields_of_a_request_that_repeats_another_are_its_own(server):
    """The list of headers is copied from that of the request before when its fields are the same but for secrets."""
    repeated = [[("x-kept", "1"), ("cookie", secret), ("authorization", secret), ("cookie2", "c")]
                for secret in ("a=1", "b=2", "c=3", "c=3", "")]
    repeated += [repeated[0][:2], repeated[0][:2], [("x-kept", "2"), *repeated[0][1:]], repeated[0],
                 *[[("cookie", "one"), ("cookie", "two")]] * 3]
    with server.connect() as client:
        for fields in repeated:
            headers = scope_of(client.request("GET", "/", fields=fields).read())["headers"]
            assert headers == [["host", "test"], *map(list, fields)]


def test_path_is_decoded_and_raw_path_is_not(server):
    scope = scope_of(server.get("/caf%C3%A9%20%FF"))
    assert scope["path"] == "/caf\u00e9 \ufffd" and scope["raw_path"] == "/caf%C3%A9%20%FF"


def test_absolute_target_replaces_host_and_old_clients_are_told(server):
    with server.connect() as client:
        client.send(f"GET http://other.example/?q HTTP/1.0\r\nHost: {server.host}\r\n\r\n")
        scope = scope_of(client.read())
    assert scope["headers"] == [["host", "other.example"]] and scope["http_version"] == "1.0"
    assert scope["path"] == "/" and scope["query_string"] == "q"


def test_root_path_begins_the_path_once(serve):
    server = serve("--root-path", "/api/")
    for target in ("/", "/api/"):
        scope = scope_of(server.get(target))
        assert scope["root_path"] == "/api" and scope["path"] == scope["raw_path"] == "/api/"


def test_unix_socket_has_no_client(serve, tmp_path):
    server = serve("--bind", f"unix:{tmp_path}/s")
    scope = scope_of(server.get("/"))
    assert scope["client"] is None and scope["server"] == [f"{tmp_path}/s", None]


def test_state_is_a_copy_for_each_request_and_contexts_do_not_leak(server):
    with server.connect() as client:
        assert scope_of(client.get("/"))["state"]["mine"] == 1
        assert scope_of(client.get("/"))["state"]["mine"] == 1
        for _ in range(3):
            assert json.loads(client.get("/context").body) == ["clean", "from a request"]
        assert json.loads(client.get("/").body)["context"] == "clean"


def test_request_runs_in_a_task_like_any_other(serve, loop, python):
    server = serve(python=python)
    same, module, _ = json.loads(server.get("/task").body)
    assert same and module.split(".")[0] == loop
    blocks, found = server.get("/from-a-thread").body.rsplit(b"x", 1)
    assert len(blocks) == 6_553_599 and json.loads(found) == ["http.request", "RuntimeError", "KeyError"]
    assert server.get("/awaitable").body == b"awaited"


# Bodies

def test_bodies_are_read_whole_and_in_pieces(server):
    large = os.urandom(3_000_000)
    assert requests.post(f"{server.base_url}/echo", data=large, timeout=30).content == large
    pieces = (large[start:start + 70_000] for start in range(0, len(large), 70_000))
    assert httpx.post(f"{server.base_url}/echo", content=pieces, timeout=30).content == large
    with server.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n")
        assert client.read_head().status == 100
        answer = client.send(b"abc").send(b"def").read()
        assert answer.body == b"abcdef"
        assert client.get("/echo").body == b""


def test_body_waits_until_the_app_reads(server):
    with server.connect() as client:
        answer = client.request("POST", "/slow-reader", body=b"x" * 1_000_000).read()
    told = json.loads(answer.body)
    assert told["count"] == 1_000_000 and told["largest"] < 500_000


def test_body_cut_off_is_a_disconnect(server):
    with server.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\n\r\nabc")
        server.get("/seen")
        client.reset()
    server.wait_for_log("ConnectionError: cut off")
    assert server.get("/").status == 200


def test_body_too_large_is_refused(serve):
    server = serve("--limit-request-body", 1000)
    with server.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"x" * 2000)
        assert client.read().status == 413
    assert server.get("/").status == 200


def test_response_is_streamed(server):
    with server.connect() as client:
        answer = client.get("/stream")
        assert answer.body == b"onetwothree" and answer.get("transfer-encoding") == "chunked"
        client.request("HEAD", "/stream")
        assert client.read("HEAD").status == 200
        assert client.get("/").status == 200


def test_send_waits_for_a_client_that_does_not_read(server):
    with server.connect(receive_buffer=4096) as client:
        client.request("GET", "/much?400")
        client.read_head()
        counts = [0]
        def settled():
            counts.append((seen(server) or [0])[0])
            return counts[-1] and counts[-1] == counts[-2]
        wait.until(settled, "send waits", interval=0.2)
        assert counts[-1] < 400, "26 MB went nowhere"
        total = 0
        while chunk := client.read_chunk():
            total += len(chunk)
        assert total == 400 * 65536
    assert seen(server) == [400]


def test_sends_that_never_wait_leave_the_loop_its_turns(server):
    """The body of an answer to HEAD is not sent, so send never waits for the client."""
    count = 2_000_000
    with server.connect() as client:
        client.request("HEAD", f"/much?{count}")
        wait.until(lambda: seen(server), "the stream runs")
        counts = [seen(server)[0] for _ in range(3)]
        assert 0 < counts[0] < counts[2] < count
        client.reset()


def test_file_is_sent_by_path(server, tmp_path):
    file = tmp_path / "data"
    file.write_bytes(os.urandom(5_000_000))
    with server.connect() as client:
        answer = client.get(f"/pathsend?{file}")
        assert answer.body == file.read_bytes() and answer.get("content-length") == "5000000"
        assert seen(server) == ["sent"]
        assert client.get(f"/pathsend?{tmp_path}/none").status == 500
    server.wait_for_log("No such file")
    with server.connect(receive_buffer=4096) as client:
        client.request("GET", f"/pathsend?{file}")
        client.read_head()
        client.reset()
    assert server.get("/").status == 200


# Disconnects

def test_disconnect_is_told_at_once_and_send_raises(server):
    with server.connect() as client:
        client.request("GET", "/disconnect")
        wait.until(lambda: seen(server) == ["waiting"], "the app waits")
        client.reset()
    told = ["waiting", "http.disconnect", "ClientDisconnected", "http.disconnect"]
    wait.until(lambda: seen(server) == told, lambda: f"the app has seen it: {seen(server)}")
    assert "Traceback" not in server.error_log()


def test_waits_for_messages_are_independent(server):
    assert server.get("/two-waiters").body == b"done"
    wait.until(lambda: seen(server) == ["http.disconnect", "CancelledError"], lambda: seen(server))


def test_client_that_leaves_a_stream_ends_it_quietly(server):
    with server.connect(receive_buffer=4096) as client:
        client.request("GET", "/much?4000")
        client.read_head()
        client.reset()
    with server.connect() as client:
        assert client.get("/").status == 200
    before = seen(server)
    assert before[0] < 4000 and "Traceback" not in server.error_log()


# Failures

def test_exceptions_are_answered_or_break_the_response(serve, python):
    server = serve(python=python)
    with server.connect() as client:
        assert client.get("/raises").status == 500
        server.wait_for_log("Error handling request GET /raises")
        server.wait_for_log("ZeroDivisionError: before the start")
        with pytest.raises((wire.Truncated, ConnectionError)):
            client.get("/raises-later")
    with server.connect() as client:
        assert client.get("/raises-at-the-end").body == b"whole"
        assert client.get("/exits").status == 500
        assert client.get("/says-nothing").status == 500
    server.wait_for_log("returned without finishing")
    server.wait_for_log("ZeroDivisionError: after the end")
    assert len(server.worker_pids()) == 1 and server.get("/").status == 200


# Deadlines

def test_request_past_its_deadline_is_cancelled(serve):
    server = serve("--request-timeout", 0.3)
    with server.connect() as client:
        assert client.get("/sleep").status == 504
        assert seen(server) == ["asleep", "cancelled"]
        assert client.get("/deadline?extend").body == b"awake"
        assert client.get("/deadline?remaining").status == 504
    assert "Traceback" not in server.error_log()


def test_app_sets_its_own_deadline(server):
    assert server.get("/deadline?remaining").body == b"awake"
    assert server.get("/deadline?set").status == 504


# Lifespan

def test_lifespan_is_spoken(serve, python):
    server = serve(python=python)
    assert server.get("/").status == 200
    assert server.stop() == 0
    assert "the app says farewell" in server.error_log()


@pytest.mark.parametrize("mode, text", [("failed", "no database"), ("raised", "RuntimeError: no database")])
def test_startup_failure_stops_the_worker(serve, mode, text):
    server = serve("--lifespan", "on", env={"LIFESPAN": mode}, wait=False)
    assert server.wait() == 3
    assert text in server.error_log() and "Worker ready" not in server.error_log()


def test_lifespan_that_is_not_supported(serve):
    server = serve(env={"LIFESPAN": "unsupported"})
    assert server.get("/stream").status == 200
    server.wait_for_log("does not support lifespan")
    assert "ValueError" not in server.error_log()
    strict = serve("--lifespan", "on", env={"LIFESPAN": "unsupported"}, wait=False)
    assert strict.wait() == 3


def test_lifespan_that_breaks_off_says_why(serve):
    server = serve(env={"LIFESPAN": "raised"})
    assert server.get("/stream").status == 200
    server.wait_for_log("does not support lifespan: RuntimeError: no database")


def test_lifespan_can_be_off(serve):
    server = serve("--lifespan", "off", env={"LIFESPAN": "failed"})
    assert server.get("/stream").status == 200


def test_worker_can_be_stopped_as_it_starts(serve):
    server = serve(env={"LIFESPAN": "slow"}, wait=False)
    server.wait_for_log("Booting worker")
    assert server.stop() == 0


def test_stuck_shutdown_is_bounded(serve):
    server = serve("--graceful-timeout", 1, env={"LIFESPAN": "stuck"})
    assert server.get("/stream").status == 200
    assert server.stop() == 0
    assert "lifespan shutdown took too long" in server.error_log()


# The end

def test_worker_that_drains_finishes_what_runs(serve):
    server = serve()
    with server.connect() as client:
        client.request("GET", "/sleep?1")
        wait.until(lambda: seen(server) == ["asleep"], "the request runs")
        server.signal(15)
        assert client.read().body == b"awake"
    assert server.wait() == 0
    assert "the app says farewell" in server.error_log()


def test_worker_that_quits_cancels_what_runs(serve):
    server = serve()
    with server.connect() as client:
        client.request("GET", "/sleep")
        wait.until(lambda: seen(server) == ["asleep"], "the request runs")
        assert server.stop(3) == 0
    assert "the request was cancelled" in server.error_log()


def test_nothing_is_left_behind(serve, python):
    server = serve(python=python)
    assert server.get("/farewell").body == b"left"
    assert server.stop() == 0
    log = server.error_log()
    assert "the task is cancelled" in log and "the generator is closed" in log and "Traceback" not in log
    assert "destroyed" not in log and "never retrieved" not in log and "never awaited" not in log


def test_requests_leave_no_descriptors_behind(server):
    (worker,) = server.worker_pids()
    count = lambda: len(os.listdir(f"/proc/{worker}/fd"))
    assert server.get("/").status == 200
    before = count()
    for path in ("/raises", "/stream", "/raises-later", "/says-nothing") * 20:
        with server.connect() as client:
            client.request("GET", path)
            client.read_some()
    for _ in range(20):
        client = server.connect()
        client.request("GET", "/disconnect").reset()
    wait.until(lambda: count() <= before, lambda: f"{count()} descriptors, {before} before")
    assert procfs.children(worker) == []
