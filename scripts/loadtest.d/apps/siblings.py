"""Passes published messages between the processes of one server. Each process with waiting clients listens at its own
datagram socket, in a folder that the harness makes for the server; a process that publishes sends to all of them."""

import os
import pathlib
import socket

_FOLDER = os.environ.get("LOADTEST_SIBLINGS")


def listen():
    """Returns the socket of this process; None without a folder. The first waiting client makes it, after the fork."""
    if not _FOLDER:
        return None
    place = pathlib.Path(_FOLDER, str(os.getpid()))
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(place))
    return listening


def tell():
    """Wakes every listener. Returns False if there is no folder: then the caller must wake its own clients."""
    if not _FOLDER:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        for place in pathlib.Path(_FOLDER).iterdir():
            try:
                speaker.sendto(b"published", str(place))
            except OSError:  # its process has ended
                pass
    return True
