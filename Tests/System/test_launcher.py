"""The launcher: how APP is found; every failure prints one clear line and has gunicorn's exit code."""

import re
import socket
import subprocess

import pytest

from conftest import PYTHON
from support.gateway import APPS, LAUNCHER, ROOT, Gateway, Log, environment
from support.wire import Wire

APP = ("def app(environ, start_response):\n"
       "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
       "    return [{body}]\n")


def module(directory, name, text):
    path = directory / f"{name}.py"
    path.write_text(text)
    return path


# Where APP is found


@pytest.mark.parametrize("locator, expected", [
    ("contract", b"Hello, World!"),
    ("contract:app", b"Hello, World!"),
    ("contract:application", b"Hello, World!"),
    ("contract:make_app()", b"made 1"),
    ("contract:make_app('served', count=3)", b"served 3"),
    ("contract.py", b"Hello, World!"),
    ("./contract.py:app", b"Hello, World!"),
    (str(APPS.relative_to(ROOT) / "contract.py"), b"Hello, World!"),
])
def test_python_app_is_found(gateway, locator, expected):
    server = gateway(locator, cwd=ROOT if "/" in locator.lstrip("./") else APPS)
    assert server.get("/").body == expected


def test_module_in_the_current_directory_is_found(gateway, tmp_path):
    module(tmp_path, "local_app", APP.format(body="b'local'"))
    assert gateway("local_app", cwd=tmp_path).get("/").body == b"local"


def test_chdir_comes_before_the_import(gateway, tmp_path):
    module(tmp_path, "local_app", "import os\n" + APP.format(body="os.getcwd().encode()"))
    assert gateway("local_app", "--chdir", tmp_path).get("/").body == str(tmp_path).encode()


def test_package_with_dots_is_found(gateway, tmp_path):
    (tmp_path / "mysite").mkdir()
    module(tmp_path / "mysite", "__init__", "")
    module(tmp_path / "mysite", "wsgi", APP.format(body="__name__.encode()") + "application = app\n")
    assert gateway("mysite.wsgi", cwd=tmp_path).get("/").body == b"mysite.wsgi"


def test_virtualenv_in_the_environment_is_used(gateway, tmp_path):
    module(tmp_path, "who", "import sys\n" + APP.format(body="sys.prefix.encode()"))
    server = Gateway(["--bind", "127.0.0.1:0", "who"], cwd=tmp_path, env={"VIRTUAL_ENV": str(PYTHON.parent.parent)})
    server.wait_for_log(rf"Starting evgateway .*, {re.escape(str(PYTHON))}\)")
    try:
        assert server.wait_until_ready().get("/").body == str(PYTHON.parent.parent).encode()
    finally:
        assert not server.clean_up()


def test_every_interpreter_serves(gateway, python):
    server = gateway("contract:app", python=python)
    assert server.get("/").body == b"Hello, World!"


def test_swift_executable_is_found_by_path(gateway, example):
    assert gateway(example("hello")).get("/").body == b"Hello, World!"


