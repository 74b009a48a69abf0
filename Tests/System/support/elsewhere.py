"""Which server the tests drive. Usually that is the build's launcher, told to use .venv; scripts/test-matrix chooses
the wheel's command in the virtual environment of another CPython, perhaps inside of another root.

Law: the tests run outside. Paths mean the same file inside: Tests, and pytest's --basetemp, are mounted there.
"""

import functools
import os
import re
import subprocess

# The virtual environment, as it is named inside of the root.
FOLDER = os.environ.get("EVGATEWAY_TEST_VENV")
# The root; None for that of the tests.
PLACE = os.environ.get("EVGATEWAY_TEST_ROOT")

# chroot(8) goes to the root's own top.
ENTER = 'cd "$1" && shift && exec "$@"'


def command(words, folder):
    """The words that run a command of the virtual environment in a working folder."""
    words = [f"{FOLDER}/bin/{words[0]}", *words[1:]]
    return ["chroot", PLACE, "/bin/sh", "-c", ENTER, "sh", str(folder), *words] if PLACE else words


@functools.cache
def described():
    """`CPython 3.9.2` and where it is: what the server's first line must tell. An error where it cannot be started."""
    program = "import platform, sys; print('CPython', platform.python_version() + ',', sys.executable)"
    return subprocess.run(command(["python", "-c", program], "/"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, check=True).stdout.strip()


def check(log):
    """That a server's log is that of the CPython which was chosen."""
    wanted = described()
    for host in re.findall(r"Starting evgateway \S+ \((.*)\)$", log, re.MULTILINE):
        assert _plain(host) == _plain(wanted), f"{wanted} was to serve, not {host}"


def _plain(text):
    """The interpreter has several names in its folder."""
    return text.rpartition("/")[0]
