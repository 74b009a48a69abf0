"""A WSGI app that answers as it was told.

`POST /plan/KEY` with a JSON list of answers; the n-th request of /case/KEY/... gets the n-th of them, and later ones
get the last. `GET /seen/KEY` tells what was asked. An answer is {"status", "fields", "body" or "base64", "parts",
"times"}."""

import base64
import json
import threading

lock = threading.Lock()
plans, seen = {}, {}


def app(environ, start_response):
    _, kind, key, *rest = environ["PATH_INFO"].split("/", 3)
    if kind == "plan":
        with lock:
            plans[key], seen[key] = json.loads(environ["wsgi.input"].read()), []
        return plain(start_response, "planned")
    if kind == "seen":
        with lock:
            return plain(start_response, json.dumps(seen[key]))
    body = environ["wsgi.input"].read()
    target = environ["PATH_INFO"] + ("?" + environ["QUERY_STRING"] if environ["QUERY_STRING"] else "")
    with lock:
        number = len(seen[key])
        seen[key].append({"request": f"{environ['REQUEST_METHOD']} {target}", "body": body.decode("latin-1"),
                          "grip": {name: told(name, value) for name, value in environ.items()
                                   if name.startswith("HTTP_GRIP_")}})
        answer = plans[key][min(number, len(plans[key]) - 1)]
    data = base64.b64decode(answer["base64"]) if "base64" in answer else answer.get("body", "").encode("latin-1")
    data, parts = data * answer.get("times", 1), answer.get("parts", 1)
    fields = [tuple(field) for field in answer["fields"]]
    if parts == 1:
        fields.append(("Content-Length", str(len(data))))
    start_response(answer.get("status", "200 OK"), fields)
    size = max(1, -(-len(data) // parts))
    return [data[at:at + size] for at in range(0, len(data), size)]


def told(name, value):
    if name in ("HTTP_GRIP_SIG", "HTTP_GRIP_FEATURE"):
        return "(present)"
    return ", ".join(sorted(part.strip() for part in value.split(",")))     # the order of channels says nothing


def plain(start_response, text):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]
