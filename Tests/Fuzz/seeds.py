"""Writes the cases of Tests/Corpus as fuzzer inputs into a folder, each with both kinds of limits."""

import json
import re
import sys
import zlib
from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent / "Corpus"
MACRO = re.compile(r"\{\{((?:(?!\{\{|\}\}).)*)\*(\d+)\}\}", re.DOTALL)
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"


def expand(text):
    found = 1
    while found:
        text, found = MACRO.subn(lambda m: m[1] * int(m[2]), text, count=1)
    return text.encode("latin-1")


def frame(first, payload=b""):
    """A WebSocket frame of a client, whose masking key is zeros."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([first]) + length + bytes(4) + payload


folder = Path(sys.argv[1])
seeds = [expand(case["in"]) for case in json.loads((CORPUS / "heads.json").read_text())]
for case in json.loads((CORPUS / "bodies.json").read_text()):
    seeds.append((CHUNKED if case["framing"] == "chunked" else LENGTH) + expand(case["in"]) + LENGTH)
for name in "prefaces", "uwsgi", "scgi", "fastcgi":
    seeds += [expand(case["in"]) for case in json.loads((CORPUS / f"{name}.json").read_text())]
seeds += [
    b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    frame(0x01, b"caf\xc3") + frame(0x89, b"?") + frame(0x80, b"\xa9"),
    frame(0x82, bytes(150)), frame(0xc2, b"x") + frame(0x8a), frame(0x88, b"\x03\xe8bye"), frame(0x88),
    frame(0x02, bytes(126)) + frame(0x80, bytes(126)),
]
# RFC 7692 section 7.2.3: payloads, and frames of them
payloads = [bytes.fromhex(text) for text in (
    "f248cdc9c90700", "000500faff48656c6c6f00", "f348cdc9c9070000", "f24805000000ffffcac9c90700", "00")]
seeds += payloads + [frame(0xc1, payload) for payload in payloads] + [zlib.compress(bytes(5000), wbits=-15) + b"\0"]
# Frames of HTTP/2: a request with a body and trailers, a section in two frames, a ping, windows, a reset, a priority
request = b"\x83\x86\x84\x41\x01a\x00\x06cookie\x03a=b\x00\x06cookie\x01c"


def h2(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


seeds += [
    h2(1, 4, 1, request) + h2(0, 8, 1, b"\x02abc\0\0") + h2(1, 5, 1, b"\x00\x01x\x01y"),
    h2(1, 0x29, 3, b"\x01\0\0\0\1\x10" + request[:5] + b"\0") + h2(9, 4, 3, request[5:]) + h2(6, 0, 0, bytes(8)),
    h2(1, 5, 5, b"\x82\x86\x84\x41\x01a") + h2(8, 0, 5, b"\0\0\0\x09") + h2(3, 0, 5, b"\0\0\0\x08"),
    h2(4, 0, 0, b"\0\4\0\1\0\0") + h2(16, 0, 0, b"\0\0\0\7u=1,i") + h2(1, 5, 7, b"\x82\x87\x84\x41\x01a\xbe"),
]
for case in json.loads((CORPUS / "grip-instructions.json").read_text()):
    seeds += [expand(case["lines"])] + ([expand(case["body"])] if "body" in case else [])
seeds += [expand(case["in"]) for case in json.loads((CORPUS / "grip-items.json").read_text())]
for number, seed in enumerate(seeds):
    for choice in b"\x40\x80", b"\x41\xc0":
        (folder / f"{number:04}-{choice[0] & 1}").write_bytes(choice + seed)
