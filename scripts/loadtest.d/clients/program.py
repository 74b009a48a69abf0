"""Clients that are programs in C, because those in Python would be slower than most servers: made when they are first
used, told by lines what to do, and answering each with a line of JSON."""

import json
import os
import select
import subprocess
import time

import kinds

from .crew import ClientFailure, die_with_parent

FOLDER = kinds.APPS.parent / "clients"


class Program:
    """`name`.c, NAME_connection.c and counts.c, started with `words`. Use it as a context, whose end ends it."""

    def __init__(self, name, words):
        program = kinds.ROOT / ".build" / f"loadtest-{name}"
        sources = [FOLDER / f"{part}.c" for part in (name, f"{name}_connection", "counts")]
        heads = [FOLDER / f"{part}.h" for part in (name, "counts")]
        kinds.make(program, [*sources, *heads], [kinds.CC, "-O2", "-Wall", "-D_GNU_SOURCE", "-o", program, *sources])
        self.name, self._read = name, b""
        self.process = subprocess.Popen([program, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        start_new_session=True, preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            pass
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def order(self, *words):
        """Begins what the program does for these words."""
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self, seconds=0.0):
        """What came of the last order, as the program tells it; None if that is not known after so many seconds."""
        limit = time.monotonic() + seconds
        while b"\n" not in self._read:
            if not select.select([self.process.stdout], [], [], max(0.0, limit - time.monotonic()))[0]:
                return None
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                raise ClientFailure(f"the client {self.name} ended with {self.process.wait()}")
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return json.loads(line)
