"""Raw clients of uwsgi, SCGI and FastCGI, as web servers are: they send exactly the bytes they are given, and fail on
any answer that a web server would not understand."""

import json
import struct
import urllib.parse

from .wire import FIELD_LINE, STATUS_LINE, Closed, ProtocolViolation, Response, Truncated, Wire

PROTOCOLS = ("uwsgi", "scgi", "fastcgi")
BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, DATA, GET_VALUES, VALUES, UNKNOWN = range(1, 12)
KEEP, RESPONDER = 1, 1


def variables(method="GET", target="/", fields=(), body=b"", **more):
    """As the params files of nginx have them; None leaves one out."""
    path, _, query = target.partition("?")
    pairs = {
        "QUERY_STRING": query, "REQUEST_METHOD": method, "CONTENT_TYPE": "",
        "CONTENT_LENGTH": str(len(body)) if body or method == "POST" else "", "REQUEST_URI": target,
        "PATH_INFO": urllib.parse.unquote(path, "latin-1"), "DOCUMENT_ROOT": "/srv", "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_SCHEME": "http", "REMOTE_ADDR": "192.0.2.7", "REMOTE_PORT": "5000", "SERVER_PORT": "80",
        "SERVER_NAME": "front.example",
        "HTTP_HOST": "test", **more}
    return [(name, value) for name, value in pairs.items() if value is not None] + [
        ("HTTP_" + name.upper().replace("-", "_"), value) for name, value in fields]


def encoded(pairs):
    return [tuple(text.encode("latin-1") for text in pair) for pair in pairs]


def uwsgi(pairs, body=b"", modifier1=0, modifier2=0):
    block = b"".join(struct.pack("<H", len(text)) + text for pair in encoded(pairs) for text in pair)
    return struct.pack("<BHB", modifier1, len(block), modifier2) + block + body


def scgi(pairs, body=b""):
    pairs = encoded(pairs)
    first = [pair for pair in pairs if pair[0] == b"CONTENT_LENGTH"]
    pairs = [(name, value or b"0") for name, value in first] + [pair for pair in pairs if pair not in first]
    block = b"".join(name + b"\0" + value + b"\0" for name, value in [*pairs, (b"SCGI", b"1")])
    return b"%d:%s,%s" % (len(block), block, body)


def record(kind, content=b"", request=1, padding=0, version=1):
    return struct.pack(">BBHHBx", version, kind, request, len(content), padding) + content + bytes(padding)


def begin(request=1, flags=0, role=RESPONDER):
    return record(BEGIN, struct.pack(">HB5x", role, flags), request)


def params(pairs):
    def length(text):
        return bytes([len(text)]) if len(text) < 128 else struct.pack(">I", len(text) | 1 << 31)
    return b"".join(length(name) + length(value) + name + value for name, value in encoded(pairs))


def stream(kind, data, request=1, size=8000):
    """Records of a stream, with its end."""
    pieces = [data[at:at + size] for at in range(0, len(data), size)]
    return b"".join(record(kind, piece, request, padding=-len(piece) % 8) for piece in [*pieces, b""])


def fastcgi(pairs, body=b"", request=1, flags=0):
    return begin(request, flags) + stream(PARAMS, params(pairs), request) + stream(STDIN, body, request)


MESSAGES = {"uwsgi": uwsgi, "scgi": scgi, "fastcgi": fastcgi}


class Front(Wire):
    """One connection of a web server."""

    def __init__(self, address, protocol, **more):
        super().__init__(address, **more)
        self.protocol = protocol

    def ask(self, method="GET", target="/", fields=(), body=b"", keep=False, **more):
        """Sends a whole request."""
        pairs = variables(method, target, fields, body, **more)
        options = {"flags": KEEP} if keep else {}
        return self.send(MESSAGES[self.protocol](pairs, body, **options))

    def read(self, method="GET"):
        """The answer, whole: it ends with the connection, or as FastCGI says it."""
        data = b""
        try:
            while piece := self.read_piece():
                data += piece
        except Closed:
            if data:
                raise Truncated(f"the connection ended after {data[:200]!r}") from None
            raise
        return parsed(data, self.protocol, method)

    def read_piece(self):
        """The next bytes of the answer; b"" at its end."""
        if self.protocol != "fastcgi":
            return self.read_some()
        kind, request, content = self.read_record()
        if kind == END:
            if content != bytes(8):
                raise ProtocolViolation(f"ended with {content!r}")
            return b""
        if kind != STDOUT or request != 1:
            raise ProtocolViolation(f"a record {kind} of {request}")
        return content or self.read_piece()

    def read_record(self):
        """Type, request id and content."""
        if not self.buffer:
            self._fill(Closed)
        version, kind, request, count, padding = struct.unpack(">BBHHBx", self.read_exactly(8))
        if version != 1:
            raise ProtocolViolation(f"version {version}")
        return kind, request, self.read_exactly(count + padding)[:count]


def parsed(data, protocol, method="GET"):
    """A response of HTTP whose first line is, but for uwsgi, the field `Status`; else an exception."""
    if not data:
        raise Closed("no answer")
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        raise Truncated(f"the head ends after {head!r}")
    first, *lines = head.split(b"\r\n")
    if protocol != "uwsgi":
        if not first.startswith(b"Status: "):
            raise ProtocolViolation(f"first line {first!r}")
        first = b"HTTP/1.1 " + first.removeprefix(b"Status: ")
    status = STATUS_LINE.fullmatch(first)
    fields = [FIELD_LINE.fullmatch(line) for line in lines]
    if not status or None in fields:
        raise ProtocolViolation(f"head {head!r}")
    answer = Response(int(status[1]), status[2].decode("latin-1"), [
        (field[1].decode("ascii"), field[2].decode("latin-1").strip(" \t")) for field in fields])
    for name in ("connection", "transfer-encoding", "status"):
        if answer.get(name) is not None:
            raise ProtocolViolation(f"{name} in {head!r}")
    length = answer.get("content-length")
    if method == "HEAD" or answer.status in (204, 304):
        if body:
            raise ProtocolViolation(f"a body where none is: {body!r}")
    elif length is not None and len(body) != int(length):
        raise Truncated(f"{len(body)} bytes of {length}")
    answer.body = body
    return answer


def environ(answer):
    """What the app has answered with."""
    assert answer.status == 200, answer
    return json.loads(answer.body)
