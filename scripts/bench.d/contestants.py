"""Who is compared: how each server is started, which version it is, and how a row of the table calls it."""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import threading

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
EVGATEWAY_PYTHON = ["--python", PYTHON, "--pythonpath", HERE, "--worker-class", "inline", "hello:app"]

COMMANDS = {
    "evgateway-inline": [*EVGATEWAY, *EVGATEWAY_PYTHON],
    "bjoern": [PYTHON, HERE / "serve_bjoern.py"],
    "gunicorn-gevent": [*GUNICORN, "--worker-class", "gevent", "hello:app"],
    "gunicorn-gthread": [*GUNICORN, "--worker-class", "gthread", "--threads", "64", "hello:app"],
    "evgateway-swift": [*EVGATEWAY, RELEASE / "example-hello"],
    "hummingbird": [HUMMINGBIRD / ".build" / "release" / "hello", "0"],
    "bare-c": [BARE],
    "evgateway-chat": [*EVGATEWAY, RELEASE / "example-longpoll-chat"],
}


def _output(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True).stdout.strip()


def version(name):
    if name.startswith("evgateway"):
        return _output(RELEASE / "evgateway", "--version").split()[-1]
    if name == "hummingbird":
        return re.search(r'exact: "([^"]+)"', (HUMMINGBIRD / "Package.swift").read_text())[1]
    if name == "bare-c":
        return "libev " + _output("dpkg-query", "-W", "-f=${Version}", "libev-dev")
    package = name.partition("-")[0]
    found = _output(PYTHON, "-c", f"import importlib.metadata as m; print(m.version('{package}'))")
    if name == "gunicorn-gevent":
        found += ", gevent " + _output(PYTHON, "-c", "import importlib.metadata as m; print(m.version('gevent'))")
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
            if found := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", log[-1]):
                self.port = int(found[1])
                break
        if self.port is None:
            raise SystemExit(f"bench: {name} did not start:\n{''.join(log)}")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

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
