"""Listening sockets beside their addresses: who may connect to the file of a Unix socket, and what TCP connections
have from the kernel."""

import grp
import re
import signal
import socket
import stat
import subprocess

import pytest

from conftest import PYTHON
from support import accounts, kernel, wait
from support.gateway import APPS, LAUNCHER
from support.settings import FLAGS, refusal, run

KEEPALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
NODELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
PROBES = [(socket.IPPROTO_TCP, name) for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)]
USER_TIMEOUT = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
UNREACHABLE = r"\[WARNING\] unix:\S+ has the mode 0\d+, so that its owner alone can connect"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def owner(path):
    return path.stat().st_uid, path.stat().st_gid


# Files of Unix sockets


@pytest.mark.parametrize("flags, expected, is_warned", [
    ([], 0o777, False), (["--umask", "007"], 0o770, False), (["--umask", "077"], 0o700, True),
    (["--socket-mode", "660", "--umask", "077"], 0o660, False), (["--socket-mode", "755"], 0o755, True),
    (["--socket-mode", "600"], 0o600, False),
])
def test_everybody_may_connect_unless_told_otherwise(gateway, short_path, flags, expected, is_warned):
    """As under gunicorn, not the umask of the shell decides. What keeps every proxy out is told."""
    path = short_path / "s"
    server = gateway("contract:app", "-b", f"unix:{path}", *flags, limits="umask 077")
    assert mode(path) == expected and server.get("/").status == 200
    assert bool(server.log.matches(UNREACHABLE)) == is_warned


@accounts.needs_root
def test_proxy_of_another_user_can_connect(gateway, short_path):
    path = short_path / "s"
    gateway("contract:app", "-b", f"unix:{path}", limits="umask 022")
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    assert accounts.as_user("/usr/bin/python3", "-c", code, path).returncode == 0
    path.chmod(0o755)  # what the umask alone would have made of it
    assert "PermissionError" in accounts.as_user("/usr/bin/python3", "-c", code, path).stderr


@accounts.needs_root
def test_files_of_sockets_have_their_owner(gateway, short_path):
    entry, group = accounts.entry(), grp.getgrnam("daemon").gr_gid
    path = short_path / "s"
    (short_path / "g.py").write_text(f"socket_owner = ':daemon'\nsocket_mode = 0o660\nbind = 'unix:{path}'\n")
    server = gateway("contract:app", *FLAGS, "-c", short_path / "g.py", bare=True)
    assert owner(path) == (0, group) and mode(path) == 0o660
    (short_path / "g.py").write_text(f"socket_owner = '{accounts.USER}'\nsocket_mode = 0o600\nbind = 'unix:{path}'\n")
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"\[INFO\] Reloaded")
    assert owner(path) == (entry.pw_uid, group) and mode(path) == 0o600
    # uWSGI's name.
    gateway("contract:app", "-b", f"unix:{short_path}/t", "--chown-socket", f"{accounts.USER}:daemon")
    assert owner(short_path / "t") == (entry.pw_uid, group)


@accounts.needs_root
def test_files_of_sockets_belong_to_the_user_of_the_workers(gateway, short_path):
    accounts.require()
    path = short_path / "s"
    gateway("contract:app", "-k", "threads", "-b", f"unix:{path}", "--user", accounts.USER)
    assert owner(path) == (accounts.entry().pw_uid, accounts.entry().pw_gid)


@accounts.needs_root
def test_owner_that_cannot_be_given_is_told(short_path):
    short_path.chmod(0o777)
    accounts.require()
    result = accounts.as_user(LAUNCHER, "--python", PYTHON, "--pythonpath", APPS, "-k", "threads", "-b",
                              f"unix:{short_path}/s", "--socket-owner", "root", "contract:app", cwd="/")
    assert result.returncode == 1
    assert f"Cannot listen on unix:{short_path}/s: Operation not permitted" in result.stderr
    assert not (short_path / "s").exists()


