"""Files of Python's logging: opened again after a rotation; and --capture-output."""

import os
from signal import SIGHUP, SIGUSR1

import pytest

from support import wait
from support.pylogs import ALL, APP, JSON, listen, text_of, until_logged


# Files

ROTATED = {**JSON, "handlers": {"file": {
    "class": "logging.handlers.TimedRotatingFileHandler", "filename": "all.log", "when": "midnight",
    "formatter": "json"}}}


def test_files_are_reopened(logs):
    """The files of the configuration, and those of the app's own loggers, in the master and in workers."""
    server = listen(logs("gevent", f"logconfig_dict = {ROTATED!r}\n"))
    server.get("/log")
    until_logged(server, "all.log", "to the other name")
    os.rename(server.folder / "all.log", server.folder / "old.log")
    server.signal(SIGUSR1)
    wait.until(lambda: server.get("/log").status == 200 and "shop" in text_of(server.folder / "all.log"),
               "the worker has the new file")
    assert server.stop() == 0
    assert "Shutting down: Master" in text_of(server.folder / "all.log")
    assert "Shutting down: Master" not in text_of(server.folder / "old.log")


@pytest.mark.parametrize("worker_class", ALL)
def test_files_of_the_app_are_reopened_without_a_configuration(logs, worker_class):
    own = "import logging\nlogging.getLogger('shop').addHandler(logging.FileHandler('own.log'))\n"
    server = listen(logs(worker_class, "errorlog = 'e.log'\n", files={"module.py": own + APP}), "e.log")
    server.get("/log")
    until_logged(server, "own.log", "of the shop")
    os.rename(server.folder / "own.log", server.folder / "own.log.1")
    server.signal(SIGUSR1)
    wait.until(lambda: server.get("/log").status == 200 and text_of(server.folder / "own.log"), "it is opened again")


@pytest.mark.parametrize("worker_class", ["threads", "asgi"])
def test_captured_output(logs, worker_class):
    server = listen(logs(worker_class, "errorlog = 'error.log'\n", "--capture-output"), "error.log")
    server.get("/print")
    text = until_logged(server, "error.log", r"(?s)(?=.*printed\n)(?=.*written\n)")
    os.rename(server.folder / "error.log", server.folder / "error.log.1")
    server.signal(SIGUSR1)
    wait.until(lambda: server.get("/print").status == 200 and "printed" in text_of(server.folder / "error.log"),
               "what is printed is in the new file")
    assert not server.output.text() and not server.error_log()
    (server.folder / "gunicorn.conf.py").write_text("errorlog = 'other.log'\n")
    server.signal(SIGHUP)
    until_logged(server, "other.log", "Worker exiting")
    server.get("/print")
    until_logged(server, "other.log", "printed\n")
    assert text.count("Worker ready") == 1


def test_captured_output_with_a_configuration(logs):
    server = listen(logs("threads", f"logconfig_dict = {JSON!r}\nerrorlog = 'error.log'\ncapture_output = True\n"))
    server.get("/print")
    text = until_logged(server, "error.log", r"(?s)(?=.*printed\n)(?=.*written\n)")
    assert "Listening" not in text and '"message": "Listening' in text_of(server.folder / "all.log")
