"""Socket options of another process: its descriptors are copied (pidfd_getfd(2)), which changes nothing for it."""

import contextlib
import ctypes
import os
import socket

PIDFD_GETFD = 438
libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def copied(pid, descriptor):
    """The socket behind a descriptor of the process."""
    pidfd = os.pidfd_open(pid)
    try:
        number = libc.syscall(PIDFD_GETFD, pidfd, descriptor, 0)
        if number < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        with socket.socket(fileno=number) as one:
            yield one
    finally:
        os.close(pidfd)


def sockets(pid):
    """The numbers of the descriptors that are sockets."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                found.append(int(name))
    return sorted(found)


def options_of_connections(pid, port, options):
    """The values of (level, name) of each established TCP connection that the process has on a port."""
    values = []
    for descriptor in sockets(pid):
        with copied(pid, descriptor) as one:
            if one.family not in (socket.AF_INET, socket.AF_INET6) or one.getsockname()[1] != port:
                continue
            if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                values.append([one.getsockopt(level, name) for level, name in options])
    return values
