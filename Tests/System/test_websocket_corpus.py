"""The cases of Tests/Corpus/websocket on the wire: one server sends their messages back, many connections at a time."""

import asyncio
import zlib

import pytest

from support.frames import BINARY, CLASSES, CLOSE, COMPRESSED, LIMIT, TEXT, cases, masked, opening, split
from support.gateway import ROOT

APPS = ROOT / "Tests" / "System" / "asgi_apps"


@pytest.mark.parametrize("names, offer, flags", [(CLASSES, None, [])] + [
    ([name], "permessage-deflate; client_max_window_bits", flags) for name, flags in COMPRESSED.items()
], ids=["plain", *COMPRESSED])
def test_cases_are_answered_as_they_are_decoded(gateway, names, offer, flags):
    server = gateway("websocket_app:app", "-k", "asgi", "--pythonpath", APPS, "--ws-max-size", LIMIT, *flags)
    problems = asyncio.run(all_of([case for name in names for case in cases(name)], server.port, offer))
    assert not problems, "\n".join(problems)


async def all_of(cases, port, offer):
    turns = asyncio.Semaphore(50)

    async def one(case):
        async with turns:
            try:
                await asyncio.wait_for(run(case, port, offer), 30)
            except Exception as error:
                return f"{case.name}: {error!r}"
    return [problem for problem in await asyncio.gather(*map(one, cases)) if problem]


async def run(case, port, offer):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(opening(fields=[("Sec-WebSocket-Extensions", offer)] if offer else ()))
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 ") and (b"permessage-deflate" in answer) == (offer is not None)
        writer.write(case.sent)
        frames = Frames(reader, offer is not None, b"server_no_context_takeover" not in answer)
        if case.ends:
            data, control = await frames.until_end()
            # What the app says to earlier messages may come too late for a client that has broken the rules.
            assert data == case.data[:len(data)], data
            assert control == case.control, control
            return
        data, control = await frames.take(len(case.data) + len(case.control))
        assert (data, control) == (case.data, case.control)
        if not case.is_cut:
            writer.write(masked(CLOSE, b"\x03\xe8"))
            assert await frames.until_end() == ([], [(CLOSE, b"\x03\xe8")])
    finally:
        writer.transport.abort()


class Frames:
    """What the server sends, apart: messages of the app, and answers of the protocol."""

    def __init__(self, reader, may_be_compressed, keeps_context):
        self.reader, self.rest = reader, b""
        self.may_be_compressed, self.keeps_context = may_be_compressed, keeps_context
        self.inflater = zlib.decompressobj(-15)

    async def _next(self):
        """The next frame; None at the end."""
        while not (found := split(self.rest)):
            piece = await self.reader.read(1 << 20)
            if not piece:
                assert not self.rest, self.rest
                return None
            self.rest += piece
        (first, payload), self.rest = found
        return self._inflated(first, payload) if first & 0x40 else (first, payload)

    def _inflated(self, first, payload):
        assert self.may_be_compressed and first & 0xbf in (TEXT, BINARY)
        if not self.keeps_context:
            self.inflater = zlib.decompressobj(-15)
        return first & ~0x40, self.inflater.decompress(payload + b"\0\0\xff\xff")

    async def _collect(self, count):
        data, control = [], []
        while count is None or len(data) + len(control) < count:
            frame = await self._next()
            if frame is None:
                assert count is None, (data, control)
                break
            (data if frame[0] in (TEXT, BINARY) else control).append(frame)
        return data, control

    async def take(self, count):
        return await self._collect(count)

    async def until_end(self):
        return await self._collect(None)
