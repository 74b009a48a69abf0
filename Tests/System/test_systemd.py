"""The server as a service of systemd: sockets that are passed on, and what it says on the socket for notifications."""

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import sys
import time

import pytest

from conftest import end
from support import wait
from support.admin import Admin
from support.gateway import LAUNCHER, Gateway
from support.settings import FLAGS
from support.wire import Wire

ACTIVATE = "systemd-socket-activate"
# Executes a command with listening sockets from descriptor 3 on, as systemd does.
PASS_ON = """
import os, socket, sys
paths, names, command = sys.argv[1].split(","), sys.argv[2], sys.argv[3:]
sockets = []
for number, path in enumerate(paths):
    sockets.append(socket.socket(socket.AF_UNIX) if "/" in path else socket.create_server(("127.0.0.1", int(path))))
    if "/" in path:
        sockets[-1].bind(path)
        sockets[-1].listen(16)
copies = [os.dup(one.fileno()) for one in sockets]
high = [os.dup2(copy, 50 + number) for number, copy in enumerate(copies)]
for number, copy in enumerate(high):
    os.dup2(copy, 3 + number)
os.closerange(3 + len(paths), 100)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(paths)))
os.environ.update({"LISTEN_FDNAMES": names} if names else {})
os.execv(command[0], command)
"""
SEES = "import os, json\n\n\ndef app(environ, start_response):\n    start_response('200 OK', [])\n" \
    "    return [repr(sorted(n for n in os.environ if n.startswith('LISTEN_'))).encode()]\n"


