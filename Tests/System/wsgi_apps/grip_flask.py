"""A Flask app that uses gripcontrol as its documents say. GRIP_URL comes from the environment."""

import os

from flask import Flask, request
from gripcontrol import Channel, GripPubControl, create_grip_channel_header, create_hold_response, parse_grip_uri
from gripcontrol import validate_sig

app = Flask(__name__)
proxy = parse_grip_uri(os.environ["GRIP_URL"])
publisher = GripPubControl(proxy)


@app.get("/poll")
def poll():
    channel = Channel("poll", prev_id=request.args.get("after"))
    return "nothing yet\n", {"Grip-Hold": "response", "Grip-Timeout": "20",
                             "Grip-Channel": create_grip_channel_header(channel)}


@app.get("/poll-in-json")
def poll_in_json():
    return create_hold_response("poll"), {"Content-Type": "application/grip-instruct"}


@app.get("/stream")
def stream():
    return "begins\n", {"Grip-Hold": "stream", "Grip-Channel": create_grip_channel_header("stream")}


@app.post("/say")
def say():
    text, number = f"{request.get_data(as_text=True)}\n", request.args.get("id")
    waits = "blocking" in request.args
    publisher.publish_http_response("poll", text, id=number, prev_id=request.args.get("after"), blocking=waits)
    publisher.publish_http_stream("stream", text, blocking=waits)
    return "said\n"


@app.get("/signed")
def signed():
    return {"signed": validate_sig(request.headers.get("Grip-Sig", ""), proxy.get("key", "none"))}
