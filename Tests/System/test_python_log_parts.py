"""Python's logging as the server's log, in the package alone: which loggers a configuration names, what a logger class
gets of a request, what is done after a fork."""

import logging
import logging.handlers
import queue
import subprocess
import sys

import pytest

from conftest import PYTHON
from support.package import FOLDER, Package

NAMES = [f"{family}.{kind}" for family in ("gunicorn", "evgateway") for kind in ("error", "access")]
SETTINGS = {"loglevel": "info", "errorlog": "-", "accesslog": None, "syslog": False, "logconfig": None,
            "logconfig_dict": {}, "logconfig_json": None, "logger_class": None, "proc_name": None,
            "access_log_format": "%(h)s %(r)s %(s)s %(b)s %({x-q}i)s %({wsgi.url_scheme}e)s %(z)s"}
READ = (200, 5, b"Content-Type: a/b\r\nContent-Length: 5\r\n", 61.25, "1.2.3.4", 9, "http", "", 77, "GET", "/a%20b?c",
        "/a%20b", "c", 1, [(b"Host", b"h"), (b"X-Q", b'1"'), (b"X_Q", b"2")])


@pytest.fixture
def package(monkeypatch):
    package = Package(monkeypatch)
    sys.modules["_evgateway"].log_environs = package.text.append
    yield package
    for name in NAMES:
        logger = logging.getLogger(name)
        for handler in logger.handlers:
            handler.close()
        logger.handlers, logger.propagate, logger.disabled, logger.filters = [], True, False, []
        logger.setLevel(logging.NOTSET)


