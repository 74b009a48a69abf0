"""Every case of Tests/Corpus read by httptools (llhttp) and by h11 as well.

If another parser's verdict differs from ours, the case names the reason ("differs": {"h11": "..."}). A difference
without a reason fails, and so does a reason without a difference.
"""

import json
import re
from pathlib import Path

import h11
import httptools
import pytest

CORPUS = Path(__file__).resolve().parent.parent / "Corpus"
MACRO = re.compile(r"\{\{((?:(?!\{\{|\}\}).)*)\*(\d+)\}\}", re.DOTALL)
CHUNKED = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def expand(text):
    while True:
        text, found = MACRO.subn(lambda m: m[1] * int(m[2]), text, count=1)
        if not found:
            return text.encode("latin-1")


def load(name):
    return json.loads((CORPUS / f"{name}.json").read_text())


def read_with_h11(data):
    """Returns ("ok" | "more" | "refused", method, target, body) of the first message. "more" with a method: the head is
    complete, the body is not."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    method = target = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                method, target = event.method, event.target
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return "ok", method, target, body
            else:
                return "more", method, target, body
    except h11.RemoteProtocolError:
        return "refused", method, target, body


class Recorder:
    def __init__(self):
        self.target = self.body = b""
        self.method = None
        self.complete = False

    def on_url(self, data):
        if not self.complete:
            self.target += data

    def on_headers_complete(self):
        if self.method is None:
            self.method = self.parser.get_method()

    def on_body(self, data):
        self.body += data

    def on_message_complete(self):
        self.complete = True


def read_with_httptools(data):
    recorder = Recorder()
    recorder.parser = parser = httptools.HttpRequestParser(recorder)
    verdict = None
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except (httptools.HttpParserError, httptools.HttpParserInvalidURLError):
        verdict = "refused"
    if verdict is None or recorder.complete:
        verdict = "ok" if recorder.complete else "more"
    return verdict, recorder.method, recorder.target, recorder.body


READERS = {"h11": read_with_h11, "httptools": read_with_httptools}


def explain(case, peer, ours, theirs):
    reason = case.get("differs", {}).get(peer)
    if ours == theirs:
        assert reason is None, f"{peer} does not differ, yet: {reason}"
    else:
        assert reason, f"{peer} says {theirs}, we say {ours}"


@pytest.mark.parametrize("peer", READERS)
@pytest.mark.parametrize("case", load("heads"), ids=lambda case: case["name"])
def test_heads(case, peer):
    verdict, method, target, _ = READERS[peer](expand(case["in"]))
    if method is not None:
        verdict = "ok"
    theirs = (verdict, method, target) if verdict == "ok" else (verdict,)
    want = expand(case["want"])
    if want.startswith(b"ok "):
        # Our corpus has path and query; of an absolute form only these, its end, are compared.
        _, method, target = want.split(b" ")[:3]
        if verdict == "ok" and theirs[2].lower().startswith(b"http") and target.lstrip(b"/") in theirs[2]:
            target = theirs[2]
        ours = ("ok", method, target)
    else:
        ours = ("more",) if want == b"more" else ("refused",)
    explain(case, peer, ours, theirs)


@pytest.mark.parametrize("peer", READERS)
@pytest.mark.parametrize("case", load("bodies"), ids=lambda case: case["name"])
def test_bodies(case, peer):
    head = CHUNKED
    if case["framing"].startswith("length="):
        head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %s\r\n\r\n" % case["framing"][7:].encode()
    elif case["framing"] == "none":
        head = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    verdict, _, _, body = READERS[peer](head + expand(case["in"]))
    theirs = (verdict, body) if verdict != "refused" else (verdict,)
    word, _, data = expand(case["want"]).partition(b" ")
    ours = (word.decode(), data) if word in (b"ok", b"more") else ("refused",)
    explain(case, peer, ours, theirs)
