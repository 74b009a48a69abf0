"""Configuration files in Python, read by the package alone: values and their lines, mistakes, failures, hooks."""

import sys

import pytest

from support.package import Package


@pytest.fixture
def package(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return Package(monkeypatch)


def write(text, name="gunicorn.conf.py"):
    with open(name, "w") as file:
        file.write(text)
    return name


def test_values_and_lines(package):
    answer = package.read(write(
        "import pathlib, ssl\n"
        "bind = ['127.0.0.1:1', 'unix:/tmp/é']\n"
        "workers = 1\n"
        "if workers:\n"
        "    workers = 2 * 3\n"
        "timeout = 1.5\n"
        "reload = True\n"
        "(threads, keepalive) = 4, ssl.CERT_REQUIRED\n"
        "accesslog = pathlib.Path('/tmp/a')\n"
        "logconfig_dict = dict(version=1, nothing=None, inner={'a': ('b',)})\n"
        "class Special: pass\n"
        "worker_class = Special\n"))
    assert answer["settings"] == [
        ["bind", ["127.0.0.1:1", "unix:/tmp/é"], 2], ["workers", 6, 5], ["timeout", 1.5, 6], ["reload", True, 7],
        ["threads", 4, 8], ["keepalive", 2, 8], ["accesslog", "/tmp/a", 9],
        ["logconfig_dict", {"version": 1, "nothing": None, "inner": {"a": ["b"]}}, 10],
        ["worker_class", "__config__.Special", 12]]


def test_star_import_has_no_line(package):
    write("workers = 3\n", "base.py")
    assert package.read(write("from base import *\n"))["settings"] == [["workers", 3, None]]


def test_file_is_the_module_config(package):
    name = write("import sys\nassert sys.modules[__name__].__file__ == __file__\nbind = __name__ + '|' + __file__\n")
    (_, value, _), = package.read(f"file:{name}")["settings"]
    assert value.startswith("__config__|/") and value.endswith(f"/{name}")
    assert sys.modules["__config__"].bind == value


@pytest.mark.parametrize("text", [
    "Workers_ = 1\nTIME_OUT = 3\n_timeout = 4\n", "helper = 3\nname = 'x'\n", "import threading as timeou\n",
    "def time_out(): pass\n", "class time_out: pass\n", "import os as reload\n", "env = 'production'\n",
])
def test_what_is_no_setting_is_left_alone(package, text):
    assert package.read(write(text)) == {"settings": []}


def test_helper_beside_the_setting_that_it_resembles(package):
    answer = package.read(write("log_level = 'INFO'\nloglevel = log_level.lower()\nworker = 2\nworkers = worker\n"))
    assert answer["settings"] == [["loglevel", "info", 2], ["workers", 2, 4]]


@pytest.mark.parametrize("text, reason", [
    ("x = 1\n\ntime_out = 3\n", "gunicorn.conf.py:3: no setting 'time_out'; did you mean 'timeout'?"),
    ("wrokers = 3\n", "gunicorn.conf.py:1: no setting 'wrokers'; did you mean 'workers'?"),
    ("access_logfile = '-'\n", "gunicorn.conf.py:1: no setting 'access_logfile'; did you mean 'accesslog'?"),
    ("env = ['A=1']\n", "gunicorn.conf.py:1: no setting 'env'; did you mean 'raw_env'?"),
    ("workers = object()\n",
     "gunicorn.conf.py:1: workers: a value of type 'object' is no text, number, list or dict"),
    ("\ndef post_fork(server): pass\n",
     "gunicorn.conf.py:2: the hook 'post_fork' must take 2 arguments: server, worker"),
    ("when_ready = 5\n", "gunicorn.conf.py:1: the hook 'when_ready' is not callable, it is an int"),
    ("def post_request(worker): pass\n",
     "gunicorn.conf.py:1: the hook 'post_request' must take 4 arguments: worker, req, environ, resp"),
    ("when_ready = 'nope.hook'\n", "gunicorn.conf.py:1: the hook 'when_ready' is 'nope.hook', which cannot be "
                                  "imported: No module named 'nope'"),
])
def test_mistakes(package, text, reason):
    assert package.read(write(text)) == {"reason": reason, "details": None}


@pytest.mark.parametrize("text, reason", [
    ("a = 1\nraise SystemExit(2)\n", "gunicorn.conf.py:2: SystemExit: 2"),
    ("def f():\n    return 1 / 0\n\nf()\n", "gunicorn.conf.py:2: ZeroDivisionError: division by zero"),
    ("import nothing_like_it\n", "gunicorn.conf.py:1: ModuleNotFoundError: No module named 'nothing_like_it'"),
    ("a = 1\nb = = 2\n", "gunicorn.conf.py:2: SyntaxError: invalid syntax"),
])
def test_failures_have_a_line_and_a_traceback_of_the_file(package, text, reason):
    answer = package.read(write(text))
    assert answer["reason"] == reason
    frames = [line for line in answer["details"].splitlines() if line.startswith("  File")]
    assert frames and all("gunicorn.conf.py" in line for line in frames)


def test_files_that_cannot_be_read(package):
    assert package.read("nope.py")["reason"] == "nope.py: No such file or directory"
    assert package.read(".")["reason"] == ".: Is a directory"
    assert package.read("python:nope.conf")["reason"] == "python:nope.conf: no module named 'nope'"


def test_each_reading_is_anew(package):
    name = write("workers = 1\n")
    package.read(name)
    first = sys.modules["__config__"]
    assert package.read(write("threads = 2\n"))["settings"] == [["threads", 2, 1]]
    assert sys.modules["__config__"] is not first
    package.read(write("1 / 0\n"))
    assert not hasattr(sys.modules["__config__"], "workers") and sys.modules["__config__"].threads == 2


def test_python_modules_are_read_anew(package, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    write("workers = 1\nthreads = 1\n", "conf_of_test.py")
    assert len(package.read("python:conf_of_test")["settings"]) == 2
    write("workers = 22\n", "conf_of_test.py")
    assert package.read("python:conf_of_test")["settings"] == [["workers", 22, 1]]
    write("\n1 / 0\n", "conf_of_test.py")
    assert package.read("python:conf_of_test")["reason"] == "conf_of_test.py:2: ZeroDivisionError: division by zero"
    assert sys.modules["conf_of_test"].workers == 22
    del sys.modules["conf_of_test"]


def test_pythonpath_and_the_working_folder_are_searched(package, tmp_path):
    (tmp_path / "lib").mkdir()
    write("workers = 7\n", "lib/of_lib.py")
    write("threads = 8\n", "of_folder.py")
    answer = package.read(write("from of_lib import *\nfrom of_folder import *\n"), pythonpath="lib")
    assert answer["settings"] == [["workers", 7, None], ["threads", 8, None]]


def test_hooks_of_a_later_file_wait_for_its_settings(package):
    package.read(write("def when_ready(server): pass\n"))
    assert package.state.hook("when_ready")
    package.configured({})
    package.read(write("def post_request(worker, req): return req\n"))
    assert package.state.hook("when_ready") and not package.state.hook("post_request")
    package.configured({})
    assert not package.state.hook("when_ready")
    assert package.state.hook("post_request")(1, 2, 3, 4) == 2


@pytest.mark.parametrize("value", [
    None, True, False, 0, -12, 10 ** 30, 1.5, float("inf"), "", "ü\udce4;", [], {},
    ["a", [None, {"b": [1]}], {"c;": ""}],
])
def test_values_come_back(package, value):
    assert package.values.decode(package.values.encode(value)) == value


def test_a_program_gives_settings_and_hooks(package):
    from evgateway import serve

    def app(environ, start_response): pass
    def hook(server, worker): pass

    assert serve(app, listen="a:1 b:2", unix_socket="/s", workers=None, timeout=3, post_fork=hook) is None
    (arguments, given, served, hooks), = package.started
    assert arguments[0].endswith("app") and served is app and hooks == {"post_fork": hook}
    assert given == [["timeout", 3, None], ["bind", ["a:1", "b:2", "unix:/s"], None]]
    assert package.state.app is None and package.state.given is None and package.state.hook("post_fork") is None


def test_a_program_gets_the_exit_code(package):
    from evgateway import serve
    package.code = 3
    with pytest.raises(SystemExit) as raised:
        serve("m:app")
    assert raised.value.code == 3 and package.started[0][0] == ["m:app"]


def test_keywords_of_uvicorn(package):
    from evgateway import run
    run("m:make", host="h", uds="/u", fd=3, log_level=30, access_log=True, lifespan="off", factory=True, http="h11",
        timeout_keep_alive=7, workers=None)
    given = {name: value for name, value, _ in package.started[0][1]}
    assert given == {"bind": ["unix:/u", "fd://3"], "loglevel": "warning", "accesslog": "-",
                     "asgi_lifespan": "off", "factory": True, "keepalive": 7, "proxy_headers": True}


@pytest.mark.parametrize("function, arguments, message", [
    ("serve", {"time_out": 1}, "serve() got an unexpected keyword argument 'time_out'; did you mean 'timeout'?"),
    ("serve", {"access_logfile": "-"},
     "serve() got an unexpected keyword argument 'access_logfile'; did you mean 'accesslog'?"),
    ("serve", {"xyz": 1}, "serve() got an unexpected keyword argument 'xyz'"),
    ("serve", {"post_fork": 1}, "the hook 'post_fork' is not callable, it is an int"),
    ("serve", {"timeout": object()}, "serve(): timeout: a value of type 'object' is no text, number, list or dict"),
    ("serve", {"port": 1, "listen": "a:1"}, "serve() takes either host and port, or bind, listen and unix_socket"),
    ("run", {"headers": [("a", "b")]},
     "run(): headers: the server adds no headers to responses: let a middleware of the app do it"),
    ("run", {"prot": 1}, "run() got an unexpected keyword argument 'prot'; did you mean 'port'?"),
])
def test_wrong_keywords(package, function, arguments, message):
    import evgateway
    with pytest.raises(TypeError) as raised:
        getattr(evgateway, function)("m:app", **arguments)
    assert str(raised.value) == message and package.started == []


def test_version_and_worker(package):
    import evgateway
    assert evgateway.version == evgateway.__version__ == "9.9"
    assert evgateway.worker is None
    package.told["worker"] = [2, 5, 10, 99]
    worker = evgateway.worker
    assert (worker.index, worker.age, worker.connections, worker.requests) == (2, 5, 10, 99)
    package.told["worker"] = [2, 5, 11, 99]
    assert worker.connections == 11 and evgateway.worker is worker
    with pytest.raises(AttributeError):
        evgateway.nothing


def test_the_package_without_its_extension(monkeypatch):
    Package(monkeypatch)
    monkeypatch.delitem(sys.modules, "_evgateway")
    import evgateway
    assert evgateway.version is None and evgateway.worker is None


@pytest.mark.parametrize("name, shadows", [
    ("secrets.py", True), ("calendar/__init__.py", True), ("random.cpython-311-x86_64-linux-gnu.so", True),
    ("venv/pyvenv.cfg", False), ("shop.py", False), ("secrets.txt", False),
])
def test_what_hides_the_standard_library(package, tmp_path, name, shadows):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert package.shared.shadows(str(tmp_path)) is shadows