# TCP


def of_a_connection(server, *options):
    [worker] = server.worker_pids()
    with server.connect() as client:
        assert client.get("/").status == 200
        [values] = kernel.options_of_connections(worker, server.port, options)
    return values


def test_tcp_options_are_those_of_each_connection(gateway, tmp_path):
    usual = of_a_connection(gateway("contract:app"), KEEPALIVE, NODELAY, *PROBES, USER_TIMEOUT)
    assert usual[:2] == [1, 1] and usual[-1] == 0
    (tmp_path / "g.py").write_text("tcp_keepalive = '60,10,6'\ntcp_user_timeout = 7.5\n")
    server = gateway("contract:app", "-c", tmp_path / "g.py")
    assert of_a_connection(server, KEEPALIVE, NODELAY, *PROBES, USER_TIMEOUT) == [1, 1, 60, 10, 6, 7500]
    with server.connect() as client:
        client.get("/")
        shown = subprocess.run(["ss", "-Htno", "state", "established", f"( sport = :{server.port} )"],
                               capture_output=True, text=True).stdout
        assert re.search(r"timer:\(keepalive,(\d+sec|1min)", shown), shown  # and not 119min
    (tmp_path / "g.py").write_text("tcp_keepalive = 0\n")
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"\[INFO\] Reloaded")
    wait.until(lambda: len(server.worker_pids()) == 1, "the old worker has gone")
    assert of_a_connection(server, KEEPALIVE, USER_TIMEOUT) == [0, 0]
    (tmp_path / "g.py").write_text("")
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"\[INFO\] Reloaded", count=2)
    wait.until(lambda: len(server.worker_pids()) == 1, "the old worker has gone")
    assert of_a_connection(server, KEEPALIVE, NODELAY, *PROBES, USER_TIMEOUT) == usual
    alone = gateway("contract:app", "--tcp-keepalive", "33", "--tcp-user-timeout", "2")
    assert of_a_connection(alone, *PROBES, USER_TIMEOUT) == [33, *usual[3:5], 2000]


@pytest.mark.parametrize("flags, is_deferred", [([], False), (["--defer-accept", "20"], True)])
def test_silent_connection_waits_in_the_kernel(gateway, flags, is_deferred):
    server = gateway("contract:app", *flags)
    [worker] = server.worker_pids()
    with server.connect() as silent, server.connect() as other:
        assert other.get("/").status == 200

        def held():
            return len(kernel.options_of_connections(worker, server.port, []))
        if is_deferred:
            assert held() == 1
        else:
            wait.until(lambda: held() == 2, "the silent one is accepted too")
        assert silent.get("/").status == 200
        assert held() == 2


@pytest.mark.parametrize("value, reason", [
    ("60,10", "'60,10' is not of the form IDLE or IDLE,INTERVAL,COUNT"),
    ("-1", "'-1' is not a whole number of 0 or more"), ("60,0,3", "'0' is not a whole number of 1 or more"),
    ("60,5,128", "'128' is more than 127"), ("40000", "'40000' is more than 32767"),
])
def test_times_that_the_kernel_would_not_take_are_told(value, reason):
    said = refusal(run(*FLAGS, "-b", "127.0.0.1:0", "--tcp-keepalive", value, "contract:app"))
    assert said == f"evgateway: --tcp-keepalive: {reason}"


def test_queue_that_the_kernel_cuts_is_told(gateway):
    with open("/proc/sys/net/core/somaxconn") as file:
        most = int(file.read())
    asked = min(65535, most + 1)
    server = gateway("contract:app", "--backlog", asked)
    warnings = server.log.matches(r"\[WARNING\] --backlog \d+ is more than the kernel allows: .*somaxconn, (\d+)")
    assert [int(match[1]) for match in warnings] == ([most] if asked > most else [])
    assert not gateway("contract:app", "--backlog", "16").log.matches("somaxconn")
    assert not gateway("contract:app").log.matches("somaxconn")
