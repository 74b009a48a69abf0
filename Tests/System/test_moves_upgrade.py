"""USR2, WINCH and QUIT: the workers of one master give their connections to those of the other, forward and back, and
whoever listens misses no message meanwhile. A master that is killed costs nobody more than the connection."""

import contextlib
import os
import signal
import sys

import pytest

from conftest import PYTHON
from support import procfs, wait, wire
from support.gateway import LAUNCHER, READY, Gateway
from test_moves import ask, moved, sockets
from test_upgrade import end, upgrade  # noqa: F401

APP = """
import os
import evgateway

TEXT = b"{text}"
OWN = str(os.getppid()).encode()


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/publish/"):
        channel, text = path[9:].split("/")
        evgateway.publish(channel, text + "\\n")
    elif path == "/wait" and TEXT == b"one":
        evgateway.leaving.wait(60)
        raise evgateway.Replay
    elif path in ("/stream", "/response"):
        start_response("200 OK", [("Grip-Hold", path[1:]), ("Grip-Channel", path[1:]), ("Grip-Timeout", "120"),
                                  ("Content-Type", "text/plain")])
        return [b"begin\\n" if path == "/stream" else b"time is up"]
    body = OWN if path == "/master" else TEXT
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.fixture
def deployed(gateway, tmp_path):
    def rewrite(text):
        (tmp_path / "upgraded.py").write_text(APP.format(text=text))

    def start(*flags):
        rewrite("one")
        server = gateway("upgraded:wsgi", "-k", "threads", "--grip", "--workers", 2, "--pythonpath", tmp_path,
                         "--graceful-timeout", 60, *flags, env={"PYTHONDONTWRITEBYTECODE": "1"})
        server.rewrite = rewrite
        return server
    return start


class Listeners:
    """Clients of every kind that can move, and somebody who publishes; each message has a number."""

    def __init__(self, server, stack, streams=12, polls=12, idle=12):
        def connect(count):
            return [stack.enter_context(server.connect()) for _ in range(count)]
        self.server, self.count = server, 0
        self.idle, self.streams, self.polls = connect(idle), connect(streams), connect(polls)
        for each in self.streams:
            each.request("GET", "/stream")
        for each in self.streams:
            each.read_head()
        for each in self.polls:
            each.request("GET", "/response")
        assert ask(self.idle) == [b"one"] * idle
        self.publish()

    def publish(self):
        """Through a new connection, which either master's workers accept."""
        assert self.server.get(f"/publish/stream/{self.count}").status == 200
        self.count += 1

    def publish_until(self, done):
        while not done():
            self.publish()

    def publish_by(self, master):
        """So that one of this master's workers is the publisher."""
        def is_published():
            with self.server.connect() as client:
                if client.get("/master").body != str(master).encode():
                    return False
                assert client.get(f"/publish/stream/{self.count}").status == 200
                self.count += 1
                return True
        wait.until(is_published, "one of the master's workers publishes")

    def check(self, text):
        """Each message has come to each stream, and once. Those of two workers may overtake one another."""
        self.server.get("/publish/response/now")
        bodies = [until(each, self.count + 1) for each in self.streams]
        self.server.get("/publish/stream/end")
        expected = [*(str(number).encode() for number in range(self.count)), b"begin", b"end"]
        for each, lines in zip(self.streams, bodies):
            lines += until(each, 1)
            assert lines[0] == b"begin" and sorted(lines, key=expected.index) == expected
        for each in self.polls:
            answer = each.read()
            assert (answer.status, answer.body) == (200, b"now\n") and not answer.closes
        assert ask(self.idle + self.polls) == [text] * len(self.idle + self.polls)


def until(wire, count):
    """The next lines of a stream, each of which has come as a chunk; perhaps more than so many."""
    lines = []
    while len(lines) < count:
        lines += wire.read_chunk().split()
    return lines


def have_left(master, but=()):
    """Its workers; the next master is another child of its."""
    return lambda: set(procfs.children(master)) <= set(but)


@pytest.mark.parametrize("flags", [(), ("--reuse-port",)], ids=["shared", "reuse-port"])
def test_connections_go_to_the_next_master_and_back(deployed, upgrade, flags):  # noqa: F811
    server = deployed(*flags)
    with contextlib.ExitStack() as stack:
        listeners = Listeners(server, stack)
        waiting = [stack.enter_context(server.connect()).request("GET", "/wait") for _ in range(3)]
        server.rewrite("two")
        first = upgrade(server, 2)
        for master in (server.pid, first, server.pid):
            listeners.publish_by(master)

        # Forward, and back.
        server.signal(signal.SIGWINCH)
        listeners.publish_until(have_left(server.pid, [first]))
        assert [(each.read().body) for each in waiting] == [b"two"] * 3
        assert ask(listeners.idle) == [b"two"] * len(listeners.idle)
        server.rewrite("three")
        position = server.log_position()
        server.signal(signal.SIGHUP)
        server.wait_for_log(READY, count=2, start=position)
        os.kill(first, signal.SIGQUIT)
        listeners.publish_until(lambda: not procfs.alive(first))
        assert ask(listeners.idle) == [b"three"] * len(listeners.idle)

        # Forward to the end, without a word before; and once more from there, where the first places are free again.
        server.rewrite("four")
        second = upgrade(server, 2)
        server.signal(signal.SIGQUIT)
        listeners.publish_until(lambda: not procfs.alive(server.pid) or server.process.poll() is not None)
        server.wait_for_log("this one serves alone")
        third = upgrade(server, 2, second)
        os.kill(second, signal.SIGTERM)
        listeners.publish_until(lambda: not procfs.alive(second))
        listeners.check(b"four")
    assert moved(server) >= 4 * 36 and "[ERROR]" not in server.error_log()
    assert "No connections come" not in server.error_log()
    end(third)


