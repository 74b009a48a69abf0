"""`evgateway status --watch`: on a terminal, which must be as before when the view has ended in any way; and in a pipe,
as lines."""

import os
import re
import signal
import subprocess

import pytest

from support.fake_admin import FakeAdmin, connection, status, worker
from support.gateway import LAUNCHER, environment
from support.terminal import ENTER, LEAVE, Terminal


@pytest.fixture
def admin(tmp_path):
    connections = {"workers": [{"worker": 1, "pid": 4002, "source": "live", "as_of": 0, "total": 30, "connections": [
        connection(peer=f"192.0.2.1:{port}") for port in range(5000, 5030)]}]}
    stacks = {"workers": [{"worker": 1, "pid": 4002, "source": "signal", "stacks": [], "text": "File \"spin.py\"\n"}]}
    server = FakeAdmin(str(tmp_path / "admin.sock"), {
        "/status": status(workers=[worker(0, rss=1 << 20), worker(1, slowest=[connection()])]),
        "/connections?worker=1": connections, "/stacks?worker=1": stacks})
    yield server
    server.close()


@pytest.fixture
def terminal():
    started = []

    def start(command, **more):
        started.append(Terminal(command, environment(more.pop("env", None)), **more))
        return started[-1]

    yield start
    for one in started:
        one.close()


def watch(admin):
    return [str(LAUNCHER), "status", "--watch", "--admin-bind", admin.address]


def test_view_is_drawn_and_keys_move_in_it(admin, terminal):
    screen = terminal(watch(admin))
    frame = screen.wait_for(r"\Aevgateway 0\.1\.0  app:app(.*\n)+q leave")
    assert len(frame) == 24 and max(map(len, frame)) <= 80
    assert any("Longest requests" in line for line in frame)
    # The picked worker is reversed.
    screen.wait_for_bytes(b"\x1b[7m      0  4001")
    screen.press(b"\x1b[B")
    screen.wait_for_bytes(b"\x1b[7m      1  4002")
    start = len(screen.written)
    screen.press(b"<<")
    frame = screen.wait_for(r"RSSv(.*\n)+q leave", start)
    assert [line.split()[0] for line in frame if re.match(r" +[01] +400", line)] == ["1", "0"]
    screen.press(b"c")
    screen.wait_for(r"^Worker 1 \(pid 4002\): 30 connections(.*\n)+.*:5000 ")
    start = len(screen.written)
    screen.press(b"jjj")
    assert ":5000 " not in "\n".join(screen.wait_for(r":5003 ", start))
    screen.press(b"s")
    screen.wait_for(r'^  File "spin.py"')
    start = len(screen.written)
    screen.press(b"?")
    screen.wait_for(r"^Keys$", start)
    start = len(screen.written)
    screen.press(b"\x1b")
    screen.wait_for(r"^WORKER", start)
    screen.press(b"q")
    assert screen.wait() == 0


def test_size_may_change_and_be_small(admin, terminal):
    screen = terminal(watch(admin), rows=5, columns=20)
    frame = screen.wait_for(r"\A(.*\n)*WORKER(.*\n)+q leave")
    assert len(frame) == 5 and max(map(len, frame)) <= 20
    for rows, columns in ((1, 1), (3, 10), (40, 150), (2, 300)):
        start = len(screen.written)
        screen.resize(rows, columns)
        frame = screen.wait_for(r"\A(.*\n){%d}.*\Z" % (rows - 1), start)
        assert max(map(len, frame)) <= columns
    screen.press(b"q")
    assert screen.wait() == 0


