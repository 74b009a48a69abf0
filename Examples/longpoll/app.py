"""A chat over long polls: GET /messages waits until somebody says something, POST /messages says it.

`start` runs the whole service. Without a proxy, run it with: evgateway Examples/longpoll/app.py. A client asks again
with the last id that it has seen, so it gets every message, also after a lost connection or the death of a worker. The
app is written like any Flask app, because in evgateway's class gevent only a greenlet waits: one worker has room for
thousands.
"""

import os
import pathlib

from evgateway import leaving
from flask import Flask, jsonify, request, send_file
from room import Room, Unavailable
from shared_room import SharedRoom
from werkzeug.exceptions import HTTPException

PAGE = pathlib.Path(__file__).resolve().parent / "page" / "index.html"
HOLD = float(os.environ.get("CHAT_HOLD", "25"))  # seconds that an answer is held; the proxy in front must wait longer
FILE = os.environ.get("CHAT_FILE")  # where several workers keep their messages

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 16_384
# The worker subscribes when this module is imported. So do not use --preload, which imports it in the master.
room = SharedRoom(FILE) if FILE else Room()
# A reload or a stop need not wait for the holds: the client asks again, and the next worker answers.
leaving.on_leave(room.end)


@app.get("/")
def page():
    return send_file(PAGE, mimetype="text/html", max_age=60)


@app.get("/messages")
def receive():
    """Answers with {"last": ID, "messages": [{"id", "name", "text"}, ...]}: the messages after the id `after`, or the
    newest ones if there is no `after`."""
    after = request.args.get("after")
    if after is None:
        last, messages = room.newest()
    elif after.isascii() and after.isdecimal() and len(after) <= 18:
        last, messages = room.wait(int(after), HOLD)
    else:
        return jsonify(error="after is not an id"), 400
    return jsonify(last=last, messages=messages)


@app.post("/messages")
def send():
    try:
        message = request.get_json(force=True)
    except RecursionError:  # for example a body of many opening brackets
        message = None
    if not isinstance(message, dict):
        return jsonify(error="an object with name and text is wanted"), 400
    name, text = message.get("name"), message.get("text")
    if not is_text(name, 40):
        return jsonify(error="name: 1 to 40 characters"), 400
    if not is_text(text, 2000):
        return jsonify(error="text: 1 to 2000 characters"), 400
    return jsonify(id=room.publish(name, text)), 201


@app.get("/health")
def health():
    return "ok"


def is_text(value, most):
    """Returns True for a string of 1 to `most` code points without lone surrogates, which UTF-8 cannot encode."""
    return isinstance(value, str) and 1 <= len(value) <= most and not any("\ud800" <= c <= "\udfff" for c in value)


@app.after_request
def never_stored(response):
    if request.path != "/":
        response.headers["Cache-Control"] = "no-store"
    return response


@app.errorhandler(HTTPException)
def refused(error):
    """Answers Werkzeug's own errors, such as 404 and 413, in JSON like all others."""
    response = error.get_response()
    response.data, response.content_type = jsonify(error=error.description).data, "application/json"
    return response


@app.errorhandler(Unavailable)
def unavailable(error):
    return jsonify(error=str(error)), 503, {"Retry-After": "1"}
