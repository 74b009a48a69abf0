"""Programs of others that serve in the foreground while a test runs."""

import os
import shutil
import subprocess

from . import wait, wire

BINARIES = os.environ["PATH"] + ":/usr/sbin:/sbin"


def binary(name):
    """The path of a program; it is an error if it is not installed."""
    path = shutil.which(name, path=BINARIES)
    assert path, f"{name} is not installed: scripts/setup tests"
    return path


class Foreground:
    """`with` starts `command` and waits until `address`, (host, port) or the path of a socket, takes connections.

    What the program prints is in the file `output`; `surroundings` are further arguments of `Popen`."""

    command, address, output, surroundings = None, None, None, {}
    process = None

    def __enter__(self):
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT, **self.surroundings)
        try:
            wait.until(self._answers, f"{self.command[0]} listens", interval=0.05)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _answers(self):
        assert self.process.poll() is None, self.output.read_text()
        try:
            wire.Wire(self.address).close()
            return True
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
