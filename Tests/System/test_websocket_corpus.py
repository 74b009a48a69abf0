"""The cases of Tests/Corpus/websocket on the wire: one server sends their messages back, many connections at a time."""

import asyncio

from support.frames import BINARY, CLASSES, CLOSE, LIMIT, TEXT, cases, masked, opening, split
from support.gateway import ROOT

APPS = ROOT / "Tests" / "System" / "asgi_apps"


def test_cases_are_answered_as_they_are_decoded(gateway):
    server = gateway("websocket_app:app", "-k", "asgi", "--pythonpath", APPS, "--ws-max-size", LIMIT)
    problems = asyncio.run(all_of([case for name in CLASSES for case in cases(name)], server.port))
    assert not problems, "\n".join(problems)


async def all_of(cases, port):
    turns = asyncio.Semaphore(50)

    async def one(case):
        async with turns:
            try:
                await asyncio.wait_for(run(case, port), 30)
            except Exception as error:
                return f"{case.name}: {error!r}"
    return [problem for problem in await asyncio.gather(*map(one, cases)) if problem]


async def run(case, port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(opening())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        writer.write(case.sent)
        frames = Frames(reader)
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

    def __init__(self, reader):
        self.reader, self.rest = reader, b""

    async def _next(self):
        """The next frame; None at the end."""
        while not (found := split(self.rest)):
            piece = await self.reader.read(1 << 20)
            if not piece:
                assert not self.rest, self.rest
                return None
            self.rest += piece
        frame, self.rest = found
        return frame

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
