"""gunicorn and evgateway, each started in a folder of its own with the same configuration file, command line and
environment, and what can be seen of them from outside.

Law: what is observed of a server is a tree of JSON values without what differs from run to run.
"""

import json
import os
import re
import shlex
import socket
from dataclasses import dataclass, field
from signal import SIGTERM
from typing import Callable

from . import wait
from .gateway import LAUNCHER, LISTENING, ROOT, Gateway
from .wire import Wire

PYTHON = ROOT / ".venv" / "bin" / "python3"
APPS = ROOT / "Tests" / "System" / "gunicorn_apps"
PROGRAMS = {"gunicorn": [PYTHON, "-m", "gunicorn"], "evgateway": [LAUNCHER]}
BASE = "bind = '127.0.0.1:0'\nworker_class = 'gthread'\ncontrol_socket_disable = True\n"

# What people search logs for.
PHRASES = (
    "Starting ", "Listening at: ", "Using worker: ", "Booting worker with pid: ", "Worker exiting (pid: ",
    "Handling signal: ", "Hang up: Master", "Shutting down: Master", "Worker failed to boot",
    "App failed to load", "exited with code 3", "exited with code 4", "WORKER TIMEOUT (pid:",
    "was sent SIGKILL! Perhaps out of memory?", "Exception in worker process", "Error handling request /",
    "Error handling request GET /", "Autorestarting worker after current request.", "Invalid request from ip=127.0.0.1",
    "No module named 'missing'", "Failed to find attribute", "Traceback (most recent call last):",
    "hook when_ready says 1",
    "hook warns", "hook post_fork of worker age 1", "hook pre_request /", "hook post_request /", "is silent",
    "Exception in post_request hook", "Exception during worker exit", "BOOM", "Unhandled exception in main loop",
    "Connection in use: ", "Failed to read config file", "Invalid value for workers",
    "Error while loading the application",
)
DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
ENTRY = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[([A-Z]+)\] (.*)")


