"""Writes the cases of Tests/Corpus as fuzzer inputs into a folder, each with both kinds of limits."""

import json
import re
import sys
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


folder = Path(sys.argv[1])
seeds = [expand(case["in"]) for case in json.loads((CORPUS / "heads.json").read_text())]
for case in json.loads((CORPUS / "bodies.json").read_text()):
    seeds.append((CHUNKED if case["framing"] == "chunked" else LENGTH) + expand(case["in"]) + LENGTH)
seeds += [expand(case["in"]) for case in json.loads((CORPUS / "prefaces.json").read_text())]
for number, seed in enumerate(seeds):
    for choice in b"\x40\x80", b"\x41\xc0":
        (folder / f"{number:04}-{choice[0] & 1}").write_bytes(choice + seed)
