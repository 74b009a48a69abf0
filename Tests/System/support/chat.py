"""Examples/longpoll under test: the whole service that `start` runs; and a Redis for whoever needs one."""

import json
import os
import pathlib
import shutil
import subprocess
from signal import SIGTERM

from . import procfs, wait
from .gateway import BUILD, ROOT, Log
from .wire import Wire

FOLDER = ROOT / "Examples" / "longpoll"
STARTED = r"^Chat: unix:(\S+) \(files: (\S+);"


class Service:
    """Runs `start` in a session of its own. The proxy's unix socket is in `directory`, whose name must be short."""

    def __init__(self, directory, *flags, hold=2):
        environment = {**os.environ, "CHAT_HOLD": str(hold), "TMPDIR": str(directory), "EVGATEWAY_BUILD": str(BUILD)}
        self.process = subprocess.Popen(
            [FOLDER / "start", "--listen", f"unix:{directory}/front", *flags], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.output, self.errors = Log(self.process.stdout), Log(self.process.stderr)

    def __enter__(self):
        try:
            started = self.output.wait_for(STARTED)
        except AssertionError as error:
            self.end()
            raise AssertionError(f"{error}\n{self.errors.text()}") from None
        self.address, self.files = started[1], pathlib.Path(started[2])
        self.master = int((self.files / "evgateway.pid").read_text())
        return self

    def __exit__(self, *_):
        for log in sorted(self.files.glob("*.log")):
            print(f"--- the end of {log.name}", *log.read_text().splitlines()[-30:], sep="\n")
        leftover = self.end()
        assert not leftover, f"processes {leftover} were left by start"
        assert not self.files.exists(), "start leaves its directory behind"

    def end(self):
        """Ends it as Ctrl-C does. Returns the processes of its session that are left."""
        if self.process.poll() is None:
            self.process.send_signal(SIGTERM)
        self.process.wait(60)
        self.output.thread.join(10)
        self.errors.thread.join(10)
        return procfs.session_members(self.process.pid)

    def worker_pids(self):
        return procfs.children(self.master)

    def connect(self):
        return Wire(self.address)


class Redis:
    """Debian's redis-server on a unix socket, without persistence."""

    def __init__(self, directory, *flags):
        self.flags = flags
        self.binary = shutil.which("redis-server")
        assert self.binary, "redis-server is not installed: scripts/setup tests"
        self.directory, self.path = directory, directory / "redis.sock"
        self.url, self.process = f"unix://{self.path}", None

    def start(self):
        self.process = subprocess.Popen(
            [self.binary, "--port", "0", "--unixsocket", str(self.path), "--dir", str(self.directory), "--save", "",
             *map(str, self.flags)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log = Log(self.process.stdout)
        self.log.wait_for("ready to accept connections")

    def stop(self):
        """Ends it at once; its data are lost."""
        self.process.kill()
        self.process.wait(10)
        self.log.thread.join(10)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def say(wire, text, name="ann"):
    """Posts a message and returns the response."""
    return wire.request("POST", "/messages", fields=[("Content-Type", "application/json")],
                        body=json.dumps({"name": name, "text": text}, ensure_ascii=False).encode()).read()


def hear(wire, after=None):
    """Asks once. Returns (last id, the texts of the messages)."""
    answer = wire.get("/messages" if after is None else f"/messages?after={after}")
    assert answer.status == 200, answer
    told = json.loads(answer.body)
    return told["last"], [message["text"] for message in told["messages"]]


def hear_all(wire, count):
    """Returns (last id, the texts of all messages), as soon as the worker that answers has so many."""
    return wait.until(lambda: (told := hear(wire, 0))[0] >= count and told, f"a worker knows of {count} messages")
