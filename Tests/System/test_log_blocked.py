"""Logs that take nothing: a full disk, a pipe that nobody reads. Requests are answered, and lines are lost, counted and
reported."""

import os
import re

import pytest

from support import wait
from support.wire import Wire

LONG = [("User-Agent", "x" * 4000)]
MANY = 500      # lines of 4 KB: more than a pipe and what waits in a worker can hold


def ask(server, count, fields=LONG):
    with server.connect() as wire:
        for number in range(count):
            assert wire.get(f"/?{number}", fields=fields).status == 200


def read_all(descriptor):
    """What is in a FIFO now, and then whatever comes until all writers have closed it."""
    os.set_blocking(descriptor, True)
    text = b""
    while data := os.read(descriptor, 65536):
        text += data
    return text.decode()


def lost_in(text, name):
    return sum(int(count) for count in re.findall(rf"\[WARNING\] Lost (\d+) lines? of {name}: its reader does", text))


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("stream", ["file", "standard output"])
@pytest.mark.parametrize("workers", [1, 2])
def test_reader_that_is_stuck_delays_no_request(gateway, fifo, stream, workers):
    """The standard output is a description that others share, and that has to stay blocking for them."""
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    more = {} if stream == "file" else {"limits": f"exec >{fifo}"}
    server = gateway("contract:app", "-w", workers, "-k", "inline",
                     "--access-logfile", fifo if stream == "file" else "-", "--access-logformat", "%(q)s %(a)s", **more)
    name = re.escape("the access log" if stream != "file" else f"the access log {fifo}")
    ask(server, MANY * workers)
    wait.until(lambda: lost_in(server.error_log(), name), server.error_log)
    if stream != "file":
        flags = re.search(r"flags:\s+0(\d+)", open(f"/proc/{server.pid}/fdinfo/1").read())[1]
        assert int(flags, 8) & os.O_NONBLOCK == 0
    ask(server, 10, fields=[])
    server.signal(15)
    # What waits is written now, or lost and told.
    text = read_all(reader)
    assert server.wait() == 0
    os.close(reader)
    lines = text.splitlines()
    assert len(lines) + lost_in(server.error_log(), name) == MANY * workers + 10
    assert all(re.fullmatch(r"\d+ (x{4000}|-)", line) for line in lines), "no line is torn"


def test_fifo_may_wait_for_its_reader(gateway, fifo):
    server = gateway("contract:app", "--access-logfile", fifo, "--access-logformat", "%(q)s")
    ask(server, 3, fields=[])
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    ask(server, 2, fields=[])
    assert server.stop() == 0
    assert read_all(reader).split() == ["0", "1", "2", "0", "1"]
    os.close(reader)
    assert "Lost" not in server.error_log()


def test_reader_may_leave_and_come_back(gateway, fifo):
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    server = gateway("contract:app", "--access-logfile", fifo, "--access-logformat", "%(q)s")
    ask(server, 2, fields=[])
    assert wait.until(lambda: os.read(reader, 100), "lines").split()[0] == b"0"
    os.close(reader)
    ask(server, 3, fields=[])
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    assert server.stop() == 0
    assert read_all(reader).split()[-3:] == ["0", "1", "2"]
    os.close(reader)


def test_closed_standard_output_loses_lines_only(gateway, fifo):
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    server = gateway("contract:app", "--access-logfile", "-", limits=f"exec >{fifo}")
    os.close(reader)
    ask(server, 20, fields=[])
    server.wait_for_log(r"\[WARNING\] Lost \d+ lines? of the access log: nobody reads it any more")
    assert server.stop() == 0
    lost = re.findall(r"Lost (\d+) lines? of the access log", server.error_log())
    assert sum(map(int, lost)) == 20


def test_full_disk_is_reported_while_requests_go_on(gateway):
    server = gateway("contract:app", "--access-logfile", "/dev/full")
    ask(server, 20, fields=[])
    server.wait_for_log(r"\[WARNING\] Lost \d+ lines? of the access log /dev/full: No space left on device")
    assert server.stop() == 0
    assert sum(map(int, re.findall(r"Lost (\d+) lines?", server.error_log()))) == 20


def test_stuck_error_log_stops_neither_master_nor_workers(gateway, tmp_path, fifo):
    """Every request is a line of the error log."""
    socket = tmp_path / "s"
    server = gateway("contract:app", "-k", "inline", "--error-logfile", fifo, "--bind", f"unix:{socket}", wait=False)
    wait.until(lambda: answers(socket), "the server listens")
    with Wire(str(socket)) as wire:
        for number in range(1500):
            assert wire.get(f"/log?line={'x' * 1000}").status == 200
    server.signal(1)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    text = ""

    def find(pattern):
        nonlocal text
        try:
            text += os.read(reader, 65536).decode()
        except BlockingIOError:
            pass
        return re.search(pattern, text)

    wait.until(lambda: find(r"Handling signal: hup"), "the master goes on")
    wait.until(lambda: find(r"Reloaded"), "it has replaced the worker")
    server.signal(15)
    text += read_all(reader)
    os.close(reader)
    assert server.wait() == 0
    lost = sum(map(int, re.findall(r"\[WARNING\] Lost (\d+) lines? of this log: its reader does not keep up", text)))
    assert len(re.findall(r"^x{1000}$", text, re.M)) + lost == 1500


def answers(path):
    try:
        with Wire(str(path)) as wire:
            return wire.get("/").status == 200
    except OSError:
        return False
