"""Syslog and statsd: the same messages and metrics as those of gunicorn, and no request waits for whoever collects."""

import os
import re
import selectors
import signal
import socket
import threading

import pytest

from support import wait
from support.side_by_side import Case, Server, ask

FORMAT = "access_log_format = '%(m)s %(U)s %(s)s'\n"


class Collector:
    """A socket of a collector, and what a thread has read from it, unless it is stuck."""

    def __init__(self, kind, path, reads):
        family = socket.AF_UNIX if kind in ("unix", "dgram", "stream") else socket.AF_INET
        self.is_stream = kind in ("tcp", "stream")
        self.socket = socket.socket(family, socket.SOCK_STREAM if self.is_stream else socket.SOCK_DGRAM)
        self.kind, self.path, self.received, self.rests = kind, str(path), [], {}
        if family == socket.AF_UNIX:
            self.socket.bind(self.path)
        else:
            self.socket.bind(("127.0.0.1", 0))
            self.port = self.socket.getsockname()[1]
        if self.is_stream:
            self.socket.listen()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.socket, selectors.EVENT_READ)
        self.waker, self.sleeper = socket.socketpair()
        self.selector.register(self.sleeper, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._read, daemon=True) if reads else None
        if self.thread:
            self.thread.start()

    @property
    def address(self):
        """As --log-syslog-to takes it."""
        if self.kind in ("tcp", "udp"):
            return f"{self.kind}://127.0.0.1:{self.port}"
        return f"unix://{self.path}" + ("" if self.kind == "unix" else f"#{self.kind}")

    def _read(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.sleeper:
                    return
                if key.fileobj is self.socket and self.is_stream:
                    self.selector.register(self.socket.accept()[0], selectors.EVENT_READ)
                elif key.fileobj is self.socket:
                    self.received.append(self.socket.recv(65536))
                elif data := key.fileobj.recv(65536):
                    *lines, self.rests[key.fd] = (self.rests.get(key.fd, b"") + data).split(b"\n")
                    self.received += lines
                else:
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()

    def messages(self):
        return list(self.received)

    def close(self):
        """Idempotent."""
        if self.selector.get_map() is None:
            return
        self.waker.close()
        if self.thread:
            self.thread.join(10)
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


@pytest.fixture
def collector(tmp_path):
    made = []

    def make(kind, name="collector", reads=True):
        made.append(Collector(kind, tmp_path / name, reads))
        return made[-1]
    yield make
    for each in made:
        each.close()


def parts(message):
    """Priority, program and the rest without what differs from run to run."""
    text = message.rstrip(b"\0").decode()
    priority, program, _, rest = re.fullmatch(r"<(\d+)>(\S+): \[(\d+)\] (.*)", text, re.S).groups()
    return int(priority), program, re.sub(r"\d+", "N", rest)


# Syslog


@pytest.mark.parametrize("kind", ["udp", "tcp", "unix", "dgram", "stream"])
def test_each_line_is_a_message(gateway, collector, kind):
    there = collector(kind)
    server = gateway("contract:app", "--log-syslog", "--log-syslog-to", there.address, "--log-syslog-prefix", "shop",
                     "--log-syslog-facility", "local3", "--access-logformat", "%(m)s %(U)s")
    assert server.get("/log?line=one").status == server.get("/raise").status - 300 == 200
    assert server.stop() == 0
    wait.until(lambda: any(b"Shutting down: Master" in message for message in there.messages()), "the end")
    found = [parts(message) for message in there.messages()]
    assert (19 * 8 + 6, "gunicorn.shop.access", "GET /log") in found
    assert (19 * 8 + 6, "gunicorn.shop.access", "GET /raise") in found
    assert any(priority == 19 * 8 + 3 and program == "gunicorn.shop.error" and rest.startswith("Error handling request")
               for priority, program, rest in found)
    # What is not one line is a message for each.
    assert (19 * 8 + 3, "gunicorn.shop.error", "one") in found
    assert (19 * 8 + 3, "gunicorn.shop.error", "Traceback (most recent call last):") in found
    # The logs themselves are where they were.
    assert "Shutting down: Master" in server.error_log()


def test_messages_are_those_of_gunicorn(tmp_path, collector):
    seen = {}
    for name in ("gunicorn", "evgateway"):
        there = collector("udp")
        case = Case(name, config=f"syslog = True\nsyslog_addr = {there.address!r}\n{FORMAT}", app="plain:app",
                    files={"plain.py": "def app(environ, start_response):\n    start_response('200 OK', [])\n"
                                       "    return [b'x']\n"})
        server = Server(name, tmp_path / name, case)
        try:
            server.wait_until_listening()
            ask(server, "/a")
            ask(server, "/b", method="POST", body=b"x")
            server.stop()
        finally:
            server.reserved.close()
            server.clean_up()
        wait.until(lambda: any(b"Shutting down: Master" in message for message in there.messages()), "the end")
        found = [parts(message) for message in there.messages()]
        seen[name] = [each for each in found if re.match(r"GET|POST|Listening|Booting|Shutting|Handling", each[2])]
    programs = {program for _, program, _ in seen["evgateway"]}
    assert programs == {"gunicorn.plain.app.error", "gunicorn.plain.app.access"}
    assert sorted(seen["evgateway"]) == sorted(seen["gunicorn"])


def test_access_log_can_be_kept_from_syslog(gateway, collector, tmp_path):
    there = collector("dgram")
    server = gateway("contract:app", "--log-syslog", "--log-syslog-to", there.address,
                     "--disable-redirect-access-to-syslog", "--access-logfile", tmp_path / "access.log")
    assert server.get("/").status == 200
    assert server.stop() == 0
    programs = {parts(message)[1] for message in there.messages()}
    assert programs == {"gunicorn.contract.app.error"}
    assert len((tmp_path / "access.log").read_text().splitlines()) == 1


def test_daemon_that_is_restarted_gets_messages_again(gateway, collector):
    first = collector("dgram")
    server = gateway("contract:app", "--log-syslog", "--log-syslog-to", first.address, "--access-logformat", "%(q)s")
    assert server.get("/?before").status == 200
    wait.until(lambda: any(message.endswith(b"] before") for message in first.messages()), "a message")
    first.close()
    os.unlink(first.path)
    assert server.get("/?meanwhile").status == 200
    second = collector("dgram")

    def again():
        assert server.get("/?after").status == 200
        return any(message.endswith(b"] after") for message in second.messages())
    wait.until(again, "a message for the new daemon")
    assert server.stop() == 0
    # What could not be sent is kept for a moment, or is lost, and then the log says so.
    came = any(message.endswith(b"] meanwhile") for message in second.messages())
    assert came or re.search(r"\[WARNING\] Lost \d+ lines? of the access log in syslog", server.error_log())


@pytest.mark.parametrize("kind", ["dgram", "stream", "tcp"])
def test_daemon_that_is_stuck_delays_no_request(gateway, collector, kind):
    there = collector(kind, reads=False)
    server = gateway("contract:app", "--log-syslog", "--log-syslog-to", there.address, "--access-logformat",
                     "%(q)s %(a)s")
    fields = [("User-Agent", "x" * 8000)]
    with server.connect() as wire:
        for number in range(1200):
            assert wire.get(f"/?{number}", fields=fields).status == 200
    server.wait_for_log(r"\[WARNING\] Lost \d+ lines? of the access log in syslog: its reader does not keep up")
    assert server.stop() == 0


@pytest.mark.parametrize("flags, words", [
    (["--log-syslog-to", "localhost:514"], "--log-syslog-to: 'localhost:514' begins with neither udp:// nor tcp://"),
    (["--log-syslog-to", "udp://h:x"], "--log-syslog-to: 'udp://h:x' has no port of 1 to 65535"),
    (["--log-syslog-to", "unix:///dev/log#x"], "ends with neither #dgram nor #stream"),
    (["--log-syslog-facility", "me"], "--log-syslog-facility: 'me' is unknown"),
    (["--log-syslog", "--log-syslog-to", "udp://no.such.host.invalid"],
     "--log-syslog-to: cannot resolve 'no.such.host.invalid'"),
    (["--statsd-host", "h:x"], "--statsd-host: 'h:x' has no port of 1 to 65535"),
    (["--dogstatsd-tags", "a\nb"], "--dogstatsd-tags: the value has a control character"),
])
def test_address_that_cannot_be_used_is_told(gateway, flags, words):
    server = gateway("contract:app", *flags, wait=False)
    assert server.wait() == 1 and words in server.error_log()


# statsd


def metrics(messages):
    """Sums of counters, and how many there were of the others, by name, type and tags."""
    found = {}
    for line in b"\n".join(messages).decode().splitlines():
        name, value, kind, rest = re.fullmatch(r"([^:]+):([\d.]+)\|(\w+)(.*)", line).groups()
        key = f"{name}|{kind}{rest}"
        found[key] = found.get(key, 0) + (int(value) if kind == "c" else 1)
    return found


def run_metrics(name, folder, there, config):
    host = f"unix://{there.path}" if there.kind == "dgram" else f"127.0.0.1:{there.port}"
    app = """
def app(environ, start_response):
    if environ["PATH_INFO"] == "/raise":
        raise ValueError
    start_response(environ["QUERY_STRING"] + " x", [])
    return [b"x"]
"""
    case = Case(name, config=f"statsd_host = {host!r}\n{config}", app="counting:app", files={"counting.py": app})
    server = Server(name, folder, case)
    try:
        server.wait_until_listening()
        for status in (200, 200, 404, 503, 200):
            assert ask(server, f"/?{status}")["status"].startswith(str(status))
        assert ask(server, "/raise")["status"].startswith("500")
        server.stop()
    finally:
        server.reserved.close()
        server.clean_up()
    def counted(name, least):
        return any(re.search(rf"gunicorn\.{name}\|", found) and count >= least
                   for found, count in metrics(there.messages()).items())

    wait.until(lambda: len(metrics(there.messages())) > 5 and counted("requests", 6) and counted("log.exception", 1),
               lambda: f"all is counted, and not {metrics(there.messages())}")
    return metrics(there.messages())


@pytest.mark.parametrize("kind, config, prefix, tags", [
    ("udp", "", "", ""), ("udp", "statsd_prefix = 'shop.'\ndogstatsd_tags = 'env:test,x'\n", "shop.", "|#env:test,x"),
    ("dgram", "statsd_prefix = 'shop'\n", "shop.", ""),
])
def test_metrics_are_those_of_gunicorn(tmp_path, collector, kind, config, prefix, tags):
    theirs = run_metrics("gunicorn", tmp_path / "gunicorn", collector(kind, "theirs"), config)
    ours = run_metrics("evgateway", tmp_path / "evgateway", collector(kind, "ours"), config)
    requests = {name: count for name, count in ours.items() if ".log." not in name and ".workers" not in name}
    assert requests == {name: count for name, count in theirs.items() if ".log." not in name and ".workers" not in name}
    assert requests[f"{prefix}gunicorn.requests|c|@1.0{tags}"] == 6
    assert f"{prefix}gunicorn.workers|g{tags}" in ours and f"{prefix}gunicorn.workers|g{tags}" in theirs
    assert f"{prefix}gunicorn.log.exception|c|@1.0{tags}" in theirs
    assert ours[f"{prefix}gunicorn.log.exception|c|@1.0{tags}"] == 1


def test_workers_and_backlog_are_measured(gateway, collector):
    there = collector("udp")
    server = gateway("contract:app", "-k", "inline", "--statsd-host", f"127.0.0.1:{there.port}",
                     "--enable-backlog-metric")

    def values(name):
        text = b"\n".join(there.messages()).decode()
        return [int(value) for value in re.findall(rf"^{name}:(\d+)\|[gh]$", text, re.M)]

    wait.until(lambda: values("gunicorn.workers")[-1:] == [1], "one worker")
    server.signal(signal.SIGTTIN)
    wait.until(lambda: values("gunicorn.workers")[-1:] == [2], "two workers")
    server.signal(signal.SIGTTOU)
    wait.until(lambda: values("gunicorn.workers")[-1:] == [1], "one worker again")
    wait.until(lambda: values("gunicorn.backlog"), "the backlog is told")
    worker, = server.wait_for_workers(1)
    os.kill(worker, signal.SIGSTOP)
    try:
        waiting = [server.connect() for _ in range(3)]
        wait.until(lambda: max(values("gunicorn.backlog")) == 3, "three wait")
    finally:
        os.kill(worker, signal.SIGCONT)
    for wire in waiting:
        wire.close()


def test_collector_that_is_not_there_is_reported(gateway, tmp_path):
    server = gateway("contract:app", "--statsd-host", f"unix://{tmp_path}/none")
    assert server.get("/").status == 200
    server.wait_for_log(r"\[WARNING\] Lost \d+ datagrams? for statsd: No such file or directory")
    assert server.stop() == 0
