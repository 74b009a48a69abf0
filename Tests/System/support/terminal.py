"""A program on a terminal of its own: what it draws, and how it leaves the terminal. It knows as much of ECMA-48 as the
live view writes."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    def __init__(self, command, env, rows=24, columns=80):
        self.written = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                # The size is there before the program looks.
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                os.execvpe(command[0], [str(word) for word in command], {**env, "TERM": "xterm-256color"})
            finally:
                os._exit(127)
        self.status = None

    # Both ways

    def press(self, keys):
        os.write(self.fd, keys)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _take(self, timeout):
        if select.select([self.fd], [], [], timeout)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:     # the other side is closed
                data = b""
            self.written += data
            return bool(data)
        return None

    def wait_for(self, pattern, start=0, timeout=30.0):
        """Waits until a frame that was drawn from `start` on matches, and returns it as lines."""
        deadline = time.monotonic() + timeout
        while True:
            for frame in reversed(self.frames(start)):
                if re.search(pattern, "\n".join(frame), re.M):
                    return frame
            left = deadline - time.monotonic()
            if left <= 0 or self._take(left) is False:
                raise AssertionError(f"no frame has {pattern!r}:\n{self.written[-3000:]!r}")

    def wait_for_bytes(self, data, start=0, timeout=30.0):
        deadline = time.monotonic() + timeout
        while data not in self.written[start:]:
            left = deadline - time.monotonic()
            if left <= 0 or self._take(left) is False:
                raise AssertionError(f"{data!r} has not come:\n{self.written[-3000:]!r}")

    def frames(self, start=0):
        """Each frame that has begun. The rest of the last one may not have come yet."""
        parts = re.split(rb"\x1b\[H", self.written[start:])[1:]
        return [[re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", line).decode() for line in re.split(rb"\r+\n", part)]
                for part in parts]

    # The end

    def mode(self):
        """The flags of input and of lines that the terminal has."""
        attributes = termios.tcgetattr(self.fd)
        return attributes[0], attributes[3]

    def wait(self, timeout=30.0):
        """Reads to the end and returns the exit code; a negative number is the signal that ended the program."""
        deadline = time.monotonic() + timeout
        while self.status is None:
            self._take(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise AssertionError(f"the program did not leave:\n{self.written[-3000:]!r}")
        while self._take(0):
            pass
        return self.status

    def close(self):
        if self.status is None:
            try:
                os.kill(self.pid, 9)
            except ProcessLookupError:
                pass
            os.waitpid(self.pid, 0)
        os.close(self.fd)
