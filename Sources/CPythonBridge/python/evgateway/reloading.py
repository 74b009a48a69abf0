"""--reload, in a worker: names each file of the app to the server, which watches it, before the file is read.

Law: nothing imports this module without --reload. The standard library is left out, and so is the server's own package.
"""
import os
import sys
import time
from importlib.machinery import SourceFileLoader

import _evgateway

LIBRARY, OWN = os.path.dirname(os.__file__) + os.sep, os.path.dirname(os.path.abspath(__file__)) + os.sep
PACKAGES = tuple(LIBRARY + name + os.sep for name in ("site-packages", "dist-packages"))
YOUNG = 2.0     # seconds in which a file may change again without another time, or size, in its compiled form


def begin(_):
    """Called in a worker before it loads the app."""
    scan()
    sys.meta_path.insert(0, Finder)
    return b"n"


def scan():
    """Names the modules that are loaded, those too that another finder than this has found."""
    for module in list(sys.modules.values()):
        name(getattr(module, "__file__", None))


def name(file):
    if not isinstance(file, str) or file.startswith("<"):
        return
    file = os.path.abspath(file)
    if not file.startswith(OWN) and (not file.startswith(LIBRARY) or file.startswith(PACKAGES)):
        _evgateway.watch_file(file)


class Finder:
    """Finds modules as the other finders do."""

    @classmethod
    def find_spec(cls, module, path=None, target=None):
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = find(module, path, target) if find is not None and finder is not cls else None
            if spec is not None:
                return watched(spec)
        return None


def watched(spec):
    """Names the file of a module that is about to be loaded. Returns the spec."""
    if spec.has_location:
        name(spec.origin)
        if type(spec.loader) is SourceFileLoader and is_young(spec.origin):
            spec.loader = UncachedLoader(spec.loader.name, spec.loader.path)
    return spec


def is_young(file):
    try:
        return time.time() - os.stat(file).st_mtime < YOUNG
    except OSError:
        return False


class UncachedLoader(SourceFileLoader):
    """Writes no compiled file: Python takes one for that of a later source of the same second and the same size."""

    def set_data(self, path, data, *, _mode=0o666):
        pass
