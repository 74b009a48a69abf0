"""Python's logging as the log of the server: --log-config and its relatives, reload, and mistakes in them."""

import json
import re
from signal import SIGHUP

import pytest

from conftest import PYTHON
from support.pylogs import ALL, APP, JSON, listen, records, text_of, until_logged
from support.settings import run


@pytest.mark.parametrize("worker_class", ALL)
def test_all_of_the_log_goes_through_one_configuration(logs, worker_class):
    server = listen(logs(worker_class, f"logconfig_dict = {JSON!r}\n", "--workers", "2"), workers=2)
    assert server.get("/a%20b?q=1", fields=[("X-A", "b")]).status == 200
    server.get("/log")
    assert server.get("/fail").status == 500
    until_logged(server, "all.log", r'"r": "GET /fail')
    assert server.stop() == 0
    found = records(server)
    assert not server.error_log(), server.error_log()
    lines = {(record["name"], record["level"], record["message"]) for record in found}
    by_master = {message for name, level, message in lines if name == "gunicorn.error" and level == "INFO"}
    assert any(message.startswith("Starting evgateway") for message in by_master)
    assert any(message.startswith("Shutting down: Master") for message in by_master)
    assert {record["pid"] for record in found if record["message"].startswith("Worker ready")} == {
        int(re.search(r"pid: (\d+)", record["message"])[1]) for record in found
        if record["message"].startswith("Worker ready")}
    assert {("gunicorn.error", "INFO", "the app's own words"), ("shop", "WARNING", "of the shop"),
            ("evgateway.error", "WARNING", "to the other name")} <= lines
    failed = next(record for record in found if record["error"])
    assert failed["level"] == "ERROR" and "ValueError: of the app" in failed["error"]
    assert failed["message"].startswith("Error handling request GET /fail")
    # Each worker writes its own in order.
    access = sorted((record for record in found if record["name"] == "gunicorn.access"),
                    key=lambda record: record["atoms"]["r"])
    assert [record["atoms"]["s"] for record in access] == ["200", "500", "200"]
    first = access[0]
    line = r'127\.0\.0\.1 - - \[.+\] "GET /a%20b\?q=1 HTTP/1\.1" 200 \d+ "-" "-"$'
    assert first["level"] == "INFO" and re.match(line, first["message"])
    atoms = first["atoms"]
    assert (atoms["h"], atoms["m"], atoms["{x-a}i"], atoms["{content-type}o"]) == (
        "127.0.0.1", "GET", "b", "text/plain")
    assert atoms["{shop.user}e"] == ("-" if worker_class == "asgi" else "ann")


