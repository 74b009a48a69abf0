"""Load and held requests leave no thread, greenlet, task or descriptor behind, while serving and at the end."""

import itertools
import json
from signal import SIGTERM

import pytest

from support import procfs, wait
from support.load import Load
from support.wsgi import settled

EACH = 3        # held requests of a kind; two kinds hold a thread each, and there are eight
UPLOAD = b"x" * 100_000
COUNT, SIZE = 200, 65536


class Held:
    """Requests without progress: bodies that do not arrive, streams that nobody reads, apps that wait for a file."""

    def __init__(self, server, gate, waits):
        self.gate, start = gate, server.log_position()
        self.uploads = [server.connect() for _ in range(EACH)]
        for client in self.uploads:
            head = f"POST /echo HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: {len(UPLOAD)}\r\n\r\n"
            assert client.send(head).read_head().status == 100
            client.send(UPLOAD[:70_000])
        self.readers = [server.connect(receive_buffer=4096) for _ in range(EACH)]
        for client in self.readers:
            client.request("GET", f"/stream?count={COUNT}&size={SIZE}").read_head()
        self.waiting = [server.connect().request("GET", f"/hold?file={gate}") for _ in range(EACH if waits else 0)]
        if waits:
            server.wait_for_log("^holding", count=EACH, start=start)

    def __len__(self):
        return len(self.uploads) + len(self.readers) + len(self.waiting)

    def leave(self):
        """Closes all connections. An app that waits for something else than its client notices it later."""
        for client in self.uploads + self.readers + self.waiting:
            client.reset()
        self.gate.touch()

    def finish(self):
        self.gate.touch()
        for client in self.uploads:
            assert client.send(UPLOAD[70_000:]).read().body == UPLOAD
        for client in self.waiting:
            assert client.read().body == b"me None"
        for client in self.readers:
            count = 0
            while chunk := client.read_chunk():
                count += len(chunk)
            assert count == COUNT * SIZE
        for client in self.uploads + self.readers + self.waiting:
            client.close()


@pytest.fixture
def server(both, called_by):
    return both(env={} if called_by in ("asyncio", "uvloop") else {"FAREWELL": "wsgi"})


@pytest.fixture
def hold(server, called_by, tmp_path):
    gates = (tmp_path / f"gate{number}" for number in itertools.count())
    return lambda: Held(server, next(gates), waits=called_by != "inline")


def census(server):
    return json.loads(server.get("/census").body)


def load_on(server):
    return Load(server.address, clients=6, one_shot=2, target="/me?id={id}", expect="me {id}")


@pytest.mark.parametrize("end", ["leave", "finish"])
def test_counts_return_to_what_they_were(server, hold, end):
    first = settled(lambda: census(server))
    for _ in range(2):
        held = hold()
        with load_on(server) as load:
            load.wait_for_more(500)
            assert census(server)["sockets"] >= first["sockets"] + len(held)
        assert set(load.outcomes) == {"ok"}, load.failures
        getattr(held, end)()
        wait.until(lambda: census(server) == first, lambda: f"the census is {first}, not {census(server)}")


def test_end_under_load_leaves_nothing(server, hold):
    first = settled(lambda: census(server))
    (worker,) = server.worker_pids()
    held = hold()
    with load_on(server) as load:
        load.wait_for_more(500)
        server.signal(SIGTERM)
        server.wait_for_log("Handling signal: term")
        held.finish()
        assert server.wait() == 0
    assert load.outcomes["wrong"] == load.outcomes["Truncated"] == 0, load.failures
    last = json.loads(server.wait_for_log("^farewell (.*)")[1])
    assert {name: count for name, count in last.items() if count > first[name]} == {}
    assert not procfs.alive(worker)
    for word in ("Traceback", "still running", "still busy", "destroyed", "never awaited"):
        assert word not in server.error_log()


# A Swift app


def polled(server, held):
    wait.until(lambda: server.get("/waiting").body == b"%d" % held, f"{held} wait")


def census_of(process, server):
    server.get("/waiting")
    with open(f"/proc/{process}/status") as file:
        threads = next(int(line.split()[1]) for line in file if line.startswith("Threads:"))
    return {"threads": threads, "descriptors": procfs.descriptor_count(process)}


def test_swift_counts_return_and_its_end_leaves_nothing(gateway, example):
    server = gateway(example("longpoll-chat"))
    (worker,) = server.worker_pids()
    first = settled(lambda: census_of(worker, server))
    for end in ("reset", "answered", "end"):
        held = [server.connect().request("GET", "/messages?since=1000&wait=1") for _ in range(30)]
        polled(server, 30)
        with Load(server.address, clients=6, one_shot=2, target="/waiting?{id}", expect="") as load:
            load.wait_for_more(500)
            if end == "end":
                server.signal(SIGTERM)
                assert [client.read().status for client in held] == [204] * 30
                assert server.wait() == 0
                break
        assert set(load.outcomes) == {"ok"}, load.failures
        for client in held:
            if end == "reset":
                client.reset()
            else:
                assert client.read().status == 204
                client.close()
        polled(server, 0)
        wait.until(lambda: census_of(worker, server) == first, lambda: f"{first}, not {census_of(worker, server)}")
    assert load.outcomes["wrong"] == load.outcomes["Truncated"] == 0 and not procfs.alive(worker)