class Server(Gateway):
    """One of both, in a folder of its own."""

    def __init__(self, name, folder, case):
        self.name, self.folder, self.case = name, folder, case
        folder.mkdir(exist_ok=True)
        # A port for servers that open it themselves several times: nobody else gets it while this socket is bound.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.reserved.bind(("127.0.0.1", 0))
        self.reserved_port = self.reserved.getsockname()[1]
        for file, text in {"gunicorn.conf.py": case.base + case.config, **case.files}.items():
            (folder / file).parent.mkdir(exist_ok=True)
            text = text.replace("FOLDER", str(folder)).replace("FREE", str(self.reserved_port))
            (folder / file).write_text(text)
        self.notes_file = folder / "notes"
        environment = {
            "VIRTUAL_ENV": str(PYTHON.parent.parent), "PYTHONPATH": str(APPS), "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder), "ALIKE_SERVER": name, "ALIKE_NOTES": str(self.notes_file),
            **{key: value.replace("FOLDER", str(folder)) for key, value in case.env.items()}}
        flags = shlex.split(case.flags.replace("FOLDER", str(folder)))
        super().__init__([*flags, *shlex.split(case.app)], cwd=folder, env=environment,
                         program=[*case.before, *PROGRAMS[name]])

    def wait_until_listening(self):
        """With its log in a file, or without one, a server listens at the socket a.sock."""
        if "'unix:a.sock'\n" in self.case.config or "FREE" in self.case.config:
            is_unix = "FREE" not in self.case.config
            self.address = str(self.folder / "a.sock") if is_unix else ("127.0.0.1", self.reserved_port)
            wait.until(lambda: self.process.poll() is not None or self.answers(), "it listens")
        else:
            wait.until(lambda: self.process.poll() is not None or self.log.matches(LISTENING), "it listens or ends")
            if (found := self.log.matches(LISTENING)) and (first := re.match(r"http://\[?(.+?)\]?:(\d+)", found[0][1])):
                self.address = first[1], int(first[2])

    def answers(self):
        try:
            self.connect().close()
            return True
        except OSError:
            return False

    def file_text(self, name):
        file = self.folder / name
        return file.read_text() if file.exists() else ""

    def notes(self):
        if not self.notes_file.exists():
            return []
        return [json.loads(line) for line in self.notes_file.read_text().splitlines(keepends=True)
                if line.endswith("\n")]

    def wait_for_notes(self, *wanted, start=0):
        """Waits for a note of each hook of `wanted` after the first `start` notes, or for the end."""
        def there():
            found = [note["hook"] for note in self.notes()[start:]]
            return self.process.poll() is not None or all(found.count(name) >= wanted.count(name) for name in wanted)
        wait.until(there, lambda: f"{wanted} in {self.notes()[start:]}\n{self.error_log()}")

    def plain(self, value):
        """A value without what differs from run to run: processes, ports, folders."""
        if isinstance(value, dict):
            return {self.plain(name): self.named(name, item) for name, item in value.items()}
        if isinstance(value, list):
            if value[-2:-1] == ["127.0.0.1"] and isinstance(value[-1], int):
                return [*value[:-1], "PORT" if value[-1] in self.ports() else value[-1] and "CLIENT"]
            return [self.plain(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            if value > 1:
                return "PORT" if value in self.ports() else value
            return value
        if isinstance(value, str):
            value = re.sub(r"\b(gunicorn|evgateway)/[\d.]+", r"\1/N", value.replace(str(self.folder), "FOLDER"))
            for port in self.ports():
                value = re.sub(rf"\b{port}\b", "PORT", value)
        return value

    def named(self, name, value):
        if name == "REMOTE_PORT":
            return "CLIENT"
        if name in ("pid", "ppid", "parent", "imported_by") and isinstance(value, int):
            return "MASTER" if value == self.pid else "WORKER"
        return self.plain(value)

    def ports(self):
        said = [match[1] for match in self.log.matches(LISTENING)]
        return {self.reserved_port, *(int(port) for text in said for port in re.findall(r":(\d+)(?=,|$)", text))}

    def phrases(self, text):
        """Each phrase that the log has, with the level of its entry, or "" outside of an entry."""
        found = {}
        for line in text.splitlines():
            entry = ENTRY.match(line)
            level, message = (entry[1], entry[2]) if entry else ("", line)
            for phrase in self.case.phrases:
                if phrase in message:
                    found.setdefault(phrase, set()).add(level)
        return {phrase: True if phrase == "BOOM" else " ".join(sorted(levels)) for phrase, levels in found.items()}


@dataclass
class Case:
    name: str
    config: str = ""
    steps: Callable = None
    flags: str = ""
    app: str = "alike_app:application"
    env: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    before: tuple = ()
    base: str = BASE
    phrases: tuple = PHRASES
    starts: bool = True

    def observe(self, name, folder):
        """Starts a server, and returns what is seen of it until it has ended."""
        server = Server(name, folder, self)
        try:
            seen = {}
            if self.starts:
                server.wait_until_listening()
                (self.steps or one_request)(server, seen)
                server.stop(SIGTERM)
            seen["exit code"] = server.wait(30)
            server.log.thread.join(10)
            seen["log"] = server.phrases(server.error_log() + "\n" + server.file_text("error.log"))
            if "error.log" in self.config:
                seen["errors on the terminal"] = server.phrases(server.error_log())
            seen["has said something on the terminal"] = bool(server.output.text())
            return flat(server.plain(seen))
        finally:
            server.reserved.close()
            server.clean_up()


def one_request(server, seen):
    seen["answer"] = ask(server)


def ask(server, target="/", address=None, **more):
    """What the client gets of one request on a connection of its own."""
    with Wire(address or server.address) as wire:
        try:
            return received(wire, wire.request(target=target, **more).read(more.get("method", "GET")))
        except ConnectionError as error:
            return {"failed": type(error).__name__}


def send(server, data):
    with server.connect() as wire:
        return received(wire, wire.send(data).read())


def received(wire, response):
    if response.closes:
        wire.expect_close()
    fields = {}
    for name, value in response.fields:
        fields.setdefault(name.lower(), []).append(value)
    body = response.body.decode("latin-1")
    if body and fields.get("content-type") == ["application/json"]:
        body, fields["content-length"] = json.loads(body), ["(of the body)"]
    if "date" in fields:
        fields["date"] = [DATE.sub("DATE", date) for date in fields["date"]]
    if response.status >= 400:      # the words of a page for people are each server's own
        body = "(a page)" if body else ""
        fields = {name: values for name, values in fields.items() if name not in ("content-type", "content-length")}
    return {"status": f"{response.status} {response.reason}", "fields": fields, "body": body,
            "connection": "closed" if response.closes else "kept"}


def flat(tree, path=""):
    """The leaves of a tree by path. A list of plain values is a leaf."""
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list) and any(isinstance(item, dict) for item in tree):
        items = enumerate(tree)
    else:
        return {path: tree}
    leaves = {}
    for name, item in items:
        leaves.update(flat(item, f"{path}/{name}" if path else str(name)))
    return leaves
