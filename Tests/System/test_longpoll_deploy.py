"""The chat's files for systemd and Docker, as far as they can be tested without either: the files that they name exist,
and their commands serve the chat from the paths to which `install` copies it."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
from signal import SIGTERM

import pytest

from support.chat import FOLDER
from support.gateway import BUILD, READY, ROOT, Log
from support.wire import Wire


@pytest.fixture
def installed(tmp_path):
    """Directories that replace /usr/local, /srv/chat and /run/chat, and a function that replaces them in a command."""
    environment = {**os.environ, "EVGATEWAY_BUILD": str(BUILD)}
    subprocess.run([FOLDER / "install", tmp_path / "local"], env=environment, check=True)
    with tempfile.TemporaryDirectory(prefix="evg") as run:
        def moved(text):
            text = text.replace("/srv/chat/.venv", str(ROOT / ".venv")).replace("/srv/chat", str(FOLDER))
            text = text.replace("0.0.0.0:8000", "127.0.0.1:0")
            return text.replace("/usr/local", str(tmp_path / "local")).replace("/run/chat", run)
        yield pathlib.Path(run), moved


def serves(command, socket, path=None):
    """Runs a command until the chat answers on its unix socket, and ends it."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CHAT_FILE", "VIRTUAL_ENV")}
    environment["VIRTUAL_ENV"] = str(ROOT / ".venv")
    environment["PATH"] = f"{path}:{environment['PATH']}" if path else environment["PATH"]
    server = subprocess.Popen(command, cwd=FOLDER, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    log = Log(server.stderr)
    try:
        log.wait_for_distinct(READY, 2)
        with Wire(str(socket)) as client:
            assert client.get("/health").body == b"ok"
            assert client.get("/").body == (FOLDER / "page" / "index.html").read_bytes()
    finally:
        server.send_signal(SIGTERM)
        code = server.wait(60)
        log.thread.join(10)
    assert code == 0, log.text()


def joined(text):
    """Returns the lines of a unit or a Dockerfile; continued lines are joined."""
    return re.sub(r"\\\n#?\s*", "", text).splitlines()


@pytest.mark.parametrize("twin", ["ExecStart=", "# ExecStart="], ids=["flask", "swift"])
def test_command_of_the_unit_serves(installed, twin):
    run, moved = installed
    line, = [line for line in joined((FOLDER / "chat.service").read_text()) if line.startswith(twin)]
    serves(shlex.split(moved(line.removeprefix(twin))), run / "app.sock")


def test_unit_is_one_that_systemd_reads(installed, tmp_path):
    _, moved = installed
    unit = tmp_path / "chat.service"
    unit.write_text(moved((FOLDER / "chat.service").read_text()))
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_command_of_the_image_serves(installed, tmp_path):
    run, moved = installed
    line, = [line for line in joined((FOLDER / "Dockerfile").read_text()) if line.startswith("CMD ")]
    serves(json.loads(moved(line.removeprefix("CMD "))), run / "app.sock", path=tmp_path / "local" / "bin")


def test_what_the_image_copies_is_there_and_is_all_that_the_app_imports():
    copied = [source for line in joined((FOLDER / "Dockerfile").read_text()) if re.match(r"COPY (?!--from)", line)
              for source in line.split()[1:-1]]
    assert all((ROOT / source).exists() for source in copied)
    # grip.py is an app of its own.
    assert {f"Examples/longpoll/{path.name}" for path in FOLDER.glob("*.py") if path.name != "grip.py"} <= set(copied)
    mounted = re.findall(r"- \./(\S+?):", (FOLDER / "docker-compose.yml").read_text())
    assert mounted and all((FOLDER / name).exists() for name in mounted)


def test_requirements_are_those_that_are_tested():
    wanted = [line for line in (FOLDER / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert set(wanted) <= set((ROOT / "Tests" / "System" / "requirements.txt").read_text().splitlines())


@pytest.mark.parametrize("name", ["nginx.conf", "chat.conf", "haproxy.cfg", "chat.service"])
def test_limits_fit_one_another(name):
    """A held answer needs two connections of the proxy and one of a worker, each with a descriptor."""
    text = (FOLDER / name).read_text()

    def number(pattern):
        return int(re.search(pattern, text)[1])
    if name == "nginx.conf":
        assert number(r"worker_rlimit_nofile (\d+)") > 2 * number(r"worker_connections (\d+)")
    elif name == "chat.conf":
        assert number(r"proxy_read_timeout (\d+)s") > 25 and number(r"\n    keepalive_timeout (\d+)s") < 75
    elif name == "haproxy.cfg":
        assert number(r"timeout server (\d+)s") > 25 and number(r"pool-purge-delay (\d+)s") < 75
    else:
        assert number(r"LimitNOFILE=(\d+)") > number(r"--connections (\d+)")
        assert number(r"TimeoutStopSec=(\d+)") > 30