class Notifications:
    """The socket that NOTIFY_SOCKET names, and the messages that have come, each as a dict."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.seen = []

    def next(self, timeout=60):
        ready, _, _ = select.select([self.socket], [], [], timeout)
        assert ready, f"no message came after {self.seen}"
        data, ancillary, _, _ = self.socket.recvmsg(4096, 1024)
        message = dict(line.split("=", 1) for line in data.decode().splitlines())
        message["from"] = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
        self.seen.append(message)
        return message

    def until(self, **expected):
        """Takes messages until one has these lines; returns it."""
        while True:
            message = self.next()
            if expected.items() <= message.items():
                return message

    def waiting(self):
        return bool(select.select([self.socket], [], [], 0)[0])

    def close(self):
        self.socket.close()


@pytest.fixture(params=["path", "abstract"])
def notified(request, gateway, short_path):
    """Factory: a server that notifies, and what it says. On both kinds of sockets that systemd uses."""
    address = str(short_path / "notify") if request.param == "path" else f"@{short_path}"
    with contextlib.closing(Notifications(address)) as notifications:
        def start(*flags, app="contract:app", env=None, **more):
            return gateway(app, *flags, env={"NOTIFY_SOCKET": address, **(env or {})}, **more), notifications
        yield start


def test_life_of_a_service_is_told(notified, tmp_path):
    """What Type=notify-reload asks for: RELOADING with the time, which is later than the signal, and READY again."""
    (tmp_path / "g.py").write_text("")
    server, said = notified("--workers", "2", "-c", tmp_path / "g.py", wait=False)
    ready = said.until(READY="1")
    assert ready["from"] == server.pid and server.wait_until_ready(2).get("/").status == 200
    if ready["STATUS"] != "2 of 2 worker(s) ready":  # one worker is enough for READY; both can be there by then
        said.until(STATUS="2 of 2 worker(s) ready")
    asked = time.monotonic_ns() // 1000
    server.signal(signal.SIGHUP)
    reloading = said.until(RELOADING="1")
    assert int(reloading["MONOTONIC_USEC"]) >= asked
    said.until(READY="1")
    assert server.log.matches(r"\[INFO\] Reloaded")
    # A reload that is refused is over at once, and the service goes on.
    (tmp_path / "g.py").write_text("workers = 'many'\n")
    server.signal(signal.SIGHUP)
    said.until(RELOADING="1")
    said.until(READY="1")
    assert server.log.matches(r"Reload refused") and server.get("/").status == 200
    server.signal(signal.SIGTERM)
    assert said.until(STOPPING="1")["STATUS"] == "Stopping"
    assert server.wait() == 0
    assert {message["from"] for message in said.seen} == {server.pid}


def test_service_that_does_not_start_is_never_ready(notified):
    server, said = notified(app="contract:nothing_there", wait=False)
    assert server.wait() == 4
    while said.waiting():
        assert "READY" not in said.next()


def test_watchdog_is_answered_while_the_master_lives(notified):
    server, said = notified(env={"WATCHDOG_USEC": "200000"})
    said.until(WATCHDOG="1")
    said.until(WATCHDOG="1")
    server.signal(signal.SIGSTOP)
    try:
        wait.until(lambda: not said.waiting() or not said.next(), "what was sent before is read")
        time.sleep(0.5)  # more than two periods
        assert not said.waiting()
    finally:
        server.signal(signal.SIGCONT)
    said.until(WATCHDOG="1")


def test_upgrade_that_is_asked_for_makes_the_next_master_the_main_process(notified, short_path):
    server, said = notified("--admin-bind", f"unix:{short_path}/a", "--pid", short_path / "pid")
    desk = Admin(server, short_path / "a")
    assert desk.command("/upgrade")[0] and server.wait() == 0
    master = int((short_path / "pid").read_text())
    assert said.until(MAINPID=str(master))["from"] == server.pid
    assert said.until(STATUS="1 of 1 worker(s) ready")["from"] == master
    assert desk.command("/stop")[0]
    assert said.until(STOPPING="1")["from"] == master


# Sockets


@pytest.fixture
def passed_on():
    """Factory: a server that has got sockets for these paths and ports."""
    started = []

    def start(sockets, *flags, names="", app="contract:app", **more):
        server = Gateway([",".join(map(str, sockets)), names, LAUNCHER, *FLAGS, *flags, app],
                         program=[sys.executable, "-c", PASS_ON], **more)
        started.append(server)
        return server
    yield start
    end(started)


def status(path):
    with Wire(str(path)) as client:
        return client.get("/").status


def test_sockets_of_systemd_are_served_and_nothing_else(passed_on, short_path):
    (short_path / "sees.py").write_text(SEES)
    one, two, mine = short_path / "one", short_path / "two", short_path / "mine"
    server = passed_on([one, two], "--bind", f"unix:{mine}", "--pythonpath", short_path, app="sees:app",
                       names="web.socket:other")
    server.wait_until_ready()
    with Wire(str(one)) as client:
        # Programs that the app starts are not to take them for theirs.
        assert client.get("/").body == b"[]"
    assert status(two) == 200 and not mine.exists()
    assert server.log.matches(r"\[WARNING\] --bind has no effect: systemd has passed sockets on")
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"\[INFO\] Reloaded")
    assert status(one) == status(two) == 200
    assert server.stop() == 0
    assert one.is_socket() and two.is_socket()  # systemd's, for the next start


def test_sockets_are_chosen_by_name_and_by_number(passed_on, short_path):
    one, two, mine = short_path / "one", short_path / "two", short_path / "mine"
    server = passed_on([one, two], "--bind", "fd://web.socket", "--bind", f"unix:{mine}", names="other:web.socket")
    server.wait_until_ready()
    assert status(two) == status(mine) == 200
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(one))  # the queue takes it, and nobody answers
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert not select.select([client], [], [], 0.2)[0]
    assert not server.log.matches(r"has no effect")
    assert server.stop() == 0


@pytest.mark.parametrize("flags, message", [
    (["--bind", "fd://nobody"], "Cannot listen on fd://nobody: systemd has passed no socket with the name nobody"),
    (["--bind", "fd://9"], "Cannot listen on fd://9: the descriptor is not open"),
])
def test_socket_that_is_not_there_is_told(passed_on, short_path, flags, message):
    server = passed_on([short_path / "one"], *flags)
    assert server.wait() == 1
    assert message in server.error_log()


def test_variables_of_another_process_mean_nothing(gateway):
    server = gateway("contract:app", env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert server.get("/").status == 200


def test_systemd_socket_activate_starts_the_server(short_path):
    """With systemd's own program, which opens the socket and waits for the first client."""
    path = short_path / "socket"
    server = Gateway(["-l", path, LAUNCHER, *FLAGS, "contract:app"], program=[shutil.which(ACTIVATE)])
    try:
        server.log.wait_for("Listening on")
        assert status(path) == 200
        assert server.log.matches(r"Listening at: unix:" + re.escape(str(path)))
        assert server.stop() == 0
    finally:
        end([server])
