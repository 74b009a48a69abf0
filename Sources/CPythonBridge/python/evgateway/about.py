"""What a program may ask of its server, or of its installation."""
import os
import sys

from . import values


class Worker:
    """The worker that this process is."""

    def __init__(self, index, age):
        self.index, self.age, self.pid = index, age, os.getpid()

    @property
    def connections(self):
        """How many connections the worker holds now."""
        return _told()[2]

    @property
    def requests(self):
        """How many requests the worker has begun to serve."""
        return _told()[3]

    @property
    def leaving(self):
        """Whether the worker leaves, or will as soon as --shutdown-delay is over: a health check fails then."""
        return _told()[4]

    def __repr__(self):
        return f"<evgateway worker {self.index}, pid {self.pid}>"


_worker = None


def _told():
    extension = sys.modules.get("_evgateway")
    return values.decode(extension.tell("worker")) if extension is not None else None


def worker():
    """Returns the Worker of this process, None outside of a worker."""
    global _worker
    told = _told()
    if told is None:
        return None
    if _worker is None or (_worker.index, _worker.age) != (told[0], told[1]):
        _worker = Worker(told[0], told[1])
    return _worker


def version():
    """Returns "0.1.0", or None where neither the library nor an installation says it."""
    from . import library
    try:
        return values.decode(library.load().tell("version"))
    except ImportError:
        from importlib import metadata
        try:
            return metadata.version("evgateway")
        except metadata.PackageNotFoundError:
            return None
