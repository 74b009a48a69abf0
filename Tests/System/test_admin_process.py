"""The admin process from outside: it comes back, holds nothing of the app's, delays nobody, ends with its master."""

import contextlib
import json
import os
import signal
import socket

import pytest

from conftest import PYTHON
from support import accounts, admin, procfs, wait
from support.admin import version


def test_admin_process_comes_back_and_pauses_where_it_ends_early(served):
    server, desk = served()
    first = desk.pid()
    os.kill(first, signal.SIGKILL)
    assert desk.ask("GET", "/readyz").body == b"1 of 1 workers ready\n"
    pids = [desk.pid(besides=first)]
    for _ in range(3):
        os.kill(pids[-1], signal.SIGSEGV)
        pids.append(desk.pid(besides=pids[-1]))
    pauses = [float(match[1]) for match in server.log.matches(r"The admin process .*; next start in ([\d.]+) s")]
    assert len(pauses) == 4 and pauses == sorted(set(pauses))
    assert version(server) == b"1"


def test_nothing_listens_when_the_master_was_killed(served, short_path):
    server, desk = served("--admin-bind", "127.0.0.1:0")
    pids = [desk.pid(), *desk.workers()]
    assert admin.ports(pids[0]) and server.port not in admin.ports(pids[0])
    os.kill(server.pid, signal.SIGKILL)
    wait.until(lambda: not any(map(procfs.alive, pids)), "all are gone")
    with pytest.raises(ConnectionRefusedError), server.connect():
        pass


def test_address_that_a_reload_gives_up_is_kept_by_nobody(served, short_path):
    (short_path / "conf.py").write_text("bind = ['127.0.0.1:0', 'unix:first']\n")
    server, desk = served("-c", short_path / "conf.py", "--python", PYTHON, bare=True)
    (short_path / "conf.py").write_text("bind = ['127.0.0.1:0', 'unix:second']\n")
    admin_pid = desk.pid()
    tcp = f"127.0.0.1:{server.port}"
    assert binds(desk) == [tcp, "unix:first"]
    assert desk.command("/reload")[0]
    assert binds(desk) == [tcp, "unix:second"]
    server.wait_for_log("No longer listening at: unix:first")
    assert desk.pid() == admin_pid
    with socket.socket(socket.AF_UNIX) as one, pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        one.connect(str(short_path / "first"))


def binds(desk):
    return json.loads(desk.ask("GET", "/status").body)["binds"]


def test_clients_that_do_not_read_or_end_do_not_delay_the_end(served):
    server, desk = served()
    with contextlib.ExitStack() as stack:
        for data in (b"", b"GET /sta", b"GET /status HTTP/1.1\r\nHost: x\r\n", b"POST /reload HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Length: 9\r\n\r\n", b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n" * 50, b"\x16\x03\x01\0",
                     b"\0" * 100, b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz"):
            for _ in range(4):
                wire = stack.enter_context(desk.connect(receive_buffer=4096))
                with contextlib.suppress(BrokenPipeError):
                    wire.send(data)
        assert desk.ask("GET", "/healthz").status == 200
        admin_pid = desk.pid()
        assert server.stop() == 0
        assert not procfs.alive(admin_pid)


def test_admin_process_is_of_the_workers_user_and_has_no_thread(served, short_path):
    if os.geteuid():
        pytest.skip("only root can change the user")
    accounts.require()
    os.chmod(short_path, 0o777)
    server, desk = served("--user", "nobody", "--socket-mode", "0666")
    pid = desk.pid()
    assert os.stat(f"/proc/{pid}").st_uid == os.stat(short_path / "a").st_uid != 0
    assert os.stat(short_path / "a").st_mode & 0o777 == 0o600
    assert len(os.listdir(f"/proc/{server.pid}/task")) == 1
    assert desk.command("/reload")[0]
    # The kernel ends it with the master, although its user has changed.
    os.kill(pid, signal.SIGSTOP)
    os.kill(server.pid, signal.SIGKILL)
    wait.until(lambda: not procfs.alive(pid), "it is gone")
