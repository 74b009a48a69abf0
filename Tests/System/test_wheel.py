"""The wheel of scripts/wheel, in virtual environments that hold nothing else, on a PATH without Swift: what it needs of
a machine, that its commands serve, and what it tells a type checker."""

import json
import os
import platform
import re
import shutil
import subprocess
import zipfile

import pytest

from conftest import PYTHON, PYTHONS
from support.gateway import APPS, LAUNCHER, ROOT, Gateway, environment
from support.program import PACKAGE

TOOLS = ROOT / ".venv-wheel" / "bin"
WSGI_APPS = ROOT / "Tests" / "System" / "wsgi_apps"
ASGI_APPS = ROOT / "Tests" / "System" / "asgi_apps"
NO_SWIFT = {"PATH": "/usr/bin:/bin"}
MOST_BYTES = 7_000_000


def run(*command, env=None, timeout=60, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout,
                          env=environment({**NO_SWIFT, **(env or {})}), **more)


class Installed(Gateway):
    """A server of the wheel: `program` is its command, or a Python program that serves itself."""

    def __init__(self, program, arguments, **more):
        self.program = program
        super().__init__(arguments, env=NO_SWIFT, **more)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    done = run(ROOT / "scripts" / "wheel", "--output", folder, env={"PATH": os.environ["PATH"]}, timeout=900)
    assert done.returncode == 0, done.stderr
    [file] = folder.glob("*.whl")
    assert done.stdout.splitlines()[0] == str(file)
    return file


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """Factory: `installed(python)` is the folder of a virtual environment of that CPython with the wheel in it. The
    apps' packages are those of the tests, and come last on its path."""
    made = {}

    def folder_of(python):
        if python not in made:
            folder = tmp_path_factory.mktemp("venv")
            done = run(python.resolve(), "-m", "venv", folder, timeout=300)
            assert done.returncode == 0, done.stderr
            done = run(folder / "bin" / "pip", "install", "--no-index", "--no-deps", wheel, timeout=300)
            assert done.returncode == 0, done.stderr
            [packages] = folder.glob("lib/python3*/site-packages")
            [others] = python.parent.parent.glob("lib/python3*/site-packages")
            (packages / "tests.pth").write_text(f"{others}\n")
            made[python] = folder
        return made[python]
    return folder_of


@pytest.fixture
def serving():
    """Factory: `serving(*program, *arguments)` starts a server, which is ended after the test."""
    started = []

    def start(program, *arguments, workers=1, **more):
        server = Installed(program, arguments, **more)
        started.append(server)
        return server.wait_until_ready(workers)

    yield start
    for server in started:
        assert not server.clean_up()


# What it is


def test_it_is_small_and_for_every_cpython_since_3_9(wheel):
    assert wheel.stat().st_size < MOST_BYTES
    name, version, python, abi, platforms = wheel.name.removesuffix(".whl").split("-")
    assert (name, python, abi) == ("evgateway", "cp39", "abi3")
    assert f'string = "{version}"' in (ROOT / "Sources" / "EvHost" / "Version.swift").read_text()
    if platform.machine() == "x86_64":
        assert set(platforms.split(".")) == {"manylinux2014_x86_64", "manylinux_2_17_x86_64"}


def test_auditwheel_proves_the_platform_tag(wheel):
    shown = " ".join(run(TOOLS / "auditwheel", "show", wheel, env={"COLUMNS": "200"}).stdout.split())
    [tag] = [name for name in wheel.name.removesuffix(".whl").split("-")[-1].split(".") if "_2_" in name]
    assert f'is consistent with the following platform tag: "{tag}"' in shown
    assert all(library not in shown for library in ("libstdc++", "libev", "libz"))


