"""An app in Flask whose answers are instructions (GRIP) for what is before it: `/poll` is answered by what is published
on the channel `all`, `/stream` is sent all of it. As ASGI the same without a framework."""

from flask import Flask

import hello

app = Flask(__name__)
TEXT = {"Content-Type": "text/plain"}
POLL = {**TEXT, "Grip-Hold": "response", "Grip-Channel": "all", "Grip-Timeout": "86400"}
STREAM = {**TEXT, "Grip-Hold": "stream", "Grip-Channel": "all"}


@app.get("/")
def fast():
    return hello.BODY[0], TEXT


@app.get("/poll")
def poll():
    return "", POLL


@app.get("/stream")
def stream():
    return "begun\n", STREAM


_answers = {"/poll": (b"", POLL), "/stream": (b"begun\n", STREAM)}


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    if scope["path"] not in _answers:
        return await hello.asgi(scope, receive, send)
    body, fields = _answers[scope["path"]]
    await send({"type": "http.response.start", "status": 200,
                "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()]})
    await send({"type": "http.response.body", "body": body})
