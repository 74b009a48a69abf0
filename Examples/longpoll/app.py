"""A chat over long polls: GET /messages waits until somebody says something, POST /messages says it.

Served by `start`, or with nothing but memory by: evgateway Examples/longpoll/app.py. A client asks again with the last
id it has seen, so that no lost connection and no lost worker costs it a message. The app looks like any Flask app
because evgateway's class gevent makes each wait a greenlet's: thousands of them fit into one worker.
"""

import os
import pathlib

from flask import Flask, jsonify, request, send_file
from redis_room import RedisRoom
from room import Room, Unavailable
from werkzeug.exceptions import HTTPException

PAGE = pathlib.Path(__file__).resolve().parent / "page" / "index.html"
HOLD = float(os.environ.get("CHAT_HOLD", "25"))  # seconds; the proxy in front must be more patient than this
REDIS_URL = os.environ.get("REDIS_URL")

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 16_384
# The worker's subscription begins when the module is imported: not with --preload, which imports it in the master.
room = RedisRoom(REDIS_URL) if REDIS_URL else Room()


@app.get("/")
def page():
    return send_file(PAGE, mimetype="text/html", max_age=60)


@app.get("/messages")
def receive():
    """{"last": ID, "messages": [{"id", "name", "text"}, ...]}: what came after `after`, or the newest without it."""
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
    except RecursionError:  # a body of nothing but brackets
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
    if not room.connected:
        return "the subscription is down", 503
    return "ok"


def is_text(value, most):
    """A string of 1 to `most` code points; half of a surrogate pair is none, and could not be sent on."""
    return isinstance(value, str) and 1 <= len(value) <= most and not any("\ud800" <= c <= "\udfff" for c in value)


@app.after_request
def never_stored(response):
    if request.path != "/":
        response.headers["Cache-Control"] = "no-store"
    return response


@app.errorhandler(HTTPException)
def refused(error):
    """Werkzeug's own errors, 413 and 404 among them, in JSON as the others are."""
    response = error.get_response()
    response.data, response.content_type = jsonify(error=error.description).data, "application/json"
    return response


@app.errorhandler(Unavailable)
def unavailable(error):
    return jsonify(error=str(error)), 503, {"Retry-After": "1"}
