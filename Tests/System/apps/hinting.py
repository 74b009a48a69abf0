"""What an app does with early hints, as `wsgi` and as `asgi`. The path says what it sends before its response."""

kept = []


def wsgi(environ, start_response):
    hint, path = environ["wsgi.early_hints"], environ["PATH_INFO"]
    answer = b"fine"
    if path == "/two":
        hint([("Link", "</a.css>; rel=preload"), (b"Link", b"</b.js>")])
        hint((("X-More", "\xe9"), ("Content-Length", "7"), ("Date", "now")))
    elif path == "/bad":
        found = []
        for fields in ([("Link", "a\r\nX: y")], [("Li nk", "a")], [("Link", 1)], [("Link",)], 3,
                       [("Transfer-Encoding", "chunked")]):
            try:
                hint(fields)
            except (TypeError, ValueError) as error:
                found.append(type(error).__name__)
        answer = " ".join(found).encode()
    elif path == "/kept":
        for earlier in kept:
            earlier([("Link", "</late>")])
        kept.append(hint)
    elif path == "/late":
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"begun ")
        hint([("Link", "</late>")])
        return [answer]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer]


async def asgi(scope, receive, send):
    assert scope["extensions"]["http.response.early_hint"] == {}
    path, answer = scope["path"], b"fine"

    async def hint(*links):
        await send({"type": "http.response.early_hint", "links": links})

    if path == "/two":
        await hint(b"</a.css>; rel=preload", b"</b.js>")
        await hint(b"</c>")
    elif path == "/bad":
        found = []
        for message in ({"links": [b"a\r\nX: y"]}, {"links": ["text"]}, {"links": 3}, {}):
            try:
                await send({"type": "http.response.early_hint", **message})
            except (KeyError, TypeError, ValueError) as error:
                found.append(type(error).__name__)
        answer = " ".join(found).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    if path == "/late":
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        await hint(b"</late>")
    await send({"type": "http.response.body", "body": answer})
