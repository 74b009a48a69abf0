"""Servers whose log is Python's logging: apps, configurations and logger classes to start them with, and what they have
logged."""

import json
import re
import textwrap

from . import wait

WSGI = ["inline", "threads", "gevent"]
ALL = [*WSGI, "asgi"]

APP = '''
import logging, os, sys

log = logging.getLogger("gunicorn.error")

def answer(path, environ):
    environ["shop.user"] = "ann"
    if path == "/print":
        print("printed")
        os.write(2, b"written\\n")
    if path == "/log":
        log.info("the app's own %s", "words")
        logging.getLogger("evgateway.error").warning("to the other name")
        logging.getLogger("shop").warning("of the shop")
    if path == "/fail":
        raise ValueError("of the app")
    return str(os.getpid()).encode()

def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/errors":
        environ["wsgi.errors"].write("to wsgi.errors\\n")
    body = answer(environ["PATH_INFO"], environ)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    body = answer(scope["path"], {})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})
'''

# Each record as a line of JSON.
JSON = {
    "version": 1, "disable_existing_loggers": False,
    "formatters": {"json": {"()": "shoplog.Lines"}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "all.log", "formatter": "json"}},
    "root": {"level": "INFO", "handlers": ["file"]},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["file"], "propagate": False},
                "gunicorn.access": {"level": "INFO", "handlers": ["file"], "propagate": False}},
}

SHOPLOG = '''
import json, logging

class Lines(logging.Formatter):
    def format(self, record):
        atoms = record.args if isinstance(record.args, dict) else {}
        return json.dumps({
            "name": record.name, "level": record.levelname, "message": record.getMessage(), "pid": record.process,
            "error": self.formatException(record.exc_info) if record.exc_info else None,
            "atoms": {key: atoms[key] for key in ("h", "m", "r", "s", "b", "{x-a}i", "{content-type}o", "{shop.user}e")}
            if atoms else None})
'''


def write(folder, configuration, files):
    for name, text in {"gunicorn.conf.py": configuration, "module.py": APP, "shoplog.py": SHOPLOG, **files}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text))


def listen(server, file="all.log", workers=1):
    """Waits until the server says in a file that it is ready."""
    log = server.folder / file

    def ready():
        assert server.process.poll() is None, server.error_log() + text_of(log)
        return len(re.findall(r"Worker ready \(pid: \d+\)", text_of(log))) >= workers
    wait.until(ready, lambda: f"{log}: {text_of(log)}\n{server.error_log()}", timeout=60)
    host, port = re.search(r"Listening at: http://([\d.]+):(\d+)", text_of(log)).groups()
    server.address = host, int(port)
    return server


def text_of(path):
    return path.read_text() if path.exists() else ""


def records(server, file="all.log"):
    return [json.loads(line) for line in text_of(server.folder / file).splitlines()]


def until_logged(server, file, pattern, count=1):
    path = server.folder / file
    wait.until(lambda: len(re.findall(pattern, text_of(path))) >= count,
               lambda: f"{pattern!r} in {text_of(path)}\n{server.error_log()}")
    return text_of(path)


# Logger classes

MINE = """
import json
from gunicorn import glogging

class Logger(glogging.Logger):
    error_fmt = "mine %(levelname)s %(message)s"

    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["shop"] = environ.get("shop.user")
        return atoms

    def access(self, resp, req, environ, request_time):
        super().access(resp, req, environ, request_time)
        self.error_log.info("%s", json.dumps({
            "status": resp.status, "sent": resp.sent, "length": resp.response_length, "headers": dict(resp.headers),
            "request": [req.method, req.path, req.query, req.version, req.uri], "fields": dict(req.headers),
            "seconds": request_time.total_seconds() >= 0}))

    def reopen_files(self):
        super().reopen_files()
        self.info("reopened")
"""

STRUCTLOG = '''
import os
import structlog

structlog.configure(processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
                    logger_factory=structlog.WriteLoggerFactory(file=open("structlog.log", "a")))

class GunicornLogger:
    """A stripped down version of gunicorn's, as people pass it on."""

    def __init__(self, cfg):
        self._error_logger = structlog.get_logger("gunicorn.error").bind(logger="gunicorn.error")
        self._access_logger = structlog.get_logger("gunicorn.access").bind(logger="gunicorn.access")
        self.cfg = cfg

    def critical(self, msg, *args, **kwargs):
        self._error_logger.critical(msg, *args, **kwargs)

    def error(self, msg, *args, **kwargs):
        self._error_logger.error(msg, *args, **kwargs)

    def warning(self, msg, *args, **kwargs):
        self._error_logger.warning(msg, *args, **kwargs)

    def info(self, msg, *args, **kwargs):
        self._error_logger.info(msg, *args, **kwargs)

    def debug(self, msg, *args, **kwargs):
        self._error_logger.debug(msg, *args, **kwargs)

    def exception(self, msg, *args, **kwargs):
        self._error_logger.exception(msg, *args, **kwargs)

    def log(self, lvl, msg, *args, **kwargs):
        self._error_logger.log(lvl, msg, *args, **kwargs)

    def access(self, resp, req, environ, request_time):
        status = resp.status
        if isinstance(status, str):
            status = status.split(None, 1)[0]
        self._access_logger.info(
            "access", method=environ["REQUEST_METHOD"], request_uri=environ["RAW_URI"], status=status,
            response_length=getattr(resp, "sent", None),
            request_time_seconds="%d.%06d" % (request_time.seconds, request_time.microseconds), pid=f"<{os.getpid()}>")

    def reopen_files(self):
        pass    # we don't support files

    def close_on_exec(self):
        pass    # we don't support files
'''
