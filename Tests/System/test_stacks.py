"""What the code of a worker does now: its stacks, with the requests that they serve, and slow requests in the log."""

import json
import re
import time

import pytest

from support import wait

APP = "Tests/System/apps/stacks.py:app"
ASGI = "Tests/System/apps/stacks.py:asgi_app"
FORGED = "of the app\\n[forged]"


def start(gateway, worker_class, *flags, **more):
    return gateway(ASGI if worker_class == "asgi" else APP, "-k", worker_class, "--timeout", 0, *flags, **more)


def stacks_of(server):
    found = json.loads(server.get("/stacks").body)
    assert found["left_out"] == 0
    return [dict(zip(("kind", "name", "request", "frames"), stack)) for stack in found["stacks"]]


def functions(stack):
    """The names of the functions, the outermost first."""
    return [re.search(r", in (\w+)", frame)[1] for frame in stack["frames"] if frame.startswith("File ")]


def until(server, is_there):
    """The first stack for which is_there() is true."""
    found = []

    def look():
        found[:] = [stack for stack in stacks_of(server) if is_there(stack)]
        return found

    wait.until(look, "the stack is there")
    return found[0]


KINDS = {"gevent": "greenlet", "threads": "thread", "asgi": "task"}


# Stacks of requests


@pytest.mark.parametrize("worker_class", ["gevent", "threads"])
def test_stack_of_a_request_that_waits(gateway, worker_class, python):
    server = start(gateway, worker_class, python=python)
    with server.connect() as held:
        held.request("GET", "/hold")
        stack = until(server, lambda stack: "hold_in_a_named_function" in functions(stack))
        assert stack["kind"] == KINDS[worker_class] and stack["request"]
        assert functions(stack)[:3] == ["app", "hold_in_a_named_function", "wait_for_release"]
        frame = stack["frames"][1]
        assert re.fullmatch(r'File ".*/apps/stacks\.py", line \d+, in hold_in_a_named_function\n'
                            r"  wait_for_release\(\)  # this very line", frame)
        server.get("/release")
        assert held.read().status == 200


def test_stack_of_a_task_follows_what_it_awaits(gateway, python):
    server = start(gateway, "asgi", "--asgi-loop", "asyncio", python=python)
    with server.connect() as held:
        held.request("GET", "/hold")
        stack = until(server, lambda stack: "innermost" in functions(stack))
        assert stack["kind"] == "task" and stack["request"]
        chain = ["asgi_app", "outermost", "middle", "__await__", "by_a_generator", "numbers", "innermost", "sleep"]
        assert functions(stack) == chain
        server.get("/release")
        assert held.read().status == 200


def test_task_that_waits_for_another_names_it(gateway):
    server = start(gateway, "asgi")
    with server.connect() as held:
        held.request("GET", "/wait_for_task")
        stack = until(server, lambda stack: stack["request"] and "(waits" in stack["frames"][-1])
        assert functions(stack) == ["asgi_app"]
        assert stack["frames"][-1] == "(waits for the task 'awaited\\n[forged]')"
        assert any(other["name"] == "awaited\\n[forged]" and functions(other)[0] == "of_the_app"
                   for other in stacks_of(server))
        server.get("/release")


@pytest.mark.parametrize("worker_class", ["gevent", "threads"])
def test_stack_of_a_generator_that_waits_between_blocks(gateway, worker_class):
    server = start(gateway, worker_class)
    with server.connect() as held:
        held.request("GET", "/generate")
        stack = until(server, lambda stack: "blocks" in functions(stack))
        assert functions(stack)[:2] == ["blocks", "wait_for_release"] and stack["request"]
        server.get("/release")
        assert held.read().body == b"firstlast"


@pytest.mark.parametrize("worker_class", ["inline", "gevent", "threads", "asgi"])
def test_code_beside_requests_has_a_stack_and_cannot_forge_lines(gateway, worker_class):
    server = start(gateway, worker_class)
    server.get("/background")
    name = "" if worker_class == "gevent" else FORGED   # a thread is a greenlet there
    waits = "of_the_app" if worker_class == "asgi" else "hold_beside_requests"
    stack = until(server, lambda stack: waits in functions(stack))
    assert stack["request"] is None and stack["name"] == name
    assert not [frame for frame in stack["frames"] if re.search(r"[^\n]\n.*\n", frame)]


def test_threads_that_wait_for_work_are_left_out(gateway):
    server = start(gateway, "threads", "--threads", 8)
    server.get("/")
    with server.connect() as held:
        held.request("GET", "/hold")
        until(server, functions)
        assert [stack["kind"] for stack in stacks_of(server)] == ["thread"]
        server.get("/release")


