"""Gives logging its gunicorn.error as soon as the app imports logging, and costs nothing if it never does."""
import importlib.util
import sys


def prepare():
    """Called before the app is imported."""
    if "logging" in sys.modules:
        from . import errorlog
        errorlog.install()
    else:
        sys.meta_path.insert(0, Finder)


class Finder:
    """Finds logging as every other finder does, and adds a step to its import. It is gone after that."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not cls]
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = Loader(spec.loader)
        return spec


class Loader:
    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        module.__loader__ = module.__spec__.loader = self._loader
        if "evgateway.errorlog" not in sys.modules:     # it imports logging itself, and is not ready
            from . import errorlog
            errorlog.install()