class Kept(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


KEPT = {"kept": {"()": f"{__name__}.Kept"}}


def opened(package, **settings):
    package.configured({**SETTINGS, **settings})
    return package.values.decode(package.pylog.open(b"n"))


def configuration(*names, **more):
    return {"version": 1, "handlers": KEPT, "root": {"handlers": []},
            "loggers": {name: {"handlers": ["kept"], "level": "INFO", "propagate": False, **more} for name in names}}


def kept(name):
    handler, = logging.getLogger(name).handlers
    return [(record.name, record.levelname, record.getMessage()) for record in handler.records]


@pytest.mark.parametrize("named, name", [
    (["gunicorn.error", "gunicorn.access"], "gunicorn"), (["evgateway.error", "evgateway.access"], "evgateway"),
    (["gunicorn.error"], "gunicorn"), (["evgateway.error"], "evgateway")])
def test_either_name_leads_to_the_handlers(package, named, name):
    assert opened(package, logconfig_dict=configuration(*named)) == {"level": 20, "note": None}
    package.pylog.line(20, "of %s the server")
    logging.getLogger("gunicorn.error").warning("one")
    logging.getLogger("evgateway.error").warning("other")
    assert kept("gunicorn.error") == kept("evgateway.error") == [
        (f"{name}.error", "INFO", "of %s the server"), ("gunicorn.error", "WARNING", "one"),
        ("evgateway.error", "WARNING", "other")]


def test_both_names_get_the_lines(package):
    given = configuration("gunicorn.error", "evgateway.error")
    given["handlers"] = {"kept": KEPT["kept"], "other": KEPT["kept"]}
    given["loggers"]["evgateway.error"]["handlers"] = ["other"]
    opened(package, logconfig_dict=given)
    package.pylog.line(20, "x")
    handlers = logging.getLogger("gunicorn.error").handlers
    assert [len(handler.records) for handler in handlers] == [1, 1]


def test_parent_of_the_names(package):
    """dictConfig then makes its children propagate."""
    opened(package, logconfig_dict=configuration("gunicorn"))
    package.pylog.line(40, "x")
    assert kept("gunicorn") == [("gunicorn.error", "ERROR", "x")]
    logging.getLogger("gunicorn").handlers = []


def test_reload_changes_and_restores(package):
    opened(package, logconfig_dict=configuration("evgateway.error"))
    first = logging.getLogger("gunicorn.error").handlers[0]
    assert opened(package, logconfig_dict=configuration("evgateway.error", level="DEBUG"))["level"] == 10
    second, = logging.getLogger("gunicorn.error").handlers
    assert second is not first
    answer = opened(package, logconfig_dict={"version": 1, "handlers": {"a": {"class": "nowhere.A"}}})
    assert answer == {"setting": "logconfig_dict", "reason": "Unable to configure handler 'a': Cannot resolve "
                      "'nowhere.A': No module named 'nowhere'"}
    package.pylog.line(10, "still")
    assert kept("evgateway.error") == [("evgateway.error", "DEBUG", "still")]
    package.pylog.close(b"n")
    logging.getLogger("gunicorn.error").info("native")
    assert package.log == [(20, "native")] and package.state.logger is None


def test_record_of_a_request(package):
    opened(package, logconfig_dict=configuration("gunicorn.access"))
    package.pylog.request(READ, True)
    handler, = logging.getLogger("gunicorn.access").handlers
    record, = handler.records
    assert record.getMessage() == r'1.2.3.4 GET /a%20b?c HTTP/1.1 200 5 1\" http -'
    atoms = record.args
    assert record.msg == SETTINGS["access_log_format"] and (atoms["T"], atoms["M"], atoms["D"], atoms["L"]) == (
        61, 61250, 61250000, "61.250000")
    assert (atoms["U"], atoms["q"], atoms["m"], atoms["B"], atoms["{content-type}o"], atoms["{X-Q}i"]) == (
        "/a b", "c", "GET", 5, "a/b", '1\\"')
    assert atoms["{http_x_q}e"] == '1\\"'   # X_Q never comes to an app


def test_environ_of_the_app_is_that_of_the_record(package):
    opened(package, logconfig_dict=configuration("gunicorn.access"))
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": "/", "SERVER_PROTOCOL": "HTTP/1.1", "shop.user": "ann"}
    package.accesslog.environs[77] = environ
    package.pylog.request(READ, True)
    assert logging.getLogger("gunicorn.access").handlers[0].records[0].args["{shop.user}e"] == "ann"
    assert package.accesslog.environs == {}


@pytest.mark.parametrize("line, expected", [
    (b"GET /x y HTTP/1.1", "1.2.3.4 GET /x y HTTP/1.1 400 7 - http -"),
    (b"nothing", "1.2.3.4 nothing   400 7 - http -"),
    (b"\xff\n\x1b", r"1.2.3.4 \xff\x0a\x1b   400 7 - http -"),
    (b"", "1.2.3.4    400 7 - http -")])
def test_record_of_what_cannot_be_read(package, line, expected):
    opened(package, logconfig_dict=configuration("gunicorn.access"))
    package.pylog.request((400, 7, b"", 0.0, "1.2.3.4", 9, "http", "", line), False)
    assert kept("gunicorn.access") == [("gunicorn.access", "INFO", expected)]


def test_failing_logger_is_told_on_standard_error(package, capfd):
    opened(package, logconfig_dict=configuration("gunicorn.error"))

    class Failing:
        def __getattr__(self, name):
            raise OSError("no disk")

    package.state.logger = Failing()
    package.pylog.line(20, "words")
    package.pylog.request(READ, True)
    said = capfd.readouterr().err.splitlines()
    assert said[0] == "The logger has raised no disk; it was to log: words" and len(said) == 2


@pytest.mark.parametrize("access, accesslog, asked", [
    ("", None, False), ("", "a.log", True), ("def access(self, *arguments): pass", None, True)])
def test_requests_are_left_out_where_nobody_logs_them(package, monkeypatch, tmp_path, access, accesslog, asked):
    (tmp_path / "mine.py").write_text(
        f"import evgateway.glogging\nclass Mine(evgateway.glogging.Logger):\n    {access or 'pass'}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "level" in opened(package, logger_class="mine.Mine", accesslog=accesslog)
    assert package.values.decode(package.pylog.asks_for_requests(b"n")) is asked


def test_queue_goes_on_in_a_worker(package):
    """The listener's thread is the master's: in the worker there is none."""
    target, lines = Kept(), queue.Queue()
    handler = logging.handlers.QueueHandler(lines)
    handler.listener = logging.handlers.QueueListener(lines, target)
    handler.listener.start()
    lines.put(handler.listener._sentinel)
    handler.listener._thread.join()     # as after a fork: it does not run, and the listener does not know
    logging.getLogger("queued").addHandler(handler)
    package.pylog.worker_started()
    try:
        logging.getLogger("queued").warning("here")
        handler.listener.stop()
        assert [record.getMessage() for record in target.records] == ["here"]
    finally:
        logging.getLogger("queued").removeHandler(handler)


@pytest.mark.parametrize("address, found", [
    ("unix:///dev/log", (None, "/dev/log")), ("unix:///dev/log#dgram", (2, "/dev/log")),
    ("unix:///dev/log#stream", (None, "/dev/log")), ("udp://localhost:514", (2, ("localhost", 514))),
    ("tcp://LOGS", (1, ("logs", 514))), ("udp://[::1]:99", (2, ("::1", 99))), ("udp://", (2, ("localhost", 514)))])
def test_addresses_of_syslog_are_those_of_gunicorn(package, address, found):
    theirs = pytest.importorskip("gunicorn.glogging").parse_syslog_address(address)
    assert package.glogging.parse_syslog_address(address) == theirs == found


def test_names_of_gunicorn_are_there_only_for_configurations(tmp_path):
    """In an interpreter that does not see gunicorn."""
    program = (
        "import sys, types\n"
        f"sys.path.insert(0, {str(FOLDER)!r})\n"
        "sys.modules['_evgateway'] = types.SimpleNamespace(tell=lambda question: b's1;9')\n"
        "from evgateway import aliases\n"
        "with aliases.Allowed():\n"
        "    from gunicorn import glogging\n"
        "    from gunicorn.instrument.statsd import Statsd\n"
        "    import gunicorn.glogging as same\n"
        "assert glogging is same and issubclass(Statsd, glogging.Logger), glogging\n"
        "assert glogging.__name__ == glogging.__spec__.name == 'evgateway.glogging'\n"
        "for name in ('gunicorn.util', 'gunicorn.instrument.other'):\n"
        "    try:\n        __import__(name)\n        raise SystemExit(name)\n    except ImportError:\n        pass\n")
    done = subprocess.run([PYTHON, "-S", "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
