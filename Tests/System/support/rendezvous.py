"""A server that answers two clients only when both have asked, in the protocols of several databases.

If one request blocks the worker, the worker never sends the other one, and neither is answered.
"""

import socket
import struct
import threading

ANSWER = b"met"


class Rendezvous:
    def __init__(self, protocol):
        self.protocol = PROTOCOLS[protocol]
        self.barrier = threading.Barrier(2)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.barrier.abort()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, client.makefile("rwb") as peer:
            try:
                self.protocol(peer, self.barrier.wait)
            except (OSError, threading.BrokenBarrierError):
                pass


def line(peer, meet):
    peer.readline()
    meet()
    peer.write(ANSWER + b"\n")


def http(peer, meet):
    while peer.readline().strip():
        pass
    meet()
    peer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER))


def redis(peer, meet):
    """Redis, RESP2. HELLO is refused, so that clients use version 2; other commands of the client's set-up get OK."""
    while head := peer.readline():
        words = []
        for _ in range(int(head[1:])):
            words.append(peer.read(int(peer.readline()[1:]) + 2)[:-2].upper())
        if words[0] == b"GET":
            meet()
            peer.write(b"$%d\r\n%s\r\n" % (len(ANSWER), ANSWER))
        else:
            peer.write(b"-ERR unknown command\r\n" if words[0] == b"HELLO" else b"+OK\r\n")
        peer.flush()


def postgres(peer, meet):
    """PostgreSQL, protocol 3.0, without authentication; every query returns one row of one column."""
    def send(kind, payload):
        peer.write(kind + struct.pack("!i", 4 + len(payload)) + payload)

    peer.read(struct.unpack("!i", peer.read(4))[0] - 4)
    send(b"R", struct.pack("!i", 0))
    for name, value in [(b"server_version", b"15.0"), (b"client_encoding", b"UTF8"), (b"DateStyle", b"ISO, MDY"),
                        (b"standard_conforming_strings", b"on"), (b"integer_datetimes", b"on")]:
        send(b"S", name + b"\0" + value + b"\0")
    send(b"Z", b"I")
    peer.flush()
    while kind := peer.read(1):
        peer.read(struct.unpack("!i", peer.read(4))[0] - 4)
        if kind != b"Q":
            return
        meet()
        send(b"T", struct.pack("!h", 1) + b"word\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0))
        send(b"D", struct.pack("!hi", 1, len(ANSWER)) + ANSWER)
        send(b"C", b"SELECT 1\0")
        send(b"Z", b"I")
        peer.flush()


PROTOCOLS = {"line": line, "http": http, "redis": redis, "postgres": postgres}
