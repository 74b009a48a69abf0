"""Keep-alive connections that send the same request in turn, and read each answer to its end."""

import socket

from clients import http1
from servers import Refused

SECONDS = 60


class Turns:
    """`connections` to a server that runs, as a context."""

    def __init__(self, server, connections, fields, post):
        """`post`: the bytes of a POST's body, or None for a GET."""
        method, body = ("GET", b"") if post is None else ("POST", bytes(post))
        self.request = http1.request(method, server.paths["fast"], server.host_field, fields, body)
        self.sockets = []
        family, address = server.target
        for _ in range(connections):
            connection = socket.socket(family)
            self.sockets.append(connection)
            connection.settimeout(SECONDS)
            connection.connect(address)
            if family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.sockets:
            connection.close()

    def together(self):
        """A request on every connection, then the answers."""
        for connection in self.sockets:
            connection.sendall(self.request)
        for connection in self.sockets:
            _read(connection)

    def alone(self):
        """A request on every connection, each when the one before has been answered."""
        for connection in self.sockets:
            connection.sendall(self.request)
            _read(connection)


def _read(connection):
    data = b""
    while (found := http1.whole(data)) is None:
        piece = connection.recv(65536)
        if not piece:
            raise Refused(f"a connection ended after {data[:200]!r}")
        data += piece
    if found != (200, True):
        raise Refused(f"status {found[0]}, or a connection that is to be closed: {data[:200]!r}")
