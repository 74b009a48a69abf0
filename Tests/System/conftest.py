"""Fixtures of the system tests: real servers on ports that the kernel chooses. Tests wait for their logs' lines, and
every server is ended by its pid."""

import contextlib
import os
import pathlib
import resource
import signal
import sys
import tempfile

import pytest
import websocket

from support import elsewhere, pylogs, wait
from support.admin import APP, Admin
from support.certificates import Authority, SecureWire
from support.classes import CLASSES
from support.gateway import APPS, BUILD, LAUNCHER, ROOT, Gateway
from support.gateway_wires import Front
from support.metrics import Metrics
from support.program import Program
from support.wsgi import WSGI_CLASSES

PYTHON = ROOT / ".venv" / "bin" / "python3"
OTHER_PYTHON = ROOT / ".venv-other" / "bin" / "python3"
PYTHONS = [PYTHON] + ([OTHER_PYTHON] if OTHER_PYTHON.exists() else [])
if elsewhere.FOLDER:
    PYTHONS = [PYTHON]      # which is not passed on


def pytest_configure(config):
    # A shell that starts the tests in the background has INT ignored, and children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The tests hold more connections than the usual soft limit allows; children inherit the limit.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if not elsewhere.FOLDER and not LAUNCHER.exists():
        raise pytest.UsageError(f"{LAUNCHER} is not there: run scripts/build first")


# Files whose first test waits for a build of its own: they begin before the others, which run beside them.
BUILDING = ["test_wheel.py", "test_consumer.py"]


