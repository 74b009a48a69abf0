"""The admin side of a server under test: its socket, its process, and what commands say."""

import contextlib
import json
import os

from . import procfs, wait
from .wire import Wire


APP = """
import os
import time


def app(environ, start_response):
    if environ["PATH_INFO"] == "/hold":
        while not os.path.exists("go"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{VERSION} {os.getppid()} {os.environ.get('EVGATEWAY_HANDOVER')}".encode()]


VERSION = 1
"""


class Admin:
    """What `--admin-bind` of a server answers. `server` is a `Gateway`."""

    def __init__(self, server, address):
        self.server, self.address = server, str(address) if not isinstance(address, tuple) else address

    def connect(self, **more):
        return Wire(self.address, **more)

    def ask(self, method, target, fields=(), **more):
        """One request on a connection of its own. A socket in whose queue nobody waits yet refuses."""
        def answer():
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError), self.connect() as wire:
                return wire.request(method, target, fields=fields, **more).read(method)
        return wait.until(answer, f"{self.address} answers")

    def command(self, target):
        """Gives a command. Returns whether it has succeeded, its last text, and the texts before."""
        answer = self.ask("POST", target)
        assert answer.status == 200, answer
        assert answer.get("content-type") == "application/x-ndjson"
        *steps, last = [json.loads(line) for line in answer.body.decode().splitlines()]
        assert all(set(step) == {"text"} for step in steps), steps
        assert last["done"] is True and set(last) == {"done", "succeeded", "text"}
        return last["succeeded"], last["text"], [step["text"] for step in steps]

    @contextlib.contextmanager
    def waiting(self, target):
        """Gives a command, and leaves its lines on the connection that the block gets."""
        with self.connect() as wire:
            wire.request("POST", target)
            assert wire.read_head().status == 200
            yield wire

    def pid(self, besides=None, master=None):
        """The admin process's id, as soon as there is one; other than `besides`."""
        def found():
            for pid in procfs.children(master or self.server.pid):
                if is_admin(pid) and pid != besides:
                    return pid
            return None
        return wait.until(found, "there is an admin process")

    def workers(self, master=None):
        return [pid for pid in procfs.children(master or self.server.pid) if is_worker(pid)]


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().rstrip(b"\0").decode("utf-8", "replace")
    except OSError:
        return ""


def is_admin(pid):
    return title(pid).startswith("evgateway: admin at ")


def is_worker(pid):
    return title(pid).startswith("evgateway: worker ")


def lines(wire):
    """The rest of a command's lines, as objects, one by one."""
    rest = b""
    while piece := wire.read_chunk():
        rest += piece
        *whole, rest = rest.split(b"\n")
        yield from map(json.loads, whole)


def last(wire):
    """The last of them."""
    *_, end = lines(wire)
    assert end["done"]
    return end


def ports(pid):
    """The inodes of the sockets of a process that listen."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                found.add(target[8:-1])
    listening = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}", encoding="ascii") as file:
            for line in list(file)[1:]:
                words = line.split()
                if words[3] == "0A":
                    listening.add((words[9], int(words[1].rpartition(":")[2], 16)))
    return {port for inode, port in listening if inode in found}


def version(server):
    """Of the app that answers."""
    return server.get("/").body.split()[0]


def hold(server):
    """Begins a request that lasts until there is a file `go`."""
    return server.connect().request("GET", "/hold")


def rewrite(folder, text):
    """Changes the app, for workers that are started from now on."""
    (folder / "service.py").write_text(text)
    # Two texts of one second and one length look alike to the cache of compiled modules.
    stamp = os.stat(folder / "service.py").st_mtime_ns + 2_000_000_000
    os.utime(folder / "service.py", ns=(stamp, stamp))
