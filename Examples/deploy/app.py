"""The app that all files here serve: a page, an upload, a stream, and the path that probes ask."""

import hashlib
import time

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
# Believes what the last proxy says of the client's address and the scheme, under any server; evgateway does it without
# this line, with --proxy-headers. Leave it out where clients connect without a proxy: they could claim any address.
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)


@app.get("/")
def page():
    return "<!doctype html><title>Hello</title><p>Hello, World!\n"


@app.get("/healthz")
def healthz():
    """Says that this worker answers. It asks no database: a pod that is restarted would not mend one."""
    return "ok\n"


@app.post("/upload")
def upload():
    body = request.get_data()
    return {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}


@app.get("/ticks")
def ticks():
    """`count` events, one every `pause` seconds."""
    count, pause = request.args.get("count", 10, int), request.args.get("pause", 1.0, float)

    def events():
        for number in range(count):
            yield f"data: {number}\n\n"
            time.sleep(pause)
    return events(), {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}


@app.get("/client")
def client():
    """Who asks, as the app sees it. `port` is that of the connection to the server: the proxy's."""
    return {"address": request.remote_addr, "scheme": request.scheme, "host": request.host,
            "forwarded": request.headers.get("X-Forwarded-For"), "port": request.environ.get("REMOTE_PORT")}
