"""Clients of an admin port, the worst of them at once: scrapers at a rate, clients that read slowly, that never end
their head, and that send what is no HTTP. Runs until it is ended; whoever measures stops and continues it. It gives way
to every other process, as if it were on another machine.

    scrapers.py SOCKET SCRAPES_PER_SECOND
"""

import os
import selectors
import socket
import sys
import time

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: admin\r\nAccept: application/openmetrics-text\r\n\r\n"
CONNECTIONS = 20
NASTY = 50


def connected(path):
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    return client


class Scraper:
    """One connection, one scrape at a time."""

    def __init__(self, path):
        self.socket, self.missing = connected(path), 0

    def ask(self):
        self.socket.sendall(SCRAPE)
        self.missing = -1

    def read(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise SystemExit("scrapers: the server has closed a connection")
        if self.missing < 0:
            head, _, body = data.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            self.missing = int(length.split(b":")[1]) - len(body)
        else:
            self.missing -= len(data)
        return self.missing == 0


class Nasty:
    """Half-open clients, slow readers and senders of nonsense, which come back when they are thrown out."""

    def __init__(self, path):
        self.path, self.half_open, self.slow = path, [], []

    def step(self):
        with connected(self.path) as client:
            client.sendall(b"\x16\x03\x01\x02 nonsense\r\n\r\n")
        if len(self.half_open) == NASTY:
            self.half_open.pop(0).close()
        self.half_open.append(connected(self.path))
        self.half_open[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost:")
        if len(self.slow) == NASTY:
            self.slow.pop(0).close()
        self.slow.append(connected(self.path))
        self.slow[-1].sendall(SCRAPE * 4)
        for client in self.slow:
            client.setblocking(False)
            try:
                client.recv(16)
            except OSError:
                pass


def main():
    path, rate = sys.argv[1], float(sys.argv[2])
    os.nice(19)
    selector, idle, nasty = selectors.DefaultSelector(), [Scraper(path) for _ in range(CONNECTIONS)], Nasty(path)
    for scraper in idle:
        selector.register(scraper.socket, selectors.EVENT_READ, scraper)
    due = next_step = time.monotonic()
    while True:
        now = time.monotonic()
        # It was stopped: what it has missed is not made up for.
        due = max(due, now - 0.1)
        while due <= now and idle:
            idle.pop().ask()
            due += 1 / rate
        if now >= next_step:
            nasty.step()
            next_step = now + 0.02
        for key, _ in selector.select(min(due, next_step) - now if idle else 0.01):
            if key.data.read():
                idle.append(key.data)


if __name__ == "__main__":
    main()