def test_killed_master_leaves_its_connections_to_the_other_one(deployed, upgrade):  # noqa: F811
    """The workers see that it has ended, and give what they have; its places are free again for another upgrade."""
    server = deployed()
    with contextlib.ExitStack() as stack:
        listeners = Listeners(server, stack)
        server.rewrite("two")
        second = upgrade(server, 2)
        workers = [pid for pid in procfs.children(server.pid) if pid != second]
        server.signal(signal.SIGKILL)
        listeners.publish_until(lambda: not any(procfs.alive(pid) for pid in workers))
        server.wait_for_log("this one serves alone")
        assert ask(listeners.idle) == [b"two"] * 12
        before = sorted(sockets(pid) for pid in procfs.children(second))
        assert sum(before) >= 36

        server.rewrite("three")
        third = upgrade(server, 2, second)
        os.kill(second, signal.SIGTERM)
        listeners.publish_until(lambda: not procfs.alive(second))
        listeners.check(b"three")
    assert "No connections come" not in server.error_log()
    end(third)


@pytest.mark.parametrize("killed", ["the only", "the old", "the new"])
def test_master_killed_in_the_middle_leaves_nothing_half_and_nobody_standing(deployed, upgrade, killed):  # noqa: F811
    """A client gets an answer on its connection, or the end of it, and the workers of the killed master end. Whichever
    master lives serves on, and has as many descriptors as before."""
    server = deployed("--graceful-timeout", 5)
    wires = [server.connect() for _ in range(60)]
    ask(wires)
    new = None if killed == "the only" else upgrade(server, 2)
    victim, survivor = (new, server.pid) if killed == "the new" else (server.pid, new)
    before, position = survivor and sockets(survivor), server.log_position()
    server.signal(signal.SIGWINCH if new else signal.SIGHUP)
    server.wait_for_log("All workers leave" if new else "Worker ready", start=position)
    workers = [pid for pid in procfs.children(victim) if pid != survivor]
    os.kill(victim, signal.SIGKILL)
    wait.until(lambda: not any(procfs.alive(pid) for pid in workers), "its workers have ended")
    if survivor:
        server.wait_for_log("this one serves alone" if killed == "the old" else "this one goes on alone")
        wait.until(lambda: len(procfs.children(survivor)) == 2, "the other one has workers")
    answered = 0
    for each in wires:
        with contextlib.suppress(wire.Closed, ConnectionError):
            assert each.get("/").body == b"one"
            answered += 1
        each.close()
    if not survivor:
        return
    assert answered == 60 or killed == "the new"
    assert server.get("/").body == b"one"
    wait.until(lambda: sum(procfs.connections_per_process(procfs.children(survivor), server.port)) == 0,
               "no connection is left")
    wait.until(lambda: sockets(survivor) == before, lambda: f"{before} sockets as before, not {sockets(survivor)}")
    if killed == "the old":
        end(survivor)


PASSES = """
import os, socket, sys

ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
file = os.memfd_create("bus")
numbers = [file, file, *(end.fileno() for end in ends)]
for number in numbers:
    os.set_inheritable(number, True)
words = sys.argv[1].format(*numbers)
os.environ["EVGATEWAY_HANDOVER"] = f"{os.getpid()} {os.getppid()} {words}"
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("words, reason", [
    ("bus=99,0,{0},{1},{2},{3} new=1", "its program is of another version"),
    ("bus=1,0,{0},{1},{2},{3}", "what it has passed on cannot be used")], ids=["version", "not a bus"])
def test_bus_that_is_not_ours_is_closed(tmp_path, words, reason):
    """As from a former master of another version: the next one makes a bus of its own, and serves."""
    (tmp_path / "passes.py").write_text(PASSES)
    (tmp_path / "upgraded.py").write_text(APP.format(text="one"))
    server = Gateway(["--python", PYTHON, "-k", "threads", "upgraded:wsgi"], cwd=tmp_path,
                     program=[sys.executable, tmp_path / "passes.py", words, LAUNCHER])
    try:
        server.wait_until_ready()
        assert len(server.log.matches(f"No connections come from the former master's workers: {reason}")) == 1
        assert server.get("/").body == b"one"
        assert not [path for path in procfs.open_paths(server.pid) if path.startswith("/memfd:bus")]
    finally:
        server.clean_up()