@pytest.mark.parametrize("worker_class", ["threads", "gevent"])
def test_every_answer_is_a_record(logs, worker_class):
    """Also those that the app has nothing to do with."""
    server = listen(logs(worker_class, f"logconfig_dict = {JSON!r}\n", "--limit-request-line", "100"))
    with server.connect() as wire:
        assert wire.send(b"GET / HTTP/1.1\r\nno colon\r\n\r\n").read().status == 400
    with server.connect() as wire:
        assert wire.send(b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nHost: a\r\n\r\n").read().status == 414
    for _ in range(50):
        assert server.get("/").status == 200
    server.stop()
    statuses = [record["atoms"]["s"] for record in records(server) if record["name"] == "gunicorn.access"]
    assert statuses == ["400", "414", *["200"] * 50]


COUNTS = """
import sys
from evgateway import logqueue

calls, drain = [], logqueue.drain
logqueue.drain = lambda: calls.append(drain())

def told():
    return f"{len(calls)} {'evgateway.pylog' in sys.modules}".encode()

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [told()]

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told()})
"""


@pytest.mark.parametrize("worker_class", ALL)
def test_without_a_configuration_no_request_calls_python_for_a_log(logs, worker_class):
    files = {"module.py": COUNTS}
    server = listen(logs(worker_class, "errorlog = 'e.log'\naccesslog = 'a.log'\n", "--lifespan", "off", files=files),
                    "e.log")
    answers = {server.get("/").body for _ in range(20)}
    assert answers == {b"0 False"} and text_of(server.folder / "a.log").count("GET /") >= 19


INI = """
[loggers]
keys = root, error, access
[handlers]
keys = file
[formatters]
keys = plain
[logger_root]
level = INFO
handlers = file
[logger_error]
level = DEBUG
handlers = file
qualname = %s.error
propagate = 0
[logger_access]
level = INFO
handlers = file
qualname = %s.access
propagate = 0
[handler_file]
class = FileHandler
formatter = plain
args = ("%%(here)s/ini.log",)
[formatter_plain]
format = %%(name)s|%%(levelname)s|%%(message)s
"""


@pytest.mark.parametrize("family", ["gunicorn", "evgateway"])
def test_ini_file_names_either_family(logs, family):
    server = listen(logs("threads", "", "--log-config", "conf/log.ini", files={"conf/log.ini": INI % (family, family)}),
                    "conf/ini.log")
    server.get("/log")
    text = until_logged(server, "conf/ini.log", r"access\|INFO\|127")
    assert f"{family}.error|INFO|Listening at" in text and f"{family}.access|INFO|127.0.0.1" in text
    assert "gunicorn.error|INFO|the app's own words" in text and "evgateway.error|WARNING|to the other name" in text
    server.signal(SIGHUP)
    until_logged(server, "conf/ini.log", rf"{family}\.error\|INFO\|Worker ready", count=2)


# Reload

def test_reload_takes_another_configuration(logs):
    server = listen(logs("threads", "errorlog = 'e.log'\naccesslog = 'a.log'\n"), "e.log")
    server.get("/")
    until_logged(server, "a.log", "GET /")

    def reload(text, file, count=1):
        (server.folder / "gunicorn.conf.py").write_text(text)
        server.signal(SIGHUP)
        until_logged(server, file, r"Worker exiting", count)     # the one of before answers no more

    reload(f"logconfig_dict = {JSON!r}\n", "all.log")
    server.get("/log")
    until_logged(server, "all.log", r'"name": "gunicorn.access"')
    assert text_of(server.folder / "a.log").count("\n") == 1
    changed = {**JSON, "handlers": {"file": {**JSON["handlers"]["file"], "filename": "new.log"}}}
    reload(f"logconfig_dict = {changed!r}\n", "new.log")
    broken = {**JSON, "handlers": {"file": {"class": "nowhere.Handler"}}}
    (server.folder / "gunicorn.conf.py").write_text(f"logconfig_dict = {broken!r}\n")
    server.signal(SIGHUP)
    until_logged(server, "new.log", r"Unable to configure handler 'file'.*goes on with the configuration of before")
    until_logged(server, "new.log", "Worker exiting", 2)
    (server.folder / "gunicorn.conf.py").write_text("logconfig = 'missing.ini'\n")
    server.signal(SIGHUP)
    until_logged(server, "new.log", r"Reload refused: .*log config 'missing.ini' not found")
    reload("errorlog = 'e.log'\naccesslog = 'a.log'\n", "e.log")
    server.get("/")
    until_logged(server, "a.log", "GET /", 2)


# Mistakes

@pytest.mark.parametrize("configuration, said", [
    ("logger_class = 'nowhere.Logger'", "gunicorn.conf.py:1: logger_class: 'nowhere.Logger' cannot be imported: No "
                                        "module named 'nowhere'"),
    ("logger_class = 'logging.Nothing'", "gunicorn.conf.py:1: logger_class: 'logging.Nothing' cannot be imported: "
                                         "module 'logging' has no attribute 'Nothing'"),
    ("logconfig = 'missing.ini'", "gunicorn.conf.py:1: logconfig: Error: log config 'missing.ini' not found"),
    ("logconfig = 'broken.ini'", "gunicorn.conf.py:1: logconfig: broken.ini: there is no section [loggers]"),
    ("logconfig_json = 'broken.json'", "gunicorn.conf.py:1: logconfig_json: broken.json: Expecting value: line 1"),
    ("logconfig_dict = {'version': 2}", "gunicorn.conf.py:1: logconfig_dict: Unsupported version: 2"),
    ("logconfig_dict = 'text'", "gunicorn.conf.py:1: logconfig_dict: 'text' is not a table"),
])
def test_mistakes_are_one_line(logs, configuration, said):
    server = logs("threads", configuration + "\n", files={"broken.ini": "[a]\n", "broken.json": "nothing"})
    assert server.wait() == 1
    assert server.error_log().startswith(f"evgateway: {said}") and "\n" not in server.error_log()


def test_missing_json_is_no_mistake(logs):
    """As under gunicorn; but it is said."""
    server = logs("threads", "errorlog = 'e.log'\n", "--log-config-json", "missing.json")
    listen(server, "e.log")
    assert "[WARNING] --log-config-json: there is no file 'missing.json'" in text_of(server.folder / "e.log")


def test_swift_app_is_told(gateway, example, tmp_path):
    server = gateway(example("hello"), "--log-config", "log.ini", "--logger-class", "a.B", "--capture-output",
                     "--error-logfile", tmp_path / "e.log", cwd=tmp_path, wait=False)
    server.folder = tmp_path
    listen(server, "e.log")
    text = text_of(tmp_path / "e.log")
    for flag in ("--log-config", "--logger-class"):
        assert f"{flag} has no effect: it is about Python's logging, and this app is in Swift" in text
    assert server.get("/").status == 200 and "capture" not in text


def test_check_config_reads_the_configuration(logs, tmp_path):
    (tmp_path / "module.py").write_text(APP)
    result = run("--check-config", "--python", PYTHON, "--log-config", "missing.ini", "module:wsgi", cwd=tmp_path)
    assert result.returncode == 1 and result.stderr.startswith(
        "evgateway: --log-config: Error: log config 'missing.ini' not found")
