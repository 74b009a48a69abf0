"""A contestant under callgrind: started from copies without debug information, counted between two moments.

Start-up does not count: nothing is recorded until the worker has answered a warm-up.
"""

import os
import pathlib
import re
import subprocess
import tempfile

import contestants
import kinds
from servers import Refused

BESIDE_LAUNCHER = "libEvPython.so"
RESOURCES = "evgateway_CPythonBridge.resources"


class Counted:
    """The server of a contestant under callgrind. Leaving the `with` block ends it and removes its folder."""

    def __init__(self, name, app):
        self.name, self.app = name, app

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="bench-")
        self.folder, self._pid, self._dumps = pathlib.Path(self._folder.name), None, 0
        try:
            self.server = contestants.started(self.name, self.app, self._words)
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *_):
        self.server.stop()
        self._folder.cleanup()

    def _words(self, words):
        return ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--trace-children=yes",
                f"--callgrind-out-file={self.folder}/out.%p", f"--vgdb-prefix={self.folder}/vgdb",
                *(stripped(word, self.folder) for word in words)]

    def begin(self):
        """Starts to record in the process that holds the clients' connections: open them first."""
        held = self.server.tree.sockets()
        self._pid = max(held, key=held.get)
        self._tell("instrumentation", "on")

    def count(self, work):
        """The user-space instructions of `work()`, and the file of callgrind that has them by function."""
        self._tell("zero")
        work()
        self._tell("dump")
        self._dumps += 1
        file = self.folder / f"out.{self._pid}.{self._dumps}"
        total = re.search(r"^summary: (\d+)$", file.read_text(), re.MULTILINE)
        return int(total[1]), file

    def _tell(self, *words):
        done = subprocess.run(["vgdb", f"--vgdb-prefix={self.folder}/vgdb", f"--pid={self._pid}", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Refused(f"{self.name}: vgdb {' '.join(words)}: {done.stderr.strip()}")


def stripped(word, folder):
    """`word`, or where it names a program that this repository builds, a copy of that in `folder` without debug
    information: valgrind 3.19 fails to read Swift's. The launcher finds beside its copy what it needs."""
    path = kinds.ROOT / word
    if not _is_built_program(path):
        return word
    copy = folder / path.name
    _strip(path, copy)
    if (path.parent / BESIDE_LAUNCHER).exists():
        _strip(path.parent / BESIDE_LAUNCHER, folder / BESIDE_LAUNCHER)
        if not (folder / RESOURCES).is_symlink():
            os.symlink(path.parent / RESOURCES, folder / RESOURCES)
    return copy


def _is_built_program(path):
    # Resolved, because a virtualenv's interpreter is a link to the system's, which stays where it is.
    if not path.is_file() or not (path.is_relative_to(kinds.RELEASE) or path.resolve().is_relative_to(kinds.ROOT)):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def _strip(path, copy):
    subprocess.run(["strip", "--strip-debug", "-o", copy, path], check=True)
