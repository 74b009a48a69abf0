"""Many clients that long-poll the chat from one thread. Each asks again and again for messages after its last id.

A client does what the page does: after any failure it connects again and asks with the same id.
"""

import collections
import json
import re
import selectors
import socket
import time

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Client:
    def __init__(self, address):
        self.address, self.last, self.seen, self.socket, self.buffer = address, 0, [], None, b""

    def ask(self):
        if self.socket is None:
            self.socket, self.buffer = socket.socket(socket.AF_UNIX), b""
            self.socket.connect(self.address)
            self.socket.setblocking(False)
        self.socket.send(b"GET /messages?after=%d HTTP/1.1\r\nHost: chat\r\n\r\n" % self.last)

    def answer(self):
        """Reads what has arrived. Returns (status, body) of a whole answer, else None. Raises OSError at the end."""
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise ConnectionError("closed")
        self.buffer += piece
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        length = LENGTH.search(head + b"\r\n")
        if not found or not length or len(rest) < int(length[1]):
            assert not found or length, f"an answer without a length: {head!r}"
            return None
        self.buffer = b""
        return int(head.split(b" ", 2)[1]), rest

    def note(self, body):
        told = json.loads(body)
        self.seen += [message["id"] for message in told["messages"]]
        self.last = told["last"]

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class LongPollers:
    """`failures` counts the answers other than 200 and the connections that broke."""

    def __init__(self, address, count):
        self.selector, self.failures = selectors.DefaultSelector(), collections.Counter()
        self.clients, self.again = [Client(address) for _ in range(count)], []

    def __enter__(self):
        for client in self.clients:
            self._ask(client)
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.close()
        self.selector.close()

    def _ask(self, client):
        try:
            known = client.socket is not None
            client.ask()
            if not known:
                self.selector.register(client.socket, selectors.EVENT_READ, client)
        except OSError as error:
            self._failed(client, type(error).__name__)

    def _failed(self, client, why):
        self.failures[why] += 1
        if client.socket is not None and client.socket.fileno() in self.selector.get_map():
            self.selector.unregister(client.socket)
        client.close()
        self.again.append(client)

    def turn(self, seconds=0.05):
        """Reads the answers that have come and lets each client ask again; clients that failed ask after a pause."""
        for key, _ in self.selector.select(seconds):
            client = key.data
            try:
                answer = client.answer()
            except OSError as error:
                self._failed(client, type(error).__name__)
                continue
            if answer is None:
                continue
            status, body = answer
            if status != 200:
                self._failed(client, status)
                continue
            client.note(body)
            self._ask(client)
        again, self.again = self.again, []
        for client in again:
            self._ask(client)

    def until(self, condition, what, timeout=60.0):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"gave up waiting until {what}; failures: {dict(self.failures)}"
            self.turn()

    def until_all_have(self, number):
        self.until(lambda: all(client.last >= number for client in self.clients), f"all have message {number}")