@pytest.mark.parametrize("leave, code", [
    (lambda screen: screen.press(b"q"), 0), (lambda screen: screen.press(b"\x1b"), 0),
    (lambda screen: screen.press(b"\x03"), 0), (lambda screen: os.kill(screen.pid, signal.SIGTERM), -signal.SIGTERM),
    (lambda screen: os.kill(screen.pid, signal.SIGHUP), -signal.SIGHUP),
    (lambda screen: screen.press(b"\x1c"), -signal.SIGQUIT),
    (lambda screen: os.kill(screen.pid, signal.SIGSEGV), -signal.SIGSEGV),
], ids=["q", "escape", "ctrl-c", "term", "hup", "ctrl-backslash", "crash"])
def test_terminal_is_as_before(admin, terminal, leave, code):
    screen = terminal(watch(admin))
    before = screen.mode()
    screen.wait_for(r"^WORKER")
    assert ENTER in screen.written and b"\x1b[?25l" in screen.written and screen.mode() != before
    leave(screen)
    assert screen.wait() == code
    assert screen.written.endswith(b"\x1b[0m\x1b[?25h" + LEAVE) and screen.mode() == before


def test_it_sleeps_and_comes_back(admin, terminal):
    screen = terminal(["bash", "--norc", "--noprofile", "-i"], env={"PS1": "ready> "})
    screen.wait_for_bytes(b"ready> ")
    screen.press(" ".join(watch(admin)).encode() + b"\n")
    screen.wait_for(r"^WORKER")
    start = len(screen.written)
    screen.press(b"\x1a")
    screen.wait_for_bytes(LEAVE, start)
    screen.wait_for_bytes(b"ready> ", start)
    start = len(screen.written)
    screen.press(b"fg\n")
    screen.wait_for_bytes(ENTER, start)
    screen.wait_for(r"^WORKER", start)
    start = len(screen.written)
    screen.press(b"q")
    screen.wait_for_bytes(b"ready> ", start)
    screen.press(b"exit\n")
    assert screen.wait() == 0


def test_server_that_goes_away_is_awaited(admin, terminal, tmp_path):
    screen = terminal(watch(admin), columns=200)
    screen.wait_for(r"^WORKER")
    admin.close()
    os.unlink(tmp_path / "admin.sock")
    frame = screen.wait_for(r"^trying again: cannot connect to unix:")
    assert any(line.startswith("WORKER") for line in frame), "what was known last"
    again = FakeAdmin(str(tmp_path / "admin.sock"), {"/status": status(application="back:again")})
    frame = screen.wait_for(r"back:again(.*\n)+q leave")
    assert "trying" not in frame[-1]
    screen.press(b"q")
    assert screen.wait() == 0
    again.close()


def test_colours_are_left_out_where_they_are_not_wanted(admin, terminal):
    screen = terminal(watch(admin), env={"NO_COLOR": "1"})
    screen.wait_for(r"^WORKER")
    screen.press(b"q")
    screen.wait()
    codes = set(re.findall(rb"\x1b\[(\d*)m", screen.written))
    assert codes <= {b"0", b"1", b"7"}


def test_failure_before_the_first_answer_leaves_the_terminal_alone(terminal, tmp_path):
    screen = terminal([str(LAUNCHER), "status", "--watch", "--admin-bind", f"unix:{tmp_path}/none"])
    assert screen.wait() == 2
    assert ENTER not in screen.written and b"cannot connect" in screen.written


# Lines


def test_lines_come_by_the_second_and_end_with_the_reader(admin):
    process = subprocess.Popen(watch(admin), env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(5)]
    assert lines[0].split() == ["TIME", "WORKER", "PID", "STATE", "CONN", "FLIGHT", "REQUESTS", "REQ/S", "RSS", "CPU%"]
    assert [line.split()[1:4] for line in lines[1:]] == [["0", "4001", "ready"], ["1", "4002", "ready"]] * 2
    assert "\x1b" not in "".join(lines)
    process.stdout.close()
    assert process.wait(30) == 0
    with process.stderr:
        assert process.stderr.read() == ""


def test_lines_go_on_when_the_server_comes_back(admin, tmp_path):
    process = subprocess.Popen(watch(admin), env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    admin.close()
    os.unlink(tmp_path / "admin.sock")
    assert "trying again" in process.stderr.readline()
    again = FakeAdmin(str(tmp_path / "admin.sock"), {"/status": status(workers=[worker(0, pid=5001)])})
    while " 5001 " not in process.stdout.readline():
        pass
    process.terminate()
    assert process.wait(30) == -signal.SIGTERM
    process.stdout.close()
    process.stderr.close()
    again.close()
