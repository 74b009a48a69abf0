"""Who is compared: how each server is started, which version it is, and how a row of the table calls it."""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "scripts" / "bench.d"
RELEASE = ROOT / ".build" / "release"
PYTHON = ROOT / ".venv-bench" / "bin" / "python3"
BARE = ROOT / ".build" / "bench-bare"
HUMMINGBIRD = HERE / "hummingbird-hello"
TICKS = os.sysconf("SC_CLK_TCK")

EVGATEWAY = [RELEASE / "evgateway", "--bind", "127.0.0.1:0", "--workers", "1", "--connections", "6000"]
GUNICORN = [PYTHON, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "1", "--worker-connections", "6000",
            "--keep-alive", "75"]
GRANIAN = [PYTHON, "-m", "granian", "--host", "127.0.0.1", "--port", "0", "--workers", "1"]
EVGATEWAY_PYTHON = [*EVGATEWAY, "--python", PYTHON, "--pythonpath", HERE, "--worker-class"]

COMMANDS = {
    "evgateway-inline": [*EVGATEWAY_PYTHON, "inline", "hello:app"],
    "bjoern": [PYTHON, HERE / "serve_bjoern.py"],
    "gunicorn-gevent": [*GUNICORN, "--worker-class", "gevent", "hello:app"],
    "gunicorn-gthread": [*GUNICORN, "--worker-class", "gthread", "--threads", "64", "hello:app"],
    "evgateway-gevent": [*EVGATEWAY_PYTHON, "gevent", "hello:app"],
    "evgateway-threads": [*EVGATEWAY_PYTHON, "threads", "--threads", "8", "hello:app"],
    "granian-wsgi": [*GRANIAN, "--interface", "wsgi", "--blocking-threads", "8", "hello:app"],
    "evgateway-asgi": [*EVGATEWAY_PYTHON, "asgi", "--asgi-loop", "uvloop", "hello:asgi"],
    "uvicorn": [PYTHON, "-m", "uvicorn", "--host", "127.0.0.1", "--port", "0", "--workers", "1", "--loop", "uvloop",
                "--http", "httptools", "--ws", "none", "--no-access-log", "hello:asgi"],
    "granian-asgi": [*GRANIAN, "--interface", "asgi", "--loop", "uvloop", "--no-ws", "hello:asgi"],
    "evgateway-swift": [*EVGATEWAY, RELEASE / "example-hello"],
    "hummingbird": [HUMMINGBIRD / ".build" / "release" / "hello", "0"],
    "bare-c": [BARE],
    "evgateway-chat": [*EVGATEWAY, RELEASE / "example-longpoll-chat"],
    "evgateway-gevent-held": [*EVGATEWAY_PYTHON, "gevent", "held:app"],
    "evgateway-asgi-held": [*EVGATEWAY_PYTHON, "asgi", "--asgi-loop", "uvloop", "held:asgi"],
}


def _output(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True).stdout.strip()


def _package_version(package):
    return _output(PYTHON, "-c", f"import importlib.metadata as m; print(m.version('{package}'))")


def version(name):
    """Of the contestant, and of the library whose loop it runs on."""
    if name == "hummingbird":
        return re.search(r'exact: "([^"]+)"', (HUMMINGBIRD / "Package.swift").read_text())[1]
    if name == "bare-c":
        return "libev " + _output("dpkg-query", "-W", "-f=${Version}", "libev-dev")
    if name.startswith("evgateway"):
        found = _output(RELEASE / "evgateway", "--version").split()[-1]
    else:
        found = _package_version(name.partition("-")[0])
    for library in ("gevent", "uvloop"):
        if library in COMMANDS[name]:
            found += f", {library} {_package_version(library)}"
    return found


def command_line(name):
    """As a reader would type it in the root of the repository."""
    words = [str(word.relative_to(ROOT) if isinstance(word, pathlib.Path) else word) for word in COMMANDS[name]]
    return shlex.join(words)


class Server:
    """A contestant that runs, in a session of its own so that its whole process tree can be measured and ended."""

    def __init__(self, name):
        self.name = name
        environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [str(word) for word in COMMANDS[name]], cwd=ROOT, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.port, log = None, []
        for line in self.process.stdout:
            log.append(line.decode("utf-8", "replace"))
            if found := re.search(r"(?:Listening at:|running on) http://127\.0\.0\.1:(\d+)", log[-1]):
                self.port = int(found[1])
                break
        if self.port is None:
            raise SystemExit(f"bench: {name} did not start:\n{''.join(log)}")
        if self.port == 0:
            self.port = self._listening_port()
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def _listening_port(self):
        """The port that the kernel gave, for a server that does not print it (proc_net_tcp.txt: state 0A listens)."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            sockets = set()
            for pid in self.pids():
                for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                    try:
                        sockets.add(os.readlink(descriptor))
                    except FileNotFoundError:
                        pass
            with open("/proc/net/tcp") as file:
                for fields in map(str.split, file):
                    if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                        return int(fields[1].rpartition(":")[2], 16)
            time.sleep(0.05)
        raise SystemExit(f"bench: {self.name} does not listen")

    def pids(self):
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (fields := self._stat(entry)) and int(fields[3]) == self.process.pid:
                found.append(int(entry))
        return found

    @staticmethod
    def _stat(pid):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None

    def cpu_seconds(self):
        """User and system time of the whole tree, with the children that were reaped."""
        return sum(
            sum(int(value) for value in fields[11:15]) / TICKS
            for pid in self.pids() if (fields := self._stat(pid)))

    def pss_bytes(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
        return total

    def stop(self):
        pids = self.pids()
        self.process.send_signal(signal.SIGINT if self.name.startswith("evgateway") else signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in pids:
            if pid != self.process.pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
