"""A raw HTTP/1.1 client: sends exactly the bytes it is given, and fails on any response that is not valid."""

import re
import socket
import struct

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)")
FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?([\t\x20-\x7e\x80-\xff]*)")
TOKENS = re.compile(rb"[0-9A-Fa-f]{1,16}")


class ProtocolViolation(AssertionError):
    """The server sent bytes that are not a valid HTTP/1.1 message."""


class Closed(ConnectionError):
    """The connection ended before the first byte of a response."""


class Truncated(ConnectionError):
    """The connection ended inside a response."""


class Response:
    def __init__(self, status, reason, fields):
        self.status, self.reason, self.fields = status, reason, fields
        self.body, self.interim, self.until_close = b"", [], False

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name):
        """Returns the value of a field, or None. A field that came twice is a violation."""
        values = self.all(name)
        if len(values) > 1:
            raise ProtocolViolation(f"{name} came {len(values)} times: {values}")
        return values[0] if values else None

    @property
    def closes(self):
        options = [option.strip().lower() for value in self.all("connection") for option in value.split(",")]
        return "close" in options or self.until_close

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body[:80]!r}>"


class Wire:
    """One connection. `address` is (host, port) or the path of a unix socket (leading NUL: abstract)."""

    def __init__(self, address, timeout=30.0, receive_buffer=None):
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        if isinstance(address, tuple) and ":" in address[0]:
            family = socket.AF_INET6
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(address)
        except BaseException:
            self.socket.close()
            raise
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        return self

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def request(self, method="GET", target="/", fields=(), body=b"", version="1.1"):
        """Sends a well-formed request; Content-Length is added when there is a body."""
        lines = [f"{method} {target} HTTP/{version}", "Host: test"]
        lines += [f"{name}: {value}" for name, value in fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self

    def get(self, target="/", **more):
        return self.request("GET", target, **more).read()

    def read(self, method="GET"):
        """Reads one final response. Interim responses before it are in its `.interim`."""
        interim = []
        while True:
            response = self._read_head()
            if 100 <= response.status < 200:
                interim.append(response)
                continue
            response.interim = interim
            self._read_body(response, method)
            return response

    def read_head(self):
        """Reads one head and leaves the body on the connection."""
        return self._read_head()

    def read_some(self):
        """Returns the next bytes as soon as there are any; b"" at the end."""
        data, self.buffer = self.buffer, b""
        return data or self.socket.recv(65536)

    def read_exactly(self, count):
        while len(self.buffer) < count:
            self._fill(Truncated)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_until_close(self):
        """Returns all bytes up to FIN. A reset raises ConnectionResetError."""
        pieces = [self.buffer]
        self.buffer = b""
        while piece := self.socket.recv(1 << 20):
            pieces.append(piece)
        return b"".join(pieces)

    def expect_close(self):
        """Asserts that the server closes the connection without sending another byte."""
        rest = self.read_until_close()
        if rest:
            raise ProtocolViolation(f"bytes where the end was due: {rest[:200]!r}")

    def read_chunk(self):
        """Returns one chunk of a chunked body; b"" for the last."""
        size = self._line()
        if not TOKENS.fullmatch(size):
            raise ProtocolViolation(f"chunk size {size!r}")
        count = int(size, 16)
        data = self.read_exactly(count)
        if self.read_exactly(2) != b"\r\n":
            raise ProtocolViolation("no CRLF after a chunk")
        return data

    def _fill(self, error):
        piece = self.socket.recv(65536)
        if not piece:
            raise error(f"the connection ended after {self.buffer[:200]!r}")
        self.buffer += piece

    def _line(self, first=False):
        while b"\r\n" not in self.buffer:
            self._fill(Closed if first and not self.buffer else Truncated)
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def _read_head(self):
        line = self._line(first=True)
        match = STATUS_LINE.fullmatch(line)
        if not match:
            raise ProtocolViolation(f"status line {line!r}")
        fields = []
        while line := self._line():
            field = FIELD_LINE.fullmatch(line)
            if not field:
                raise ProtocolViolation(f"field line {line!r}")
            fields.append((field[1].decode("ascii"), field[2].decode("latin-1").strip(" \t")))
        return Response(int(match[1]), match[2].decode("latin-1"), fields)

    def _read_body(self, response, method):
        length, coding = response.get("content-length"), response.get("transfer-encoding")
        if length is not None and coding is not None:
            raise ProtocolViolation("both Content-Length and Transfer-Encoding")
        if response.status == 204 and (length is not None or coding is not None):
            raise ProtocolViolation("framing fields in a 204")
        if method == "HEAD" or response.status in (204, 304):
            return
        if coding is not None:
            if coding != "chunked":
                raise ProtocolViolation(f"transfer coding {coding!r}")
            while chunk := self.read_chunk():
                response.body += chunk
        elif length is not None:
            if not length.isdecimal():
                raise ProtocolViolation(f"content length {length!r}")
            response.body = self.read_exactly(int(length))
        else:
            response.until_close = True
            response.body = self.read_until_close()


def dechunk(data):
    """Returns the body of a complete chunked message and the bytes after it; None if it is not complete."""
    body = b""
    while True:
        size, crlf, rest = data.partition(b"\r\n")
        if not crlf or not TOKENS.fullmatch(size):
            return None
        count = int(size, 16)
        if rest[count:count + 2] != b"\r\n":
            return None
        if count == 0:
            return body, rest[2:]
        body, data = body + rest[:count], rest[count + 2:]
