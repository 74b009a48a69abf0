"""A package that depends on this one for the library EvGateway: it is built where pkg-config finds nothing, compiles
and links nothing of Python, and serves."""

import os
import re
import shutil
import subprocess

import pytest

from support.gateway import LAUNCHER, ROOT, Gateway, environment

SOURCES = ROOT / "Tests" / "System" / "consumer"
PYTHON_TARGETS = ("CPythonBridge", "CThreadPool", "EvPython")


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, **more)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """The folder of the debug build of the consumer, from nothing, and what the package manager said."""
    folder = tmp_path_factory.mktemp("consumer")
    shutil.copytree(SOURCES, folder / "package", ignore=shutil.ignore_patterns("Package.resolved", ".build"))
    manifest = folder / "package" / "Package.swift"
    manifest.write_text(manifest.read_text().replace("../../..", str(ROOT)))
    (folder / "bin").mkdir()
    (folder / "bin" / "pkg-config").write_text("#!/bin/sh\nexit 1\n")
    (folder / "bin" / "pkg-config").chmod(0o755)
    done = run("swift", "build", "--package-path", folder / "package", "--scratch-path", folder / "build",
               env=environment({"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}))
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder / "build" / "debug", done.stdout + done.stderr
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def program(build):
    return build[0] / "consumer"


def test_nobody_is_told_to_install_python(build):
    assert not re.search(r"pkg-config|python3|apt-get", build[1].replace(str(ROOT), "")), build[1]


def test_nothing_of_python_is_compiled(build):
    folder = build[0]
    assert list((folder / "EvGateway.build").rglob("*.o"))
    assert [path for name in PYTHON_TARGETS for path in (folder / f"{name}.build").rglob("*.o")] == []


def test_nothing_of_python_is_linked(program):
    symbols = [line.split()[-1] for line in run("nm", program).stdout.splitlines()]
    assert any(name.startswith("evg_") for name in symbols)
    assert [name for name in symbols if re.match(r"_?Py|evg_py_", name)] == []
    needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program).stdout)
    assert "libev.so.4" in needed and not [name for name in needed if "python" in name.lower()]


def test_it_has_the_options_of_the_launcher(program):
    assert run(program, "--version").stdout == run(LAUNCHER, "--version").stdout
    assert "--graceful-timeout" in run(program, "--help").stdout


@pytest.mark.parametrize("start", ["itself", "launcher"])
def test_it_serves(program, start):
    server = Gateway(["--bind", "127.0.0.1:0", *([program] if start == "launcher" else [])],
                     program=[LAUNCHER if start == "launcher" else program])
    try:
        assert server.wait_until_ready().get("/shop").body == b"Hello from /shop"
        assert server.stop() == 0
    finally:
        assert not server.clean_up()