def test_deep_stack_is_cut_and_says_so(gateway):
    server = start(gateway, "threads")
    with server.connect() as held:
        held.request("GET", "/deep?depth=300")
        stack = until(server, lambda stack: "dive" in functions(stack))
        frames = stack["frames"]
        assert len(frames) == 16 + 1 + 48 and functions(stack)[0] == "app"
        assert functions(stack)[-1] == "wait_for_release"
        left_out = re.fullmatch(r"\.\.\. (\d+) frames are left out \.\.\.", frames[16])
        assert int(left_out[1]) == 1 + 301 + 1 - 64
        server.get("/release")


def test_stacks_are_bounded_and_the_rest_is_counted(gateway):
    server = start(gateway, "gevent", "--connections", 700)
    held = [server.connect() for _ in range(520)]
    for connection in held:
        connection.request("GET", "/hold")
    found = {}

    def look():
        found.update(json.loads(server.get("/stacks").body))
        return len(found["stacks"]) + found["left_out"] >= 520

    wait.until(look, "all are inside")
    assert len(found["stacks"]) == 500 and found["left_out"] >= 20
    server.get("/release")
    for connection in held:
        connection.close()


# Slow requests


def slow_block(server, path):
    """The lines of the log about a slow request: its own, a heading, and its stack."""
    block = []

    def look():
        block[:] = re.findall(rf'^.*is slow: "\w+ {path}".*\nStack of .*\n(?:  .*\n)+', server.error_log() + "\n", re.M)
        return block

    wait.until(look, "the stack is there")
    return block[0].splitlines()


@pytest.mark.parametrize("worker_class", ["gevent", "threads", "asgi"])
def test_slow_request_is_logged_once_with_its_stack(gateway, worker_class):
    server = start(gateway, worker_class, "--slow-request", 0.3)
    (worker,) = server.worker_pids()
    with server.connect() as held:
        held.request("GET", "/hold?secret=no")
        block = slow_block(server, "/hold")
        assert re.search(rf'\[WARNING\] A request is slow: "GET /hold" of 127\.0\.0\.1, for 0\.\d s, in the app '
                         rf"\(pid: {worker}\)$", block[0])
        assert block[1] == f"Stack of its {KINDS[worker_class]} (most recent call last):"
        innermost = "innermost" if worker_class == "asgi" else "wait_for_release"
        assert re.search(rf', in {innermost}$', "\n".join(block), re.M)
        assert "secret" not in "\n".join(block)
        with server.connect() as other:
            other.request("GET", "/hold")
            server.wait_for_log("A request is slow", count=2)
            server.get("/release")
            assert held.read().status == other.read().status == 200
    assert server.error_log().count("A request is slow") == 2


def test_without_the_setting_nothing_is_slow(gateway):
    server = start(gateway, "gevent")
    with server.connect() as held:
        held.request("GET", "/hold")
        time.sleep(1.5)
        server.get("/release")
        assert held.read().status == 200
    assert "is slow" not in server.error_log()


@pytest.mark.parametrize("worker_class", ["inline", "gevent", "threads"])
def test_slow_request_that_waits_for_its_client(gateway, worker_class):
    server = start(gateway, worker_class, "--slow-request", 0.3, "--spool-limit", 0)
    with server.connect() as reading, server.connect(receive_buffer=4096) as writing:
        reading.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
        writing.request("GET", "/write").read_head()
        server.wait_for_log(r'is slow: "POST /read" of 127\.0\.0\.1, for [\d.]+ s, reading its body \(')
        server.wait_for_log(r'is slow: "GET /write" of 127\.0\.0\.1, for [\d.]+ s, writing to a slow client \(')


def test_slow_request_that_waits_for_a_thread(gateway):
    server = start(gateway, "threads", "--slow-request", 0.2, "--threads", 2)
    with server.connect() as one, server.connect() as two, server.connect() as waiting:
        one.request("GET", "/hold")
        two.request("GET", "/hold")
        server.wait_for_log("A request is slow", count=2)
        waiting.request("GET", "/release")
        server.wait_for_log(r'is slow: "GET /release" .*, waiting for its turn \(')


def test_websocket_is_never_slow(gateway):
    server = gateway("Tests/System/asgi_apps/websocket_app.py:app", "-k", "asgi", "--slow-request", 0.2)
    with server.connect() as socket:
        socket.request("GET", "/echo", fields=[
            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
        assert socket.read_head().status == 101
        time.sleep(1)
    assert "is slow" not in server.error_log()
