"""The processes of one server tell one another of what is published: each that has clients waiting listens at a
datagram socket of its own, in a folder that the harness makes for the server, and a publish goes to all of them."""

import os
import pathlib
import socket

_FOLDER = os.environ.get("LOADTEST_SIBLINGS")


def listen():
    """The socket of this process. Made by the first client that waits, so after every fork; None without a folder."""
    if not _FOLDER:
        return None
    place = pathlib.Path(_FOLDER, str(os.getpid()))
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(place))
    return listening


def tell():
    """Wakes every listener. False when there is no folder: then the caller has only itself to tell."""
    if not _FOLDER:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
        for place in pathlib.Path(_FOLDER).iterdir():
            try:
                speaker.sendto(b"published", str(place))
            except OSError:  # its process has ended
                pass
    return True
