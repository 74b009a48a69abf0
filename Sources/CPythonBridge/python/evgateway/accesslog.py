"""What a logger class gets of a request that has ended: resp, req, environ and request_time, as under gunicorn.

Law: the environ is the one that the app has got, where it has got one. Nothing here is made before it is asked for.
"""
import datetime
import http

from . import requests

# By the address of the request's head: the environ of a request that runs.
environs = {}


class Received(requests.Request):
    """A request as it has come. headers: [(NAME, value)]."""

    def __init__(self, entry):
        method, uri, query, version, peer, scheme, self._fields = entry
        super().__init__(method, uri, query, version, peer, scheme)

    def read_headers(self):
        return [(name.decode("latin-1").upper(), value.decode("latin-1")) for name, value in self._fields]


class Sent:
    """A response as it has left. status is "200 OK", sent the bytes of the body."""

    version = "evgateway"
    must_close = upgrade = False
    headers_sent = True

    def __init__(self, request, status, lines, sent):
        self.req, self.status_code, self.sent = request, status, sent
        self.status = f"{status} {phrase(status)}"
        self.headers = [tuple(part.strip() for part in line.split(":", 1))
                        for line in lines.decode("latin-1").split("\r\n") if ":" in line]
        named = {name.lower(): value for name, value in self.headers}
        length = named.get("content-length", "")
        self.response_length = int(length) if length.isdigit() else None
        self.chunked = named.get("transfer-encoding", "").lower() == "chunked"


def phrase(status):
    if status == 499:
        return "Client Closed Request"
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def objects(status, sent, lines, seconds, address, port, scheme, line, head, method, target, path, query, minor,
            fields):
    """Returns (resp, req, environ, request_time). lines: the field lines of the response; line: that of the log, if its
    form is no format; head: the address of the request's; fields: [(name, value)], in bytes."""
    environ = environs.pop(head, None)
    version = (2, 0) if minor == 2 else (1, minor)
    request = Received((method, target, query, version, (address, port) if address else "", scheme, fields))
    if environ is None:
        environ = rebuilt(request, path, address, port)
    return answered(Sent(request, status, lines, sent), request, environ, seconds, line)


def refused(status, sent, lines, seconds, address, port, scheme, line, start):
    """The same for a head that was not read; start: how it began."""
    words = "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in start.decode("latin-1"))
    method, _, rest = words.partition(" ")
    target, _, protocol = rest.rpartition(" ") if rest.rpartition(" ")[2].startswith("HTTP/") else (rest, "", "")
    path, _, query = target.partition("?")
    request = Received((method, target, query, (1, 1), (address, port) if address else "", scheme, []))
    environ = rebuilt(request, path, address, port)
    environ["SERVER_PROTOCOL"] = protocol
    return answered(Sent(request, status, lines, sent), request, environ, seconds, line)


# In place of access_log_format where the server has made the line: json and logfmt are no formats of gunicorn's.
FORMAT = "%({evgateway.access_line}e)s"


class Line:
    """No str, in which loggers would escape quotation marks."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text


def answered(response, request, environ, seconds, line):
    if line:
        environ["evgateway.access_line"] = Line(line)
    return response, request, environ, datetime.timedelta(seconds=seconds)


def rebuilt(request, path, address, port):
    """Returns an environ for a request that no WSGI app has got."""
    environ = {
        "REQUEST_METHOD": request.method, "RAW_URI": request.uri, "QUERY_STRING": request.query,
        "PATH_INFO": unquoted(path), "SCRIPT_NAME": "", "SERVER_PROTOCOL": "HTTP/%d.%d" % request.version,
        "REMOTE_ADDR": address, "REMOTE_PORT": str(port) if address else "", "wsgi.url_scheme": request.scheme,
    }
    for name, value in request.headers:
        key = requests.environ_key(name)
        if "_" not in name:
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def unquoted(path):
    if "%" not in path:
        return path
    from urllib.parse import unquote_to_bytes
    return unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
