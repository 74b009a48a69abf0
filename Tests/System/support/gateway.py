"""One evgateway under test: starts the real launcher, follows its log, and leaves no process behind."""

import os
import pathlib
import re
import select
import subprocess
import threading
import time
from signal import SIGKILL, SIGQUIT, SIGTERM

from . import elsewhere, procfs, wait
from .wire import Wire

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("EVGATEWAY_BUILD", ROOT / ".build" / "release"))
LAUNCHER = BUILD / "evgateway"
APPS = ROOT / "Tests" / "System" / "apps"

LISTENING = r"Listening at: (\S+)"
READY = r"Worker ready \(pid: (\d+)\)"


def environment(more=None):
    """That of whoever runs the tests, without what settings come from; `more` is added."""
    variables = {name: value for name, value in os.environ.items()
                 if not name.startswith(("PYTHON", "EVGATEWAY_", "GUNICORN_"))}
    for name in ("PORT", "WEB_CONCURRENCY", "VIRTUAL_ENV"):
        variables.pop(name, None)
    return {**variables, **(more or {})}


class Log:
    """The lines that a process writes to a pipe, collected by a thread until every writer has closed it. Whoever asks
    for them gets all that have been written before, however late the thread is."""

    def __init__(self, pipe):
        self.lines, self.ended = [], False
        self.changed = threading.Condition()
        self._pipe, self._rest = pipe, b""
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self):
        while not self.ended:
            self._is_readable(None)
            with self.changed:
                self._take()
        self._pipe.close()

    def _is_readable(self, timeout):
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        return bool(poll.poll(timeout))

    def _take(self):
        """Takes what is in the pipe now. With the lock."""
        while not self.ended and self._is_readable(0):
            data = os.read(self._pipe.fileno(), 65536)
            self.ended = not data
            *lines, self._rest = (self._rest + data).split(b"\n")
            if self.ended and self._rest:
                lines.append(self._rest)
            self.lines += [line.decode("utf-8", "replace") for line in lines]
        self.changed.notify_all()

    def text(self):
        with self.changed:
            self._take()
            return "\n".join(self.lines)

    def position(self):
        """The number of lines."""
        with self.changed:
            self._take()
            return len(self.lines)

    def matches(self, pattern, start=0):
        with self.changed:
            self._take()
            return [found for line in self.lines[start:] if (found := re.search(pattern, line))]

    def wait_for(self, pattern, count=1, start=0, timeout=60.0):
        """Waits until `count` lines after line `start` match; returns the last match needed."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = [match for line in self.lines[start:] if (match := re.search(pattern, line))]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    why = "the log ended" if self.ended else "time is up"
                    raise AssertionError(
                        f"{why}: {len(found)} of {count} lines match {pattern!r} in:\n" + "\n".join(self.lines))
                self.changed.wait(left)

    def wait_for_distinct(self, pattern, count):
        """Waits until the pattern's group has matched `count` different texts."""
        found = self.matches(pattern)
        while len({match[1] for match in found}) < count:
            self.wait_for(pattern, count=len(found) + 1)
            found = self.matches(pattern)


class Gateway:
    """Started by the `gateway` fixture. `pid` is the master: the launcher execs its host and keeps the process."""

    program = (LAUNCHER,)

    def __init__(self, arguments, cwd=None, env=None, limits=None, program=None):
        command = [str(word) for word in (*(program or self.program), *arguments)]
        if elsewhere.FOLDER and command[0] == str(LAUNCHER):
            command = elsewhere.command(["evgateway", *command[1:]], cwd or ROOT)
        if limits:
            command = ["sh", "-c", f"{limits} && exec \"$@\"", "sh", *command]
        self.command = command
        self.process = subprocess.Popen(
            command, cwd=cwd or ROOT, env=environment(env), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.pid = self.process.pid
        self.log, self.output = Log(self.process.stderr), Log(self.process.stdout)
        self.address = None

    # Readiness

    def wait_until_ready(self, workers=1):
        self.log.wait_for_distinct(READY, workers)
        if elsewhere.FOLDER:
            elsewhere.check(self.error_log())
        for match in self.log.matches(LISTENING):
            if tcp := re.fullmatch(r"\w+://\[?([^\]/]+?)\]?:(\d+)", match[1]):
                self.address = (tcp[1], int(tcp[2]))
                break
            if unix := re.fullmatch(r"(?:\w+://)?unix:(//)?(.+)", match[1]):
                self.address = unix[2].replace("@", "\0", 1) if unix[2].startswith("@") else unix[2]
        return self

    @property
    def host(self):
        return self.address[0]

    @property
    def port(self):
        return self.address[1]

    @property
    def base_url(self):
        return f"http://{self.host}:{self.port}"

    def connect(self, **more):
        return Wire(self.address, **more)

    def get(self, target="/", **more):
        """One request on a connection of its own."""
        with self.connect() as wire:
            return wire.get(target, **more)

    # Log

    def error_log(self):
        return self.log.text()

    def wait_for_log(self, pattern, **more):
        return self.log.wait_for(pattern, **more)

    def log_position(self):
        return self.log.position()

    # Processes

    def signal(self, number):
        os.kill(self.pid, number)

    def worker_pids(self):
        return procfs.children(self.pid)

    def wait_for_workers(self, count, besides=()):
        """Waits until exactly `count` workers live, none of them in `besides`."""
        def settled():
            pids = self.worker_pids()
            return pids if len(pids) == count and not set(pids) & set(besides) else None
        return wait.until(settled, lambda: f"{count} workers live, not {self.worker_pids()}")

    def wait(self, timeout=60.0):
        """Returns the exit code; a negative number is the signal that ended the process."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not leave:\n{self.error_log()}") from None

    def stop(self, number=SIGTERM, timeout=60.0):
        if self.process.poll() is None:
            self.signal(number)
        return self.wait(timeout)

    def clean_up(self):
        """Ends the server, then all processes that are left of its session, by pid. Returns the pids of those left."""
        self._end(SIGTERM, 15.0)
        leftover = [pid for pid in procfs.session_members(self.pid) if pid != self.pid]
        if leftover:
            deadline = time.monotonic() + 5.0
            while time.monotonic() < deadline and (leftover := procfs.session_members(self.pid)):
                time.sleep(0.02)
        for pid in leftover:
            try:
                os.kill(pid, SIGKILL)
            except ProcessLookupError:
                pass
        self.log.thread.join(10)
        self.output.thread.join(10)
        return leftover

    def _end(self, number, timeout):
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.send_signal(SIGQUIT)
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
