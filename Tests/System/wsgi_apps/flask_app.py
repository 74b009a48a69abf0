"""An ordinary Flask app. Its routes cover what an application server must do correctly."""
import hashlib
import io

import flask

app = flask.Flask(__name__)
app.secret_key = "only for tests"
app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = None


@app.get("/")
def index():
    return "flask works"


@app.route("/json", methods=["GET", "POST"])
def json():
    return {"received": flask.request.get_json(silent=True), "args": flask.request.args.to_dict()}


@app.post("/form")
def form():
    return flask.jsonify(flask.request.form.to_dict())


@app.post("/upload")
def upload():
    sha, count = hashlib.sha256(), 0
    files = {name: file.read() for name, file in flask.request.files.items()}
    if files:
        for data in files.values():
            sha.update(data)
            count += len(data)
    else:
        while block := flask.request.stream.read(65536):
            sha.update(block)
            count += len(block)
    announced = flask.request.environ.get("CONTENT_LENGTH")
    return {"announced": announced, "length": count, "sha256": sha.hexdigest()}


@app.get("/download/<int:size>")
def download(size):
    def blocks():
        block, left = bytes(range(256)) * 256, size
        while left:
            piece = block[:left]
            left -= len(piece)
            yield piece
    return flask.Response(blocks(), mimetype="application/octet-stream", headers={"Content-Length": str(size)})


@app.get("/send-file")
def send_file():
    return flask.send_file(__file__, conditional=True)


@app.get("/send-memory")
def send_memory():
    return flask.send_file(io.BytesIO(b"m" * 100_000), mimetype="application/octet-stream")


@app.get("/stream/<word>")
def stream(word):
    """Reads the request between blocks. It must always get its own request, also if others stream meanwhile."""
    def blocks():
        for _ in range(int(flask.request.args["count"])):
            yield (flask.request.view_args["word"] * int(flask.request.args.get("size", "1"))) + "\n"
    return flask.Response(flask.stream_with_context(blocks()), mimetype="text/plain")


@app.get("/redirect")
def redirect():
    return flask.redirect(flask.url_for("index"))


@app.get("/count")
def count():
    flask.session["count"] = flask.session.get("count", 0) + 1
    response = flask.make_response(str(flask.session["count"]))
    response.set_cookie("plain", "value", max_age=60)
    return response


@app.get("/unicode/<name>")
def unicode(name):
    return f"h\u00e9llo {name}"


@app.get("/fail")
def fail():
    raise RuntimeError("the secret of the app")


@app.get("/external")
def external():
    return flask.url_for("index", _external=True)
