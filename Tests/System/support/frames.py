"""Frames of WebSocket as bytes, and the cases of Tests/Corpus/websocket, whose README.md explains the notation."""

import json
import re
import struct

from .gateway import ROOT

CORPUS = ROOT / "Tests" / "Corpus" / "websocket"
CLASSES = ("framing", "pings", "reserved", "opcodes", "fragments", "utf8", "close", "limits", "pieces")
# Where messages may be compressed, with the flags of a server that agrees to what these cases need.
COMPRESSED = {"deflate": [], "contexts": ["--ws-deflate-context-takeover"]}
LIMIT = 200_000
OPENING = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
           ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8a
OPCODES = {"more": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10}
MACRO = re.compile(r"\{\{((?:(?!\{\{|\}\}).)*)\*(\d+)\}\}", re.DOTALL)


def opening(path="/", fields=()):
    lines = "".join(f"{name}: {value}\r\n" for name, value in [("Host", "a"), *OPENING, *fields])
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def masked(first, payload=b"", key=bytes(4), announces=None, length=None):
    """A frame of a client, by its first byte. The usual key is zeros, so that its bytes are the payload's."""
    return unmasked(first, xor(payload, key), announces, length, 0x80, key)


def unmasked(first, payload=b"", announces=None, length=None, mask=0, key=b""):
    """A frame as servers send it. `length` bytes say how long it is, the fewest when None."""
    size = len(payload) if announces is None else announces
    if length is None:
        length = 0 if size < 126 else 2 if size < 65536 else 8
    second, extended = (size, b"") if not length else (124 + {2: 2, 8: 3}[length], size.to_bytes(length, "big"))
    return bytes([first, mask | second]) + extended + key + payload


def close_of(client):
    """The code and reason of the close frame that comes next to a client of websocket-client."""
    opcode, data = client.recv_data(control_frame=True)
    assert opcode == OPCODES["close"], (opcode, data)
    return (struct.unpack("!H", data[:2])[0] if data else None), data[2:].decode()


def xor(payload, key):
    size = len(payload)
    repeated = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


def split(data):
    """The first frame of a server in `data`, as (first byte, payload), and what is behind it; None when it has not
    come whole."""
    if len(data) < 2:
        return None
    assert data[1] < 128, "a server's frame is masked"
    size, start = data[1], 2
    if size > 125:
        start = {126: 4, 127: 10}[size]
        if len(data) < start:
            return None
        size = int.from_bytes(data[2:start], "big")
    return ((data[0], data[start:start + size]), data[start + size:]) if len(data) >= start + size else None


class Line:
    """A frame, or what a decoder says: words, and a payload."""

    def __init__(self, text):
        words, kind, rest = re.fullmatch(r"([^:=]*)([:=]?) ?(.*)", text, re.DOTALL).groups()
        self.words = words.split()
        self.payload = bytes.fromhex(rest) if kind == "=" else self._expanded(rest)

    @staticmethod
    def _expanded(text):
        found = 1
        while found:
            text, found = MACRO.subn(lambda match: match[1] * int(match[2]), text, count=1)
        return text.encode("latin-1")

    def frame(self):
        *words, kind = self.words
        if kind == "bytes":
            return self.payload
        name = kind.rstrip("+")
        first = (OPCODES[name] if name in OPCODES else int(name.removeprefix("opcode"))) | (0 if "+" in kind else 0x80)
        first |= sum(bit for bit, word in ((0x40, "rsv1"), (0x20, "rsv2"), (0x10, "rsv3")) if word in words)
        announces = int(words[words.index("announces") + 1]) if "announces" in words else None
        length = 2 if "length16" in words else 8 if "length64" in words else None
        if "unmasked" in words:
            return unmasked(first, self.payload, announces, length)
        return masked(first, self.payload, b"\x37\xfa\x21\x3d", announces, length)


class Case:
    """What a server that sends messages back does: `data` are its data frames, `control` those of the protocol."""

    def __init__(self, entry):
        self.name = entry["name"]
        lines = [Line(text) for text in entry["in"]]
        self.sent = b"".join(line.frame() for line in lines)
        self.is_cut = bool({"announces", "bytes"} & set(lines[-1].words))
        self.data, self.control, self.ends = [], [], False
        for line in map(Line, entry["want"]):
            self._expect(line.words, line.payload)

    def _expect(self, words, payload):
        if words[0] in ("text", "binary"):
            self.data.append((TEXT if words[0] == "text" else BINARY, payload))
        elif words[0] == "ping":
            self.control.append((PONG, payload))
        elif words[0] != "pong":
            self.ends = True
            code = int(words[1])
            self.control.append((CLOSE, b"" if code == 1005 else struct.pack("!H", code)))


def cases(name):
    return [Case(entry) for entry in json.loads((CORPUS / f"{name}.json").read_text())]
