"""The access log: a line for every answer, also for requests that cannot be read, and each line in the right file."""

import getpass
import grp
import os
import re
import shutil
import signal
import subprocess

import pytest

from support import wait
from support.load import Load

# Not on the PATH of everybody.
LOGROTATE = shutil.which("logrotate", path=os.environ.get("PATH", "") + ":/usr/sbin")
LIMITS = ["--limit-request-line", 200, "--limit-request-field_size", 200, "--limit-request-fields", 3,
          "--limit-request-body", 5, "--header-timeout", 0.3]
FORMAT = '%(h)s %(m)s %(U)s "%(r)s" %(s)s %(b)s %({content-type}o)s %(a)s'
TEXT = "text/plain; charset=utf-8"

# The bytes sent, and the request line and status that are logged. An incomplete request line is shown as it came.
UNREAD = {
    "no text": (b"\x17\x03\x01\x02\x00\x01\r\n\r\n", r"\x17\x03\x01\x02\x00\x01", 400),
    "no version": (b"GET /\r\n\r\n", "GET /", 400),
    "quotes": (b'GET "\\ HTTP/1.1\r\n\r\n', r'GET \"\\ HTTP/1.1', 400),
    "escape sequence": (b"GET \x1b[2J HTTP/1.1\r\n\r\n", r"GET \x1b[2J HTTP/1.1", 400),
    "bad field": (b"GET /a?b HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n", "GET /a?b HTTP/1.1", 400),
    "no host": (b"GET /a HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1", 400),
    "empty lines before": (b"\r\n\r\nGET /a HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1", 400),
    "line too long": (b"GET /" + b"x" * 5000, "GET /" + "x" * 1019, 414),
    "field too long": (b"GET /a HTTP/1.1\r\nX: " + b"x" * 300, "GET /a HTTP/1.1", 431),
    "too many fields": (b"GET /a HTTP/1.1\r\n" + b"X: x\r\n" * 4, "GET /a HTTP/1.1", 431),
    "unknown coding": (b"POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: br\r\n\r\n", "POST /a HTTP/1.1", 501),
    "unknown version": (b"GET /a HTTP/3.0\r\n\r\n", "GET /a HTTP/3.0", 505),
    "too slow": (b"GET /a HTTP/1.1\r\nHost", "GET /a HTTP/1.1", 408),
    "too slow within the line": (b"GET /a", "GET /a", 408),
}


def log_of(gateway, tmp_path, *flags):
    access = tmp_path / "access.log"
    return gateway("contract:app", "--access-logfile", access, "--access-logformat", FORMAT, *flags), access


@pytest.mark.parametrize("name", UNREAD)
def test_request_that_cannot_be_read_is_logged(gateway, tmp_path, name):
    sent, line, status = UNREAD[name]
    server, access = log_of(gateway, tmp_path, *LIMITS)
    with server.connect() as client:
        answer = client.send(sent).read()
    assert answer.status == status
    assert server.stop() == 0
    assert access.read_text() == f'127.0.0.1 - - "{line}" {status} {len(answer.body)} {TEXT} -\n'


def test_request_that_is_refused_after_its_head_is_logged_like_others(gateway, tmp_path):
    server, access = log_of(gateway, tmp_path, *LIMITS)
    for body in (b"Content-Length: 6\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nz\r\n",
                 b"Transfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n0\r\n\r\n"):
        with server.connect() as client:
            client.send(b"POST /echo?q HTTP/1.1\r\nHost: t\r\nUser-Agent: me\r\n" + body).read()
    assert server.stop() == 0
    found = re.findall(r'^127\.0\.0\.1 POST /echo "POST /echo\?q HTTP/1\.1" (\d+) \d+ .* me$', access.read_text(), re.M)
    assert found == ["413", "400", "413"]


def test_pipelined_request_that_cannot_be_read_follows_the_one_before(gateway, tmp_path):
    server, access = log_of(gateway, tmp_path)
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\nGET\t/ HTTP/1.1\r\nHost: t\r\n\r\n")
        assert [client.read().status, client.read().status] == [200, 400]
    assert server.stop() == 0
    lines = access.read_text().splitlines()
    assert [line.split('"')[1] for line in lines] == ["GET / HTTP/1.1", r"GET\x09/ HTTP/1.1"]


def test_connection_that_says_nothing_is_not_logged(gateway, tmp_path):
    server, access = log_of(gateway, tmp_path, *LIMITS)
    with server.connect() as silent, server.connect() as empty, server.connect() as leaving:
        empty.send(b"\r\n")
        leaving.half_close()
        for client in (silent, empty, leaving):
            client.expect_close()
    assert server.stop() == 0
    assert access.read_text() == ""


