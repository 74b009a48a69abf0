"""Publishes messages with numbers, one after another on a connection of its own."""

import socket
import time

from .loop import kind_of


class Publisher:
    """As a context. `taken` has the seconds that each publish took; `errors` are counted by kind."""

    def __init__(self, server, fields=(), timeout=30.0):
        self.server, self.fields, self.timeout = server, fields, timeout
        self.taken, self.errors, self._socket = [], {}, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._socket:
            self._socket.close()

    def publish(self, number):
        """Publishes the message of that number, as holds.c reads it. Returns when, by time.monotonic()."""
        when = time.monotonic_ns()
        to, data = self.server.publishing(f"@{number} {when};\n", self.fields)
        try:
            answer = self._asked(to, data)
            if not answer[:9].startswith(b"HTTP/1.") or answer[9:10] != b"2":
                self._count(f"publish status {answer[9:12].decode('latin-1')}")
        except OSError as error:
            self._socket = None
            self._count(f"publish {kind_of(error)}")
        self.taken.append((time.monotonic_ns() - when) / 1e9)
        self.server.published += 1
        return when / 1e9

    def _asked(self, to, data):
        """The head of the answer. The connection is made anew where the server has closed it."""
        if self._socket is None:
            self._socket = socket.socket(to[0], socket.SOCK_STREAM)
            self._socket.settimeout(self.timeout)
            self._socket.connect(to[1])
        self._socket.sendall(data)
        stream = self._socket.makefile("rb")
        head = stream.readline()
        length, closes = 0, not head.startswith(b"HTTP/1.1")
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.lower().partition(b":")
            length = int(value) if name == b"content-length" else length
            closes = closes or name == b"connection" and value.strip() == b"close"
        stream.read(length)
        if closes or not line:
            self._socket.close()
            self._socket = None
        if not head:
            raise ConnectionResetError
        return head

    def _count(self, kind):
        self.errors[kind] = self.errors.get(kind, 0) + 1
