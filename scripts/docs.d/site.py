"""The documentation's archive as a site, a WSGI app: `scripts/docs --serve` serves it."""

import mimetypes
import os
import pathlib
import posixpath

ARCHIVE = pathlib.Path(os.environ["EVGATEWAY_DOCS"]).resolve()
START = "/documentation/evgateway"


def app(environ, start_response):
    asked = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    path = posixpath.normpath("/" + asked.lstrip("/"))
    if path == "/":
        start_response("302 Found", [("Location", START), ("Content-Length", "0")])
        return []
    file = ARCHIVE / path.lstrip("/")
    if path.startswith(("/documentation/", "/tutorials/")):
        file = ARCHIVE / "index.html"   # one page, which reads the data of each article
    if not file.is_file() or ARCHIVE not in file.resolve().parents:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"Not found\n"]
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(file.stat().st_size))])
    return environ["wsgi.file_wrapper"](file.open("rb"))