def test_line_goes_to_the_file_that_has_the_name(gateway, tmp_path):
    """When the new file has a line, the old one gets no more; together they have each line once."""
    access = tmp_path / "access.log"
    server = gateway("contract:app", "--access-logfile", access, "--access-logformat", "%(q)s")
    moved = []
    with Load(server.address, clients=4) as load:
        for turn in range(5):
            load.wait_for_more(200)
            moved.append(tmp_path / f"access.{turn}")
            access.rename(moved[-1])
            server.signal(signal.SIGUSR1)
            wait.until(lambda: access.exists() and access.stat().st_size, "the new file has a line")
            before = moved[-1].stat().st_size
            load.wait_for_more(200)
            assert moved[-1].stat().st_size == before
        load.stop()
        assert set(load.outcomes) == {"ok"}
    # Lines of requests that begin after the first line in the new file are in the new file only.
    assert server.get("/?last").status == 200
    assert server.stop() == 0
    texts = [file.read_text().splitlines() for file in [*moved, access]]
    assert texts[-1][-1] == "last" and not any("last" in text for text in texts[:-1])
    # Each client's requests are numbered: later files hold later ones.
    latest = {}
    for line in [line for text in texts for line in text if line.startswith("id=")]:
        client, _, number = line[3:].partition("-")
        assert int(number) == latest.get(client, 0) + 1
        latest[client] = int(number)
    assert sum(latest.values()) == load.outcomes["ok"]


ROTATIONS = {
    # The file is moved, and the server told: every line is in exactly one file.
    "moved": ("nocreate", "postrotate\n kill -USR1 PID\n endscript"),
    # The file is copied and emptied: what is written in between is lost, but nothing is torn.
    "copied": ("copytruncate", ""),
}


def workers_in(log):
    return {line.split()[0] for line in log.read_text().splitlines()} if log.exists() else set()


@pytest.mark.skipif(not LOGROTATE, reason="there is no logrotate")
@pytest.mark.parametrize("way", ROTATIONS)
def test_logrotate_at_full_load(gateway, tmp_path, way):
    """Both logs, two workers. In the error log each request is a line, too."""
    logs = tmp_path / "log"
    logs.mkdir()
    access, errors = logs / "access.log", logs / "error.log"
    address = tmp_path / "s"
    server = gateway("contract:app", "-w", 2, "-k", "inline", "--bind", f"unix:{address}", "--access-logfile", access,
                     "--access-logformat", "%(p)s %(U)s %(q)s", "--error-logfile", errors, wait=False)
    wait.until(lambda: errors.exists() and errors.read_text().count("Worker ready") == 2, "two workers are ready")
    option, script = ROTATIONS[way]
    rules = tmp_path / "rules"
    owner = f"{getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name}"
    rules.write_text(f"{logs}/*.log {{\nrotate 9\n{option}\nsu {owner}\n"
                     f"sharedscripts\n{script.replace('PID', str(server.pid))}\n}}\n")
    rules.chmod(0o644)
    target = "/log?line=id%3D{id}."
    # Connections of one request each reach every worker.
    with Load(str(address), clients=3, target=target, expect="logged", one_shot=2) as load:
        for _ in range(4):
            load.wait_for_more(150)
            done = subprocess.run([LOGROTATE, "--force", "--state", tmp_path / "state", rules], capture_output=True,
                                  text=True)
            assert (done.returncode, done.stdout + done.stderr) == (0, "")
            if way == "moved":
                # Each worker opens both files anew, the access log last, and no line of it is in the old files then.
                wait.until(lambda: len(workers_in(access)) == 2, "lines of both workers")
                sizes = [os.stat(f"{file}.1").st_size for file in (access, errors)]
                load.wait_for_more(100)
                assert sizes == [os.stat(f"{file}.1").st_size for file in (access, errors)]
        load.stop()
    assert set(load.outcomes) == {"ok"}, load.failures
    assert server.stop() == 0
    answered = load.total
    for name, pattern in (("access", r"<\d+> /log line=id%3D(\d+-\d+)\."), ("error", r"id=(\d+-\d+)\.")):
        text = b"".join(file.read_bytes() for file in sorted(logs.glob(f"{name}.log*")))
        assert b"\0" not in text, "a file that was emptied begins at its beginning"
        lines = text.decode().splitlines()
        ids = [found[1] for line in lines if (found := re.fullmatch(pattern, line))]
        assert len(set(ids)) == len(ids)
        if name == "access":
            assert len(ids) == len(lines)
        if way == "moved":
            assert len(ids) == answered
        else:
            # The copy is behind what is written meanwhile.
            assert 500 < len(ids) <= answered
