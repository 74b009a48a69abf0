"""The clients of scripts/loadtest that wait for messages, with small counts: what they lose, get twice, and leave."""

import contextlib
import socket

import pytest

from test_loadtest import Peer, measured, run


def test_streams_have_every_message(tmp_path):
    [found] = measured(tmp_path, "--server", "bare-c-holds", "holds:count=60,messages=4,interval=0.01")["scenarios"]
    assert (found["requests"], found["errors"], found["extra"]["published"]) == (240, {}, 4)
    assert found["latency"]["count"] == 240 and found["memory"]["connections"] == 60
    assert 0 < found["extra"]["last_ms"] <= found["extra"]["worst_last_ms"]


def test_polls_ask_again_and_those_that_do_not_have_one_answer(tmp_path):
    polls, once, more = measured(
        tmp_path, "--server", "evgateway:class=swift", "holds:how=response,count=40,messages=3,interval=0.01",
        "holds:how=once,count=40,messages=1", "holds:how=response,count=40,messages=2,interval=0.01")["scenarios"]
    assert [(found["requests"], found["errors"]) for found in (polls, once, more)] == [(120, {}), (40, {}), (80, {})]


class Streams(Peer):
    """A server of streams, whose last stream has a fault when the second message comes."""

    def __init__(self, fault):
        self.streams, self.published, self.fault = [], 0, fault
        super().__init__(None)

    def serve(self, connection):
        while request := connection.recv(65536):
            with self.lock:
                if request.startswith(b"GET /stream"):
                    self.streams.append(connection)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"begun\n"))
                else:
                    self.publish(chunk(request.partition(b"\r\n\r\n")[2]))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def publish(self, data):
        self.published += 1
        *others, last = self.streams
        for stream in others:
            # Some have left, those of the warm-up.
            with contextlib.suppress(OSError):
                stream.sendall(data)
        if self.published != 2:
            last.sendall(data)
        elif self.fault == "doubles":
            last.sendall(2 * data)
        elif self.fault != "loses":
            self.streams.pop()
            if self.fault == "ends":
                last.sendall(b"0\r\n\r\n")
            last.shutdown(socket.SHUT_RDWR)


def chunk(text):
    return b"%x\r\n%s\r\n" % (len(text), text)


@pytest.mark.parametrize("fault, errors, reconnects", [
    ("loses", {"lost": 1}, 0),
    ("doubles", {"doubled": 1}, 0),
    ("leaves", {"short": 1, "disconnected": 1, "lost": 1}, 1),
    ("ends", {"the stream has ended": 1, "disconnected": 1, "lost": 1}, 1),
])
def test_what_goes_wrong_is_counted(tmp_path, fault, errors, reconnects):
    with Streams(fault) as peer:
        [found] = measured(tmp_path, "--url", peer.url, "--stream-path", "/stream", "--timeout", 1,
                           "holds:count=5,messages=3,interval=0.01")["scenarios"]
    assert found["errors"] == errors
    assert found["extra"].get("reconnects", 0) == reconnects
    assert found["requests"] == 3 * 5 - errors.get("lost", 0) + errors.get("doubled", 0)


def test_a_reload_moves_those_who_are_held(tmp_path):
    [found] = measured(tmp_path, "--server", "evgateway-grip", "--workers", 2,
                       "holds:count=60,messages=6,interval=0.3,reloads=1")["scenarios"]
    assert (found["errors"], found["extra"]["reloads"], found["extra"]["reconnects"]) == ({}, 1, 0)
    assert found["requests"] == 60 * found["extra"]["published"]
    assert found["extra"]["reload_seconds"] > 0


def test_pushpin_holds_what_an_app_says(tmp_path):
    stream, once = measured(tmp_path, "--server", "pushpin", "holds:count=20,messages=2,interval=0.01",
                            "holds:how=once,count=20,messages=1")["scenarios"]
    assert [(found["requests"], found["errors"]) for found in (stream, once)] == [(40, {}), (20, {})]


def test_a_path_without_streams_is_said():
    done = run("--server", "evgateway:class=swift", "holds:count=1")
    assert done.returncode == 2 and "no path that streams" in done.stderr
