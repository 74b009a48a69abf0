"""PasteDeploy: apps and servers of .ini files, as pyramid's production.ini has them."""

import ast
import signal

import pytest

from support import wait

APPS = """
import logging

def factory(global_conf, **local):
    def app(environ, start_response):
        logging.getLogger("of.the.file").info("asked for %s", environ["PATH_INFO"])
        start_response("200 OK", [])
        return [repr((local["greeting"], global_conf.get("who"), environ["PATH_INFO"])).encode()]
    return app

def composite(loader, global_conf, **local):
    apps = {path: loader.get_app(name, global_conf=global_conf) for path, name in local.items()}
    def app(environ, start_response):
        return apps[environ["PATH_INFO"]](environ, start_response)
    return app

def filter(global_conf):
    return lambda app: lambda environ, start_response: [body.upper() for body in app(environ, start_response)]

def broken(global_conf):
    raise ValueError("of the app")
"""

INI = """
[DEFAULT]
who = default

[app:main]
paste.app_factory = pastes:factory
greeting = hello from %(here)s

[app:second]
use = main
greeting = second

[app:elsewhere]
use = config:sub/other.ini#there

[app:broken]
paste.app_factory = pastes:broken

[app:missing]
paste.app_factory = pastes:nothing

[composite:both]
paste.composite_factory = pastes:composite
/a = main
/b = second

[filter:upper]
paste.filter_factory = pastes:filter

[pipeline:pipe]
pipeline = upper second

[server:main]
use = call:evgateway.paste:server_factory
bind = 127.0.0.1:0, 127.0.0.1:0
workers = 2

[server:runner]
paste.server_runner = evgateway.paste:server_runner
host = 127.0.0.1
port = 0
threads = 3

[server:egg]
use = egg:evgateway#main
port = 0
workers = 2

[server:mistake]
use = call:evgateway.paste:server_factory
wrokers = 2
"""

LOGGERS = """
[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys = short

[logger_root]
level = INFO
handlers = console

[handler_console]
class = FileHandler
args = ("%(here)s/app.log",)
formatter = short

[formatter_short]
format = the app: %(message)s
"""

SERVE = """
import sys
from paste.deploy import loadapp, loadserver
uri = "config:program.ini"
server = loadserver(uri, name=sys.argv[1], relative_to=".")
server(loadapp(uri, relative_to="."))
print("after")
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pastes.py").write_text(APPS)
    (tmp_path / "program.ini").write_text(INI)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other.ini").write_text(
        "[app:there]\npaste.app_factory = pastes:factory\ngreeting = from %(here)s\n")
    return tmp_path


@pytest.fixture
def paste(gateway, folder):
    """Factory: `paste("#section", *flags)` serves an app of the file."""
    return lambda section="", *flags, **more: gateway(f"--paste=program.ini{section}", *flags, cwd=folder, **more)


def told(server, target="/"):
    return ast.literal_eval(server.get(target).body.decode())


@pytest.mark.parametrize("worker_class", ["inline", "threads", "gevent", "auto"])
def test_the_main_app(paste, folder, worker_class):
    server = paste("", "-k", worker_class, "--workers", 2)
    assert told(server, "/x") == (f"hello from {folder}", "default", "/x")
    assert "WSGI app paste:program.ini" in server.error_log()


def test_global_variables(paste):
    assert told(paste("#second", "--paste-global", "who=me"))[:2] == ("second", "me")


def test_an_app_of_another_file(paste, folder):
    assert told(paste("#elsewhere"))[0] == f"from {folder / 'sub'}"


def test_a_composite_of_two_apps(paste, folder):
    server = paste("#both")
    assert [told(server, target)[0] for target in ("/a", "/b")] == [f"hello from {folder}", "second"]


def test_a_pipeline(paste):
    assert told(paste("#pipe"))[0] == "SECOND"


def test_loggers_of_the_file(paste, folder):
    with open(folder / "program.ini", "a") as file:
        file.write(LOGGERS)
    server = paste()
    server.get("/there")
    wait.until(lambda: (folder / "app.log").read_text() == "the app: asked for /there\n", "the file of the handler")


@pytest.mark.parametrize("section, reason", [
    ("#nowhere", r"cannot load 'program.ini#nowhere': LookupError: No section 'nowhere' .*program.ini"),
    ("#missing", r"cannot load 'program.ini#missing': .*nothing.*"),
    ("x", r"no such file: program.inix"),
])
def test_mistakes_are_one_line(paste, section, reason):
    server = paste(section, "-k", "threads", wait=False)
    assert server.wait() == 3
    assert len(server.log.matches(rf"\[ERROR\] {reason}$")) == 1
    assert "Traceback" not in server.error_log()


def test_a_failure_of_the_app_has_its_traceback(paste):
    server = paste("#broken", "-k", "threads", wait=False)
    assert server.wait() == 3
    assert server.log.matches("cannot load 'program.ini#broken': ValueError: of the app$")
    assert 'pastes.py", line' in server.error_log()


@pytest.mark.parametrize("name, workers, addresses, threads", [
    ("main", 2, 2, 8), ("runner", 1, 1, 3), ("egg", 2, 1, 8)])
def test_the_server_of_a_file(program, folder, name, workers, addresses, threads):
    installed = folder / "evgateway-9.9.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: evgateway\nVersion: 9.9\n")
    (installed / "entry_points.txt").write_text("[paste.server_runner]\nmain = evgateway.paste:server_runner\n")
    server = program(SERVE, name, workers=workers)
    assert len(server.log.matches("Listening at")) == addresses and server.log.matches(f"on {threads} threads")
    assert told(server)[0] == f"hello from {folder}"
    assert server.stop(signal.SIGINT) == 0 and server.said() == ["after"]


def test_a_mistake_of_the_server_of_a_file(program, folder):
    server = program(SERVE, "mistake", workers=None)
    assert server.wait() == 1
    last = server.error_log().splitlines()[-1]
    assert last == "TypeError: serve() got an unexpected keyword argument 'wrokers'; did you mean 'workers'?"
