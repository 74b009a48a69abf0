"""A machine, usually a chroot, without /proc: every way to start says so, and none of them serves."""

import os
import subprocess

import pytest

from conftest import PYTHON
from support.gateway import APPS, LAUNCHER, environment
from support.program import PACKAGE

# An empty folder in the place of /proc, in a mount namespace that ends with the program.
WITHOUT = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c",
           "mount -t tmpfs none /proc && exec \"$@\"", "sh"]
PROGRAM = "import evgateway; evgateway.serve(lambda environ, start_response: [], port=0)"


def run(*words, env=None):
    return subprocess.run([*WITHOUT, *map(str, words)], capture_output=True, text=True, timeout=60, cwd=APPS,
                          stdin=subprocess.DEVNULL, env=environment(env))


@pytest.fixture(params=["launcher", "launcher for Swift", "Swift app", "module", "module with asgi", "program"])
def command(request, example):
    bind = ["--bind", "127.0.0.1:0"]
    return {
        "launcher": [LAUNCHER, "contract:app", *bind],
        "launcher for Swift": [LAUNCHER, example("hello"), *bind],
        "Swift app": [example("hello"), *bind],
        "module": [PYTHON, "-m", "evgateway", "contract:app", *bind],
        "module with asgi": [PYTHON, "-m", "evgateway", "both:asgi", *bind],
        "program": [PYTHON, "-c", PROGRAM],
    }[request.param]


def test_the_lack_of_proc_is_named(command):
    if run("true").returncode != 0:
        pytest.skip("this user may not mount anything")
    done = run(*command, env={"PYTHONPATH": str(PACKAGE)})
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.splitlines() == [
        "evgateway: /proc is needed, and /proc/self/fd cannot be read (No such file or directory): in a chroot, mount "
        "it with 'mount -t proc proc /proc'"]
