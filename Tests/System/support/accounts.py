"""Another user than root, for servers that root starts: what he may do, and what the kernel says of his processes."""

import functools
import os
import pwd
import subprocess

import pytest

from .gateway import LAUNCHER

USER = "nobody"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user of workers")


def entry():
    return pwd.getpwnam(USER)


def as_user(*command, **more):
    """Runs a command as the user."""
    entry_ = entry()
    return subprocess.run(
        ["setpriv", f"--reuid={entry_.pw_uid}", f"--regid={entry_.pw_gid}", "--clear-groups", "--", *map(str, command)],
        capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **more)


@functools.cache
def can_read_the_build():
    return as_user("test", "-r", LAUNCHER).returncode == 0


def require():
    """Workers load modules as that user."""
    if not can_read_the_build():
        pytest.skip(f"{USER} cannot read {LAUNCHER}, and so not what a worker imports")


def status(pid):
    """The fields of /proc/PID/status."""
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