def test_what_was_in_libraries_of_its_own_is_asked_of_them(wheel, tmp_path):
    """A loader of glibc before 2.30 looks for a name in the library that is asked, and goes no further."""
    if platform.machine() != "x86_64":
        pytest.skip("other machines are bound to the glibc that the extension is linked with")
    with zipfile.ZipFile(wheel) as archive:
        extension = archive.extract("evgateway/_evgateway.abi3.so", tmp_path)
    moved = {}
    for library, version, names in re.findall(r"^ +moved (\w+), ([\d.]+), (.+)$",
                                              (ROOT / "scripts/wheel.d/moved.h").read_text(), re.M):
        moved.update({f"{name}@GLIBC_{version}": library for name in names.split(", ")})
    files, file = {}, None
    for line in run("readelf", "-VW", extension).stdout.splitlines():
        file = found[1] if (found := re.search(r"File: (\w+)", line)) else file
        if found := re.search(r"Name: \S+ +Flags: .* Version: (\d+)", line):
            files[found[1]] = file
    table = run("readelf", "--dyn-syms", "-W", extension).stdout
    symbols = re.findall(r" UND (\S+@GLIBC_\S+) \((\d+)\)$", table, re.M)
    asked = {name: files[version] for name, version in symbols}
    assert moved.items() <= asked.items()
    assert set(moved) == {name for name, file in asked.items() if file in moved.values()}