def test_swift_executable_takes_the_same_options(example):
    result = subprocess.run([example("hello"), "--help"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and "--graceful-timeout" in result.stdout


def test_preloaded_app_is_imported_once(gateway, tmp_path):
    module(tmp_path, "counted", f"open({str(tmp_path / 'imports')!r}, 'a').write('x')\n" + APP.format(body="b'fine'"))
    server = gateway("counted", "--preload", "--workers", 3, "--pythonpath", tmp_path)
    assert server.get("/").body == b"fine"
    assert (tmp_path / "imports").read_text() == "x"


def test_arguments_after_the_dashes_belong_to_the_app(gateway, tmp_path):
    module(tmp_path, "arguments", "import sys\n" + APP.format(body="repr(sys.argv[1:]).encode()"))
    server = gateway("arguments", "--pythonpath", tmp_path, arguments=["--bind", "mine", "-x"])
    assert server.get("/").body == b"['--bind', 'mine', '-x']"


# Where options come from


def test_port_and_worker_count_come_from_the_environment(gateway):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Gateway(["--python", PYTHON, "--pythonpath", APPS, "contract"],
                     env={"PORT": str(port), "WEB_CONCURRENCY": "2"})
    try:
        server.wait_until_ready(workers=2)
        assert server.port == port and len(server.worker_pids()) == 2
    finally:
        assert not server.clean_up()


def test_several_addresses_are_served(gateway, tmp_path):
    server = gateway("contract", "--bind", "127.0.0.1:0", "--bind", f"unix:{tmp_path}/s")
    assert server.get("/").status == 200
    with Wire(str(tmp_path / "s")) as client:
        assert client.get("/").status == 200


def test_ipv6_address_is_served(gateway):
    server = gateway("contract", "--bind", "[::1]:0")
    assert server.host == "::1" and server.get("/").status == 200


def test_inherited_descriptor_is_served():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        server = Gateway.__new__(Gateway)
        server.command = [str(LAUNCHER), "--bind", f"fd://{listener.fileno()}", "--python", str(PYTHON),
                          "--pythonpath", str(APPS), "contract"]
        server.process = subprocess.Popen(
            server.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, pass_fds=[listener.fileno()], cwd=ROOT, env=environment())
        server.pid = server.process.pid
        server.log, server.output = Log(server.process.stderr), Log(server.process.stdout)
        try:
            server.wait_until_ready()
            server.address = listener.getsockname()
            assert server.get("/").status == 200
        finally:
            assert not server.clean_up()


def test_reuse_port_gives_every_worker_a_queue(gateway):
    server = gateway("contract", "--reuse-port", "--workers", 2)
    seen = {server.get("/pid").body for _ in range(100)}
    assert len(seen) == 2


# Failures


def failing(gateway, app, *flags, **more):
    server = gateway(app, *flags, wait=False, **more)
    code = server.wait()
    server.log.thread.join(10)
    return code, server.error_log()


@pytest.mark.parametrize("locator, code, pattern", [
    ("nothing_of_this_name", 1, r"nothing_of_this_name"),
    ("nothing_of_this_name:app", 3, r"nothing_of_this_name"),
    ("contract:nothing", 4, r"nothing"),
    ("contract:not_callable", 4, r"not_callable.*callable|callable.*not_callable"),
    ("contract:make_app(1/0)", 4, r"make_app"),
    ("contract:make_app(unknown=1)", 4, r"unknown"),
    ("missing/file.py", 1, r"missing/file\.py"),
    ("json", 4, r"json"),
])
def test_app_that_cannot_be_found_is_named(gateway, locator, code, pattern):
    result, log = failing(gateway, locator)
    assert re.search(pattern, log), log
    assert result in (code, 3, 4) if code != 1 else result in (1, 3), f"exit code {result}:\n{log}"


SERVICE = """
import json


class Service:
    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return []


async def live(scope, receive, send):
    pass


def add(one, two=2):
    return one + two


server = Service()
"""


@pytest.mark.parametrize("locator, hint", [
    ("service:nothing", "its apps may be: live, server"),
    ("service", "its apps may be: live, server"),
    ("service:serve", "did you mean server or Service?"),
    ("service.server", "did you mean service:server?"),
    ("package.inner.server", "did you mean package.inner:server?"),
])
def test_what_was_meant_is_offered(gateway, tmp_path, locator, hint):
    (tmp_path / "package").mkdir()
    for path in ["service.py", "package/__init__.py", "package/inner.py"]:
        (tmp_path / path).write_text("" if "init" in path else SERVICE)
    _, log = failing(gateway, locator, "--pythonpath", tmp_path)
    assert hint in log, log


def test_interpreter_without_a_module_is_named(gateway, tmp_path):
    (tmp_path / "needy.py").write_text("import no_such_package\n")
    code, log = failing(gateway, "needy:app", "--pythonpath", tmp_path)
    assert code == 3 and "--python chooses another interpreter" in log
    assert re.search(r"it imports 'no_such_package', and there is no such module in /\S+/python", log), log


def test_app_that_raises_shows_its_traceback(gateway):
    code, log = failing(gateway, "contract:app", env={"CONTRACT_BOOT": "raise"})
    assert code == 3
    assert "Traceback (most recent call last)" in log
    assert "RuntimeError: this app does not want to start" in log


def test_app_that_exits_at_import_is_started_again_with_growing_pauses(gateway):
    """As in gunicorn, a worker that exits by itself while it boots does not end the server with exit code 3."""
    server = gateway("contract:app", env={"CONTRACT_BOOT": "exit"}, wait=False)
    server.wait_for_log("exited with code 9 before it was ready", count=3)
    pauses = [float(match[1]) for match in server.log.matches(r"next start in ([0-9.]+) s")]
    assert pauses == sorted(pauses) and len(set(pauses)) == len(pauses)
    assert server.stop() == 0


def test_port_in_use_is_named(gateway):
    first = gateway("contract:app")
    code, log = failing(gateway, "contract:app", "--bind", f"127.0.0.1:{first.port}")
    assert code == 1
    assert re.search(rf"(?i)127\.0\.0\.1:{first.port}.*in use|in use.*127\.0\.0\.1:{first.port}", log), log
    assert first.get("/").status == 200


def test_missing_interpreter_is_named(gateway, tmp_path):
    code, log = failing(gateway, "contract:app", python=tmp_path / "no-python")
    assert code == 1 and str(tmp_path / "no-python") in log


def test_descriptor_that_is_no_listener_is_named(gateway):
    code, log = failing(gateway, "contract:app", "--bind", "fd://0")
    assert code == 1 and "fd" in log


@pytest.mark.parametrize("flags", [
    ["--workers", "0"], ["--workers", "many"], ["--workers", "-1"], ["--connections", "0"], ["--timeout", "-3"],
    ["--bind", "127.0.0.1:99999"], ["--bind", "[::1"], ["--worker-class", "sync-ish"], ["--no-such-option"],
    ["--log-level", "loud"], ["--chdir", "/no/such/directory"], ["--limit-request-body", "-1"],
    ["--limit-request-fields", "x"],
])
def test_wrong_option_value_is_named(gateway, flags):
    code, log = failing(gateway, "contract:app", *flags)
    assert code == 1
    assert flags[-1].lstrip("-") in log, log
    assert "Fatal error" not in log


def test_no_app_is_an_error(gateway):
    server = Gateway([])
    try:
        assert server.wait() == 1
        assert re.search("(?i)app", server.error_log())
    finally:
        assert not server.clean_up()


# Questions about itself


def ask(gateway, *arguments):
    server = Gateway(arguments)
    try:
        code = server.wait()
        server.output.thread.join(10)
        return code, server.output.text() + server.error_log()
    finally:
        assert not server.clean_up()


def test_help_lists_every_option(gateway):
    code, text = ask(gateway, "--help")
    assert code == 0
    for option in ("--workers", "--connections", "--bind", "--worker-class", "--timeout", "--graceful-timeout",
                   "--keep-alive", "--backlog", "--max-requests", "--max-requests-jitter", "--limit-request-line",
                   "--limit-request-fields", "--limit-request-field_size", "--limit-request-body", "--chdir",
                   "--pythonpath", "--python", "--pid", "--access-logfile", "--error-logfile", "--log-level",
                   "--preload", "--reuse-port", "--check-config", "--half-close-grace"):
        assert option in text, option


def test_version_is_printed(gateway):
    code, text = ask(gateway, "--version")
    assert code == 0 and re.search(r"\d+\.\d+", text)


def test_check_config_loads_the_app_and_serves_nothing(gateway, tmp_path):
    code, text = ask(gateway, "--check-config", "--python", PYTHON, "--pythonpath", APPS, "contract:app")
    assert code == 0 and "Listening" not in text
    code, text = ask(gateway, "--check-config", "--python", PYTHON, "--pythonpath", APPS, "contract:nothing")
    assert code != 0 and "nothing" in text


@pytest.mark.parametrize("flag", ["-k", "--worker-class"])
def test_worker_class_is_checked_against_the_kind_of_app(gateway, example, flag):
    code, log = failing(gateway, str(example("hello")), flag, "inline")
    assert code == 1 and "inline" in log
    assert gateway("contract", flag, "inline").get("/").status == 200
