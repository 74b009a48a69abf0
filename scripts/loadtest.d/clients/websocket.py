"""The clients of WebSocket: a program in C (websocket.c), because one in Python would be slower than most servers."""

import json
import os
import select
import subprocess
import time

import kinds

from .crew import ClientFailure, die_with_parent

FOLDER = kinds.APPS.parent / "clients"
PROGRAM = kinds.ROOT / ".build" / "loadtest-websocket"
SOURCES = [FOLDER / "websocket.c", FOLDER / "websocket_connection.c"]
COMMAND = [kinds.CC, "-O2", "-Wall", "-D_GNU_SOURCE", "-o", PROGRAM, *SOURCES]


class WebSockets:
    """`count` connections to `path` of a server. They are being opened: `answer` tells when they are. Use it as a
    context, whose end closes them."""

    def __init__(self, server, path, count, fields=(), deflate=False, timeout=30.0):
        kinds.make(PROGRAM, [*SOURCES, FOLDER / "websocket.h"], COMMAND)
        host, port = server.target[1][:2]
        words = [PROGRAM, "-t", str(timeout), *(["-d"] if deflate else []),
                 *(word for field in fields for word in ("-f", field)),
                 host, str(port), server.host_field, path, str(count)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
                                        preexec_fn=die_with_parent)
        self._read = b""

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
        """Begins what websocket.c does for these words."""
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self, seconds=0.0):
        """What came of the last order, as websocket.c tells it; None if that is not known after so many seconds."""
        limit = time.monotonic() + seconds
        while b"\n" not in self._read:
            if not select.select([self.process.stdout], [], [], max(0.0, limit - time.monotonic()))[0]:
                return None
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                raise ClientFailure(f"the client of WebSocket ended with {self.process.wait()}")
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        return json.loads(line)
