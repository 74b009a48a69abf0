"""pre_request and post_request: the app with gunicorn's hooks of a request around it.

Law: an app is wrapped only where there is such a hook. What calls it sees the same kind of app.
"""
import _thread
import os

from . import arbiter, host, state


class Request:
    """What hooks see of a request; the body stays where it is."""

    body = proxy_protocol_info = None
    fragment = ""
    must_close = False

    def __init__(self, method, uri, query, version, peer, scheme):
        self.method, self.uri, self.query = method, uri, query
        self.path = uri.partition("?")[0]
        self.version = version
        self.remote_addr = self.peer_addr = peer
        self.scheme = scheme
        self.trailers = []
        self._headers = None

    @property
    def headers(self):
        """[(NAME, value)], names in upper case."""
        if self._headers is None:
            self._headers = self.read_headers()
            self._received = list(self._headers)
        return self._headers

    @property
    def is_changed(self):
        """Whether a hook has changed the headers, as the recipes for request ids do."""
        return self._headers is not None and self._headers != self._received


def version(text):
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


class WSGIRequest(Request):
    def __init__(self, environ):
        self._environ = environ
        client = environ.get("REMOTE_ADDR", "")
        super().__init__(
            environ["REQUEST_METHOD"], environ["RAW_URI"], environ["QUERY_STRING"],
            version(environ["SERVER_PROTOCOL"].partition("/")[2]),
            (client, int(environ.get("REMOTE_PORT") or 0)) if client else "", environ["wsgi.url_scheme"])

    @property
    def body(self):
        return self._environ["wsgi.input"]

    def read_headers(self):
        headers = []
        for key, value in self._environ.items():
            if key.startswith("HTTP_"):
                headers.append((key[5:].replace("_", "-"), value))
            elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
                headers.append((key.replace("_", "-"), value))
        return headers

    def change(self):
        environ = self._environ
        for name, _ in self._received:
            environ.pop(environ_key(name), None)
        for name, value in self._headers:
            key = environ_key(name)
            environ[key] = f"{environ[key]},{value}" if environ.get(key) else value


def environ_key(name):
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


class ASGIRequest(Request):
    def __init__(self, scope):
        self._scope = scope
        query = scope["query_string"].decode("latin-1")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        super().__init__(scope["method"], f"{path}?{query}" if query else path, query, version(scope["http_version"]),
                         tuple(scope["client"]) if scope.get("client") else "", scope["scheme"])
        self.path = scope["path"]   # decoded, as in gunicorn's class for ASGI

    def read_headers(self):
        return [(name.decode("latin-1").upper(), value.decode("latin-1")) for name, value in self._scope["headers"]]

    def change(self):
        self._scope["headers"] = [(name.lower().encode("latin-1"), value.encode("latin-1"))
                                  for name, value in self._headers]


class Response:
    """What hooks see of a response. status is "200 OK", None before the app has said it; sent counts the body."""

    version = "evgateway"
    must_close = upgrade = chunked = False
    response_length = None

    def __init__(self, request):
        self.req, self.cfg = request, arbiter.server.cfg
        self.status = self.status_code = None
        self.headers = []
        self.sent = 0
        self.headers_sent = False

    def begin(self, status, headers):
        self.status, self.headers = status, headers
        self.status_code = int(status[:3])
        self.response_length = next((int(value) for name, value in headers if name.lower() == "content-length"), None)
        self.chunked = (self.response_length is None and self.req.version >= (1, 1) and self.req.method != "HEAD"
                        and self.status_code not in (204, 304))


class StartResponse:
    """start_response and write(), noting what passes."""

    __slots__ = ("_start", "_response", "_write")

    def __init__(self, start, response):
        self._start, self._response, self._write = start, response, None

    def __call__(self, status, headers, exc_info=None):
        self._write = self._start(status, headers, exc_info) if exc_info else self._start(status, headers)
        self._response.begin(status, list(headers))
        return self.write

    def write(self, data):
        self._write(data)
        self._response.sent += len(data)
        self._response.headers_sent = True


class Body:
    """What a WSGI app returned; close() is the end of the request. The extension module sends a list, a tuple and a
    file of body as if the app had returned it; it iterates over this object for anything else."""

    __slots__ = ("body", "_response", "_finish")

    def __init__(self, body, response, finish):
        self.body, self._response, self._finish = body, response, finish

    def __iter__(self):
        response = self._response
        for block in self.body:
            if block:
                response.headers_sent = True
                response.sent += len(block)
            yield block

    def close(self):
        response = self._response
        try:
            if not response.sent:
                response.sent = length(self.body)
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        finally:
            response.headers_sent = response.status is not None
            self._finish()


def length(body):
    """Returns how many bytes were sent of a body that is not iterated over here."""
    if isinstance(body, (list, tuple)):
        return sum(map(len, body))
    place = body.descriptor() if isinstance(body, host.FileWrapper) else None
    return max(0, os.fstat(place[0]).st_size - place[1]) if place else 0


def wrap(app, is_asgi):
    """Returns the app with its hooks, and the class Body."""
    worker = arbiter.this_worker()
    make = wrap_asgi if is_asgi else wrap_wsgi
    wrapped = make(app, worker, state.hook("pre_request"), state.hook("post_request"))
    wrapped.__wrapped__ = app
    return wrapped, Body


def before(worker, pre, request):
    """Calls pre_request, and takes over what it has changed. As in gunicorn, the worker counts the request after that.
    """
    if pre is None:
        return
    with _lock:
        worker.asking += 1
    try:
        pre(worker, request)
    finally:
        with _lock:
            worker.asking -= 1
    if request.is_changed:
        request.change()


_lock = _thread.allocate_lock()


def after(worker, post, request, environ, response):
    if post is None:
        return
    try:
        post(worker, request, environ, response)
    except Exception:
        worker.log.exception("Exception in post_request hook")


def wrap_wsgi(app, worker, pre, post):
    def application(environ, start_response):
        request = WSGIRequest(environ)
        response = None
        try:
            before(worker, pre, request)
            if post is None:
                return app(environ, start_response)
            response = Response(request)
            body = app(environ, StartResponse(start_response, response))
        except BaseException:
            after(worker, post, request, environ, response)
            raise
        return Body(body, response, lambda: after(worker, post, request, environ, response))

    return application


def wrap_asgi(app, worker, pre, post):
    async def application(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        request = ASGIRequest(scope)
        response = None

        async def sending(message):
            if message["type"] == "http.response.start":
                headers = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
                           for name, value in message.get("headers", ())]
                response.begin(status_line(message["status"]), headers)
            await send(message)
            response.headers_sent = True
            response.sent += len(message.get("body", b""))

        try:
            before(worker, pre, request)
            if post is None:
                return await app(scope, receive, send)
            response = Response(request)
            return await app(scope, receive, sending)
        finally:
            after(worker, post, request, scope, response)

    return application


def status_line(status):
    from http import HTTPStatus
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"