def pytest_collection_modifyitems(items):
    order = {name: number for number, name in enumerate(BUILDING)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_report_header(config):
    if elsewhere.FOLDER:
        return f"evgateway: the wheel; {elsewhere.described()} in {elsewhere.PLACE or '/'}"
    names = ", ".join(str(path.relative_to(ROOT).parts[0]) + " " + _version(path) for path in PYTHONS)
    return f"evgateway: {BUILD}; CPython: {names}" + ("" if len(PYTHONS) > 1 else " (no second one on this machine)")


def _version(python):
    for line in (python.parent.parent / "pyvenv.cfg").read_text().splitlines():
        key, _, value = line.partition("=")
        if key.strip() in ("version", "version_info"):
            return value.strip()
    return "?"


@pytest.fixture(params=PYTHONS, ids=lambda path: path.relative_to(ROOT).parts[0].lstrip("."))
def python(request):
    """Each CPython in turn, for tests that depend on the interpreter. Other tests run on the first one only."""
    return request.param


@pytest.fixture(params=WSGI_CLASSES)
def worker_class(request):
    """Each class that calls WSGI apps in turn. All must behave in the same way."""
    return request.param


@pytest.fixture(params=CLASSES)
def called_by(request):
    """Each way to call a Python app in turn, by its name in `CLASSES`."""
    return request.param


@pytest.fixture
def both(gateway, called_by):
    """Factory: `both(*flags)` starts apps/both.py in the class of `called_by`."""
    return lambda *flags, **more: gateway(*CLASSES[called_by], *flags, **more)


@pytest.fixture
def gateway():
    """Factory: `gateway(app, *flags)` starts a server and returns it ready to answer.

    `app` is a locator (`contract:app` finds Tests/System/apps), or the path of a built Swift example. Without a
    --bind the kernel chooses the port. `wait=False` returns at once, for servers that should fail to start; `limits` is
    shell text run before exec, for example `ulimit -n 64`; `arguments` follow `--` to the app. With `bare`, no flag is
    added, and APP may be None, for a file that names it.
    """
    started = []

    def start(app, *flags, python=None, cwd=None, env=None, wait=True, limits=None, arguments=(),
              bare=False):
        flags = [str(flag) for flag in flags]
        if not bare and not any(flag == "-b" or flag.startswith("--bind") for flag in flags):
            flags += ["--bind", "127.0.0.1:0"]
        if not bare and not pathlib.Path(str(app)).is_absolute():
            path = [str(APPS)]
            if "--pythonpath" in flags:
                path.insert(0, flags.pop(flags.index("--pythonpath") + 1))
                flags.remove("--pythonpath")
            chosen = [] if elsewhere.FOLDER else ["--python", str(python or PYTHON)]
            flags += [*chosen, "--pythonpath", ",".join(path)]
        words = [*flags, *([app] if app else []), *(["--", *arguments] if arguments else [])]
        server = Gateway(words, cwd=cwd, env=env, limits=limits)
        started.append(server)
        return server.wait_until_ready(_workers(flags)) if wait else server

    yield start
    end(started)


@pytest.fixture
def measured(gateway, tmp_path):
    """Factory: as `gateway`, with an admin socket; returns the server and its `Metrics`."""
    def start(*flags, **more):
        path = tmp_path / "admin.sock"
        server = gateway(*flags, "--admin-bind", f"unix:{path}", **more)
        metrics = Metrics(path)
        # A worker that is ready has told so before the admin process sees it.
        wait.until(lambda: metrics.value("evgateway_workers", state="ready") > 0, "a worker is seen")
        return server, metrics
    return start


@pytest.fixture
def program(tmp_path):
    """Factory: `program(text, *arguments)` writes a Python program that calls the server, and returns it running.

    It runs in `tmp_path`. `workers` is how many are waited for; None returns at once."""
    started = []

    def start(text, *arguments, workers=1, env=None):
        (tmp_path / "program.py").write_text(text)
        server = Program([PYTHON, "program.py", *arguments], tmp_path, env)
        started.append(server)
        return server.wait_until_ready(workers) if workers else server

    yield start
    end(started)


@pytest.fixture
def logs(gateway, tmp_path):
    """Factory: `logs(worker_class, configuration, *flags)` starts a server of pylogs.APP in a folder with these files;
    `pylogs.listen` waits for it."""
    def start(worker_class, configuration="", *flags, files=None, **more):
        pylogs.write(tmp_path, configuration, files or {})
        name = "asgi" if worker_class == "asgi" else "wsgi"
        server = gateway(f"module:{name}", "-k", worker_class, "--pythonpath", tmp_path, *flags, cwd=tmp_path,
                         wait=False, **more)
        server.folder = tmp_path
        return server
    return start


def end(started):
    problems = []
    for server in started:
        if leftover := server.clean_up():
            problems.append(f"processes {leftover} were left by {server.command}\n{server.error_log()}")
        else:
            sys.stderr.write(f"--- log of {' '.join(server.command)}\n{server.error_log()}\n")
    assert not problems, "\n".join(problems)


def _workers(flags):
    for name in ("-w", "--workers"):
        if name in flags:
            return int(flags[flags.index(name) + 1])
    return 1


@pytest.fixture
def short_path():
    """A directory whose name leaves room for a socket's (108 bytes), open to a proxy that runs as another user."""
    with tempfile.TemporaryDirectory(prefix="evg") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@pytest.fixture
def served(gateway, short_path):
    """Factory: starts a server of an app of its own (`service.py` in `short_path`), and returns it with its `Admin`."""
    def start(*flags, text=APP, **more):
        (short_path / "service.py").write_text(text)
        server = gateway("service:app", "-k", "threads", "--admin-bind", f"unix:{short_path}/a",
                         "--pythonpath", short_path, "--chdir", short_path, *flags, **more)
        return server, Admin(server, short_path / "a")
    return start


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """An authority with a certificate for localhost, `server.pem` and `server.key`."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue("server")
    return authority


@pytest.fixture
def secured(gateway, authority):
    """Factory: `secured(app, *flags)` is a server over TLS; its `dial(**more)` is a `SecureWire` that trusts it."""
    def start(app="contract:app", *flags, **more):
        server = gateway(app, "--certfile", authority.folder / "server.pem", "--keyfile",
                         authority.folder / "server.key", *flags, **more)

        def dial(context=None, **options):
            return SecureWire(server.address, context or authority.context(), **options)
        server.dial = dial
        return server
    return start


@pytest.fixture
def contract(gateway):
    """One worker with the WSGI app of the protocol tests and default time limits."""
    return gateway("contract:app")


@pytest.fixture
def fronted(gateway):
    """Factory: `fronted(protocol, *flags)` is a server that speaks it; `ask` of it is one request on a connection."""
    def start(protocol, *flags, app="fronted:wsgi", **more):
        server = gateway(app, "--protocol", protocol, *flags, **more)

        def connect(**more):
            return Front(server.address, protocol, **more)

        def ask(method="GET", target="/", *fields, **more):
            with connect() as front:
                return front.ask(method, target, fields, **more).read(method)
        server.front, server.ask = connect, ask
        return server
    return start


@pytest.fixture(scope="session")
def example():
    """The path of a built Swift example: `example("hello")`."""
    def path(name):
        binary = BUILD / f"example-{name}"
        assert binary.exists(), f"{binary} is not there: run scripts/build first"
        return binary
    return path


@pytest.fixture
def dial():
    """Factory: a connected client of WebSocket, closed at the end of the test."""
    with contextlib.ExitStack() as stack:
        def connect(server, path="/", **more):
            client = websocket.create_connection(f"ws://127.0.0.1:{server.port}{path}", timeout=30, **more)
            stack.callback(client.shutdown)
            return client
        yield connect
