"""Fields behind the body, as ASGI's extension has them. /part says them in two messages, /large behind a large body,
/without forgets them; /wrong answers with what is raised for messages that are not in order."""

LARGE = b"x" * 3_000_000


async def asgi(scope, receive, send):
    assert scope["extensions"]["http.response.trailers"] == {}
    path, wrong = scope["path"], []

    async def trailers(*fields, more=False):
        await send({"type": "http.response.trailers", "headers": list(fields), "more_trailers": more})

    async def attempt(*fields):
        try:
            await trailers(*fields)
        except (RuntimeError, ValueError) as error:
            wrong.append(f"{type(error).__name__}: {error}")

    if path == "/wrong":
        await attempt()
    await send({"type": "http.response.start", "status": 200, "trailers": path != "/plain"})
    if path in ("/wrong", "/plain"):
        await attempt()
        await send({"type": "http.response.body", "body": "\n".join(wrong).encode(), "more_body": path == "/wrong"})
        if path == "/plain":
            return
        wrong.clear()
        await send({"type": "http.response.body"})
        await attempt((b"x sum", b"1"))
        await attempt((b"x-sum", b"1\r\nx-y: 2"))
        await trailers(*((b"x-wrong", text.encode()) for text in wrong))
        return
    await send({"type": "http.response.body", "body": LARGE if path == "/large" else b"part"})
    if path != "/without":
        await trailers((b"x-sum", b"1"), (b"transfer-encoding", b"gzip"), (b"content-length", b"7"), more=True)
        await trailers((b"X-End", b"2"))
