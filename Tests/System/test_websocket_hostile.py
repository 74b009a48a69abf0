"""Clients of WebSocket that mean harm: what they get is bounded, and the others are served."""

import json
import struct

import pytest

from support import procfs, wait
from support.frames import CLOSE, PING, TEXT, masked, opening, split
from support.gateway import ROOT

APPS = ROOT / "Tests" / "System" / "asgi_apps"
MORE, MIB = 0x00, 1 << 20


@pytest.fixture
def server(gateway):
    return gateway("websocket_app:app", "-k", "asgi", "--pythonpath", APPS, "--ws-max-size", MIB)


@pytest.fixture
def opened(server):
    """Factory: a bare connection behind its opening."""
    connections = []

    def open_one():
        wire = server.connect()
        connections.append(wire)
        wire.send(opening())
        assert wire.read_head().status == 101
        return wire
    yield open_one
    for wire in connections:
        wire.close()


def next_frame(wire):
    while not (found := split(wire.buffer)):
        wire.buffer += wire.socket.recv(65536) or pytest.fail(f"the end, after {wire.buffer[:100]!r}")
    frame, wire.buffer = found
    return frame


def echoes(wire, text):
    wire.send(masked(TEXT, text))
    return next_frame(wire) == (TEXT, text)


def codes(server):
    return [end["code"] for end in json.loads(server.get("/ends").body)]


def test_fragments_without_end_are_bounded(server, opened):
    """Empty ones cost nothing, and others no more than the bytes that they have."""
    [worker], empty, tiny = server.worker_pids(), opened(), opened()
    assert echoes(empty, b"a")
    before = procfs.resident_bytes(worker)
    empty.send(masked(0x01) + masked(MORE) * 500_000 + masked(PING, b"end"))
    assert next_frame(empty) == (0x8a, b"end")
    tiny.send(masked(0x01, b"x") + masked(MORE, b"x") * (MIB - 1) + masked(PING, b"end"))
    assert next_frame(tiny) == (0x8a, b"end")
    assert procfs.resident_bytes(worker) - before < 8 * MIB
    tiny.send(masked(MORE, b"x"))
    assert next_frame(tiny) == (CLOSE, struct.pack("!H", 1009))
    empty.send(masked(0x80, b"b"))
    assert next_frame(empty) == (TEXT, b"b")


def test_announced_bytes_have_no_room_before_they_come(server, opened):
    [worker] = server.worker_pids()
    wires = [opened() for _ in range(100)]
    before = procfs.resident_bytes(worker)
    for wire in wires:
        wire.send(masked(TEXT, b"x", announces=MIB))
    assert echoes(opened(), b"a")
    assert procfs.resident_bytes(worker) - before < 8 * MIB


@pytest.mark.parametrize("frame", [masked(PING, b"p" * 125), masked(TEXT, b"t" * 10_000)], ids=["pings", "texts"])
def test_client_that_asks_and_does_not_read_is_held_back(server, opened, frame):
    [worker], rude, other = server.worker_pids(), opened(), opened()
    before = procfs.resident_bytes(worker)
    rude.socket.setblocking(False)
    flood, sent = frame * (65536 // len(frame) + 1), 0
    while True:
        try:
            sent += rude.socket.send(flood[sent % len(flood):])
        except BlockingIOError:
            # Once the server takes no more: what the kernel holds for both is then full.
            if not took_more(server, rude):
                break
    assert echoes(other, b"a")
    assert sent < 64 * MIB and procfs.resident_bytes(worker) - before < 8 * MIB
    # It has lost nothing by that.
    rude.socket.settimeout(30)
    size = len(frame) - 6 if len(frame) < 200 else len(frame) - 8
    for _ in range(sent // len(frame)):
        assert len(next_frame(rude)[1]) == size


def took_more(server, wire):
    """Whether there is room again when the server has gone round its loop."""
    import select
    for _ in range(3):
        server.get("/ends")
    return bool(select.select([], [wire.socket], [], 0)[1])


@pytest.mark.parametrize("how", ["half-close", "reset"])
@pytest.mark.parametrize("sent", [b"", b"\x81", masked(TEXT, b"abc", announces=1000), masked(0x01, b"ab")],
                         ids=["nothing", "half a head", "half a frame", "half a message"])
def test_client_that_breaks_off_is_1006(server, opened, how, sent):
    wire = opened()
    wire.send(sent)
    if how == "reset":
        wire.reset()
    else:
        wire.half_close()
        wire.expect_close()
    wait.until(lambda: codes(server) == [1006], "its app is told")
