"""Apps that fork: whatever the child does with the copy of its parent's requests, clients are answered once."""

import pytest

from support.classes import CLASSES

BACK = "A process that the app forked came back"


@pytest.fixture
def server(gateway, called_by):
    app, *flags = CLASSES[called_by]
    return gateway(app.replace("both:", "forks:"), *flags)


def routes(called_by):
    return ["/fork", "/stream", "/task" if called_by in ("asyncio", "uvloop") else "/write"]


def test_child_that_comes_back_ends_and_its_parent_answers(server, called_by):
    with server.connect() as client:
        for number, path in enumerate(routes(called_by), start=1):
            assert client.get(path).body == b"first parent 0"[0 if path == "/stream" else 6:]
            server.wait_for_log(BACK + ".* status=0", count=number)
            assert client.get("/me").body == b"me"
        for how, status in ("exit", 3), ("raise", 1):
            assert client.get(f"/fork?how={how}").body == b"parent %d" % status
            server.wait_for_log(BACK + f".* status={status}")
        assert client.get("/me", fields=[("Connection", "close")]).body == b"me"
        client.expect_close()
    assert len(server.worker_pids()) == 1 and "the child's own" in server.error_log()


def test_other_requests_that_the_child_has_copies_of_are_answered_by_the_parent(server, called_by, tmp_path):
    gate = tmp_path / "gate"
    with server.connect() as client, server.connect() as holding:
        if called_by == "inline":       # which has one request at a time
            gate.touch()
        holding.request("GET", f"/hold?file={gate}")
        server.wait_for_log("^holding")
        assert client.get(f"/fork?how=wait&file={gate}").body == b"parent 0"
        assert holding.read().body == b"me"
        for wire in client, holding:
            assert wire.get("/me", fields=[("Connection", "close")]).body == b"me"
            wire.expect_close()


def test_process_of_multiprocessing_is_left_alone(server):
    with server.connect() as client:
        assert [client.get("/process").body for _ in range(2)] == [b"process 0"] * 2
        assert client.get("/me").body == b"me"
    assert BACK not in server.error_log()


def test_end_of_a_connection_is_told_while_a_child_holds_a_copy_of_it(server, tmp_path):
    gate = tmp_path / "gate"
    with server.connect() as client, server.connect() as old:
        assert old.get("/me").body == b"me"
        assert client.get(f"/leave?file={gate}", fields=[("Connection", "close")]).body == b"left"
        client.expect_close()
        assert old.get("/me", fields=[("Connection", "close")]).body == b"me"
        old.expect_close()
    gate.touch()
