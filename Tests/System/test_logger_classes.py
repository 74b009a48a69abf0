"""--logger-class, with subclasses of gunicorn's and with what other packages offer."""

import json
import os
import re
from signal import SIGHUP, SIGUSR1

import pytest

from support import wait
from support.gateway import ROOT
from support.pylogs import JSON, MINE, STRUCTLOG, WSGI, listen, records, text_of, until_logged


# Logger classes

@pytest.mark.parametrize("home", [".venv", ".venv-wheel"])
@pytest.mark.parametrize("worker_class", ["inline", "threads"])
def test_subclass_of_the_logger(logs, worker_class, home):
    """Of gunicorn's, where it is installed, else of the one that stands for it."""
    format = "%(h)s %(m)s %(shop)s %({wsgi.url_scheme}e)s %({X-A}i)s %(nothing)s"
    server = logs(worker_class, f"logger_class = 'mine.Logger'\nerrorlog = 'e.log'\naccesslog = 'a.log'\n"
                   f"access_log_format = {format!r}\n", files={"mine.py": MINE}, python=ROOT / home / "bin" / "python3")
    listen(server, "e.log")
    server.get("/x%20y?q", fields=[("X-A", 'a"b')])
    text = until_logged(server, "e.log", r'\{"status"')
    assert "mine INFO Starting evgateway" in text
    told = json.loads(re.search(r"mine INFO (\{.*)", text)[1])
    assert told["status"] == "200 OK" and told["sent"] == told["length"] and told["seconds"]
    assert told["headers"]["Content-Type"] == "text/plain"
    assert told["request"] == ["GET", "/x%20y", "q", [1, 1], "/x%20y?q"] and told["fields"]["X-A"] == 'a"b'
    assert text_of(server.folder / "a.log") == '127.0.0.1 GET ann http a\\"b -\n'
    os.rename(server.folder / "a.log", server.folder / "a.log.1")
    server.signal(SIGUSR1)
    until_logged(server, "e.log", "mine INFO reopened", count=2)
    server.get("/")
    until_logged(server, "a.log", "127")


@pytest.mark.parametrize("worker_class", ["gevent", "asgi"])
def test_line_in_a_form_of_the_server(logs, worker_class):
    """The logger writes it as it is, whatever is in it."""
    server = logs(worker_class, "logger_class = 'mine.Logger'\nerrorlog = 'e.log'\naccesslog = 'a.log'\n",
                  "--access-logformat", "json", files={"mine.py": MINE})
    listen(server, "e.log")
    server.get("/a", fields=[("User-Agent", 'm"e %s \\')])
    line = json.loads(until_logged(server, "a.log", "\n"))
    assert (line["path"], line["status"], line["user_agent"]) == ("/a", 200, 'm"e %s \\')


def test_structlog(logs):
    server = logs("gevent", "logger_class = 'slog.GunicornLogger'\n", files={"slog.py": STRUCTLOG})
    listen(server, "structlog.log")
    server.get("/shop?a=b")
    server.signal(SIGHUP)   # it has no setup()
    text = until_logged(server, "structlog.log", "Worker ready", count=2)
    found = [json.loads(line) for line in text.splitlines()]
    access = next(line for line in found if line["logger"] == "gunicorn.access")
    assert (access["event"], access["method"], access["request_uri"], access["status"]) == (
        "access", "GET", "/shop?a=b", "200")
    assert any(line["event"].startswith("Listening at") and line["level"] == "info" for line in found)


JSONLOGGER = """
import logging
from pythonjsonlogger.json import JsonFormatter

class Access(JsonFormatter):
    def add_fields(self, log_record, record, message_dict):
        super().add_fields(log_record, record, message_dict)
        if record.name == "gunicorn.access":
            log_record.update(remote=record.args["h"], method=record.args["m"], path=record.args["U"],
                              status=int(record.args["s"]), agent=record.args["a"])

console = logging.StreamHandler(open("json.log", "a"))
console.setFormatter(Access("%(asctime)s %(levelname)s %(name)s %(message)s"))
logconfig_dict = {
    "version": 1, "disable_existing_loggers": False,
    "handlers": {"json": {"()": lambda: console}, "console": {"class": "logging.NullHandler"},
                 "error_console": {"class": "logging.NullHandler"}},
    "loggers": {name: {"handlers": ["json"], "level": "INFO", "propagate": False}
                for name in ("gunicorn.error", "gunicorn.access")},
}
"""


@pytest.mark.parametrize("worker_class", ["threads", "asgi"])
def test_python_json_logger(logs, worker_class):
    """A dictionary with objects in it, as only a file in Python can have it."""
    server = listen(logs(worker_class, JSONLOGGER), "json.log")
    server.get("/a?b", fields=[("User-Agent", "me")])
    until_logged(server, "json.log", '"remote"')
    line = next(line for line in records(server, "json.log") if "remote" in line)
    assert (line["remote"], line["method"], line["path"], line["status"], line["agent"]) == (
        "127.0.0.1", "GET", "/a", 200, "me")
    server.signal(SIGHUP)
    until_logged(server, "json.log", "Worker ready", count=2)
    assert not [line for line in records(server, "json.log") if line["levelname"] in ("WARNING", "ERROR")]


# What apps do with the loggers

TAKEN = """
def make():
    import logging
    from flask import Flask
    app = Flask("shop")
    app.logger.handlers = logging.getLogger("gunicorn.error").handlers
    app.logger.setLevel(logging.getLogger("gunicorn.error").level)

    @app.get("/")
    def root():
        app.logger.info("of the app in %s", "words")
        app.logger.debug("nobody sees it")
        return "x"
    return app

wsgi = make()
"""

CONFIGURATIONS = {
    "default": ("errorlog = 'e.log'\n", "e.log"),
    "logconfig": (f"logconfig_dict = {({**JSON, 'root': {'handlers': []}})!r}\n", "all.log"),
    "logger class": ("logger_class = 'mine.Logger'\nerrorlog = 'e.log'\n", "e.log"),
    "class without loggers": ("logger_class = 'slog.GunicornLogger'\nerrorlog = 'e.log'\n", "e.log"),
}


@pytest.mark.parametrize("worker_class", WSGI)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_app_that_takes_the_handlers_over(logs, worker_class, configuration):
    text, file = CONFIGURATIONS[configuration]
    server = logs(worker_class, text, files={"mine.py": MINE, "module.py": TAKEN, "slog.py": STRUCTLOG})
    listen(server, "structlog.log" if "without" in configuration else file)
    server.get("/")
    said = until_logged(server, file, "of the app in words")
    assert "nobody sees it" not in said and said.count("of the app in words") == 1
