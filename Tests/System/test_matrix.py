"""scripts/test-matrix where it cannot do its work, and the suites' own guard that the server is the chosen one."""

import os
import subprocess

import pytest

from support import elsewhere
from support.gateway import ROOT


@pytest.fixture
def run(tmp_path):
    """`run(*arguments, tool=text)` runs the script with a command replaced by a shell script."""
    def start(*arguments, **tools):
        for name, text in {"id": "echo 0", **tools}.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        done = subprocess.run([ROOT / "scripts" / "test-matrix", *arguments], capture_output=True, text=True,
                              timeout=60, env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)})
        return done.returncode, done.stdout, done.stderr
    return start


LACKS = {"only root can make and enter roots": {"id": "echo 1000"},
         "mounts are not allowed here": {"unshare": "exit 1"}}


@pytest.mark.parametrize("why", LACKS)
def test_a_lack_is_a_failure_in_one_line(run, why):
    assert run("oldest", **LACKS[why]) == (1, "", f"test-matrix: {why}\n")


@pytest.mark.parametrize("why", LACKS)
def test_a_lack_is_told_where_it_is_no_failure(run, why):
    assert run("--where-possible", "--short", "oldest", "newest", **LACKS[why]) == (
        0, "", f"test-matrix: NOT RUN on this machine: {why}\n")


@pytest.mark.parametrize("name, why", [("3.13t", "pyenv has no CPython 3.13t"), ("/proc", "/proc has no CPython")])
def test_a_name_without_an_interpreter_is_a_failure_in_one_line(run, name, why):
    unshare = 'while [ "${1#-}" != "$1" ] || [ "$1" = private ]; do shift; done\nexec "$@"'
    assert run(name, unshare=unshare) == (1, "", f"test-matrix: {why}\n")


@pytest.mark.parametrize("words", [["sarge"], ["3.8"], ["--shorter"]])
def test_a_name_that_is_unknown_is_refused(run, words):
    assert run(*words) == (2, "", "usage: scripts/test-matrix [--where-possible] [--short] [NAME...]\n")


@pytest.mark.parametrize("host, is_it", [
    ("CPython 3.9.2, /opt/evgateway/bin/python", True), ("CPython 3.9.2, /opt/evgateway/bin/python3", True),
    ("CPython 3.9.2, /usr/bin/python", False), ("CPython 3.11.2, /opt/evgateway/bin/python", False),
])
def test_a_server_of_another_cpython_fails_the_suites(monkeypatch, host, is_it):
    monkeypatch.setattr(elsewhere, "described", lambda: "CPython 3.9.2, /opt/evgateway/bin/python")
    log = f"[2026-01-01 00:00:00 +0000] [7] [INFO] Starting evgateway 0.1.0 ({host})\nmore"
    if is_it:
        return elsewhere.check(log)
    with pytest.raises(AssertionError, match="was to serve"):
        elsewhere.check(log)