def test_abi3audit_finds_the_stable_abi_of_3_9_alone(wheel):
    done = run(TOOLS / "abi3audit", "--strict", "--report", wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    [audited] = json.loads(done.stdout)["specs"][str(wheel)]["wheel"]
    assert audited["result"] == {"is_abi3": True, "is_abi3_baseline_compatible": True, "baseline": "3.9",
                                 "computed": audited["result"]["computed"], "non_abi3_symbols": [],
                                 "future_abi3_objects": {}}


def test_the_extension_exports_one_function_and_holds_no_foundation_and_no_regex(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        extension = archive.extract("evgateway/_evgateway.abi3.so", tmp_path)
    table = run("objdump", "-T", extension).stdout.splitlines()
    assert [line.split()[-1] for line in table if " g " in line] == ["PyInit__evgateway"]
    with open(extension, "rb") as file:
        data = file.read()
    for part in (b"_StringProcessing", b"_RegexParser", b"FoundationEssentials", b"HTTPTypes", b"/opt/swift/usr/lib"):
        assert part not in data, part


def test_a_build_backend_makes_the_same_file(wheel, tmp_path):
    """PEP 517: what `pip wheel` of the package's folder does."""
    folder = ROOT / "Sources" / "CPythonBridge" / "python"
    done = run(PYTHON, "-m", "pip", "wheel", "--no-deps", "--no-index", "--wheel-dir", tmp_path, folder,
               env={"PATH": os.environ["PATH"]}, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


# What is installed


@pytest.mark.parametrize("start", [["bin/evgateway"], ["bin/python", "-m", "evgateway"]], ids=["command", "module"])
def test_questions_are_answered(installed, python, start):
    command = [installed(python) / start[0], *start[1:]]
    assert run(*command, "--version").stdout == "evgateway 0.1.0\n"
    assert "Usage: evgateway [OPTIONS] APP" in run(*command, "--help").stdout
    done = run(*command, "--chdir", WSGI_APPS, "--check-config", "flask_app:app")
    assert (done.returncode, done.stdout) == (0, "evgateway: configuration OK\n"), done.stderr
    done = run(*command, "--workers", "3", "--print-config", "flask_app:app")
    assert done.returncode == 0 and "workers" in done.stdout, done.stderr


def test_a_failure_has_gunicorns_exit_code(installed, python):
    done = run(installed(python) / "bin" / "evgateway", "--check-config", "no_such_module:app")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("evgateway: ")


@pytest.mark.parametrize("worker_class, folder, app, target, answer", [
    ("threads", WSGI_APPS, "flask_app:app", "/", b"flask works"),
    ("gevent", WSGI_APPS, "flask_app:app", "/", b"flask works"),
    ("inline", APPS, "contract:app", "/", b"Hello, World!"),
    ("asgi", ASGI_APPS, "fastapi_app:app", "/docs", b"FastAPI"),
])
def test_every_class_serves(installed, serving, python, worker_class, folder, app, target, answer):
    server = serving([installed(python) / "bin" / "evgateway"], "-k", worker_class, "-w", 2, "--bind", "127.0.0.1:0",
                     app, workers=2, cwd=folder)
    assert answer in server.get(target).body
    assert server.stop() == 0


def test_the_module_serves(installed, serving, python):
    server = serving([installed(python) / "bin" / "python", "-m", "evgateway"], "--bind", "127.0.0.1:0", "contract:app",
                     cwd=APPS)
    assert server.get("/").body == b"Hello, World!"


def test_a_program_serves_its_app(installed, serving, python, tmp_path):
    (tmp_path / "shop.py").write_text(
        "import evgateway\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [f'{evgateway.version} {evgateway.worker.index}'.encode()]\n"
        "if __name__ == '__main__':\n"
        "    evgateway.serve(app, port=0, workers=1)\n"
        "    print('served')\n")
    server = serving([installed(python) / "bin" / "python", tmp_path / "shop.py"], cwd=tmp_path)
    assert server.get("/").body == b"0.1.0 0"
    assert server.stop() == 0
    assert server.output.text() == "served"


def test_the_app_does_not_see_the_commands_folder(installed, serving, tmp_path):
    (tmp_path / "paths.py").write_text(
        "import sys\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return ['\\n'.join(sys.path).encode()]\n")
    folder = installed(PYTHON)
    server = serving([folder / "bin" / "evgateway"], "--bind", "127.0.0.1:0", "paths:app", cwd=tmp_path)
    path = server.get("/").body.decode().split("\n")
    assert path[0] == str(tmp_path)
    assert str(folder / "bin") not in path


# --python, where there is no launcher


@pytest.mark.parametrize("how", ["folder", "interpreter"])
def test_another_interpreter_takes_over(installed, serving, tmp_path, how):
    (tmp_path / "who.py").write_text(
        "import sys\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [sys.prefix.encode()]\n")
    other = PYTHONS[-1].parent.parent
    server = serving([installed(PYTHON) / "bin" / "evgateway"], "--python",
                     other if how == "folder" else other / "bin" / "python3", "--bind", "127.0.0.1:0", "who:app",
                     cwd=tmp_path)
    assert server.get("/").body == str(other).encode()


def test_an_interpreter_that_is_not_there_is_named(installed):
    done = run(installed(PYTHON) / "bin" / "evgateway", "--python", "/nowhere", "contract:app")
    assert (done.returncode, done.stderr) == (1, "evgateway: --python: no such interpreter: '/nowhere'\n")


# Interpreters that cannot


@pytest.mark.parametrize("change, reason", [
    ("sys.abiflags = 't'", "this is a free-threaded build, which has no stable ABI: use the ordinary build of this "
                           "version"),
    ("sys.implementation.name = 'pypy'", "CPython is needed, this is pypy"),
    ("sys.version_info = (3, 8); sys.version = '3.8.20 (main)'", "Python 3.9 or newer is needed, this is 3.8.20"),
])
def test_an_interpreter_that_cannot_is_refused_in_one_line(installed, change, reason):
    python = installed(PYTHON) / "bin" / "python"
    program = f"import sys\n{change}\nfrom evgateway.__main__ import main\nsys.exit(main())"
    done = run(python, "-c", program)
    assert (done.returncode, done.stderr) == (
        1, f"evgateway: cannot load the gateway into {python}: {reason}\n")


@pytest.fixture
def pypy():
    path = shutil.which("pypy3", path=NO_SWIFT["PATH"])
    assert path, "pypy3 is not installed: scripts/setup tests"
    return path


@pytest.mark.parametrize("how", ["launcher", "command", "module"])
def test_pypy_is_refused_in_one_line(installed, pypy, how):
    command = {"launcher": [LAUNCHER, "--python", pypy], "module": [pypy, "-m", "evgateway"],
               "command": [installed(PYTHON) / "bin" / "evgateway", "--python", pypy]}[how]
    done = run(*command, "contract:app", env={"PYTHONPATH": PACKAGE} if how == "module" else {}, cwd=APPS)
    assert (done.returncode, done.stdout, done.stderr) == (
        1, "", f"evgateway: cannot load the gateway into {pypy}: CPython is needed, this is pypy\n")


def test_pip_does_not_install_it_for_pypy(wheel, pypy, tmp_path):
    done = run(PYTHON, "-m", "pip", "--python", pypy, "install", "--no-index", "--target", tmp_path, wheel)
    assert done.returncode == 1 and list(tmp_path.iterdir()) == []
    assert f"ERROR: {wheel.name} is not a supported wheel on this platform." in done.stderr.splitlines()


def test_the_build_backend_does_not_build_for_pypy(pypy, tmp_path):
    folder = ROOT / "Sources" / "CPythonBridge" / "python"
    done = run(PYTHON, "-m", "pip", "--python", pypy, "install", "--no-index", "--target", tmp_path, folder)
    assert done.returncode == 1 and list(tmp_path.iterdir()) == []
    assert f"evgateway cannot be installed for {pypy}: CPython is needed, this is pypy" in done.stderr


# What it declares


def test_metadata(installed):
    python = installed(PYTHON) / "bin" / "python"
    program = (
        "import json\n"
        "from importlib import metadata\n"
        "about = metadata.distribution('evgateway')\n"
        "points = {f'{point.group}:{point.name}': point.load().__qualname__ for point in about.entry_points}\n"
        "print(json.dumps([about.version, about.requires, about.metadata['Requires-Python'], points,\n"
        "                  sorted(about.metadata.get_all('License-File'))]))\n")
    done = run(python, "-c", program)
    assert done.returncode == 0, done.stderr
    version, requires, requires_python, points, notices = json.loads(done.stdout)
    assert version == "0.1.0" and requires_python == ">=3.9"
    assert requires == ["gevent>=22.10.1; extra == 'gevent'", "uvloop; extra == 'uvloop'"]
    assert points == {"console_scripts:evgateway": "console", "paste.server_runner:main": "server_runner"}
    assert notices == [
        "libev/copyright.txt", "nghttp2/copyright.txt", "openssl/copyright.txt", "swift-log/LICENSE.txt",
        "swift-log/NOTICE.txt", "zlib/copyright.txt"]


RIGHT = """
import evgateway
from pathlib import Path
from typing import Any, Optional

def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    worker = evgateway.worker
    return [] if worker is None else [str(worker.requests + worker.index).encode()]

text: Optional[str] = evgateway.version
evgateway.serve(app, port=8080, workers=4, unix_socket=Path("s"), listen=["a:1", "b:2"], keepalive=5)
evgateway.run("shop:app", host="::1", log_level="debug")
"""


@pytest.mark.parametrize("change, complaint", [
    (("", ""), None),
    (("port=8080", "port='8080'"), 'Argument "port" to "serve" has incompatible type "str"'),
    (("worker is None", "False"), 'has no attribute "requests"'),
    (("evgateway.version", "evgateway.versions"), 'Module has no attribute "versions"'),
])
def test_types_are_checked(installed, tmp_path, change, complaint):
    file = tmp_path / "shop.py"
    file.write_text(RIGHT.replace(*change))
    done = run(TOOLS / "mypy", "--strict", "--python-executable", installed(PYTHON) / "bin" / "python", "--cache-dir",
               tmp_path, file, timeout=120)
    assert (done.returncode == 0) == (complaint is None), done.stdout
    assert complaint is None or complaint in done.stdout


def test_the_stub_agrees_with_the_package(installed, tmp_path):
    [package] = installed(PYTHON).glob("lib/python3*/site-packages/evgateway")
    stub = tmp_path / "evgateway"
    stub.mkdir()
    (stub / "__init__.pyi").write_bytes((package / "__init__.pyi").read_bytes())
    done = run(TOOLS / "python3", "-m", "mypy.stubtest", "--ignore-missing-stub", "evgateway", cwd=tmp_path,
               env={"MYPYPATH": tmp_path, "PYTHONPATH": package.parent}, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
