"""gunicorn's module names where gunicorn is not installed: what configurations and subclasses of its logger import.

Law: an installed gunicorn is never hidden, and the names are there only while a configuration or a logger class is
loaded. What has imported them keeps them.
"""
import importlib
import importlib.machinery
import importlib.util
import sys
import types

NAMES = {"gunicorn": None, "gunicorn.glogging": "glogging", "gunicorn.instrument": None,
         "gunicorn.instrument.statsd": "statsd"}


class Finder:
    """Comes last, so that it is asked only for what nobody else has."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in NAMES:
            return None
        return importlib.machinery.ModuleSpec(name, cls, is_package=NAMES[name] is None)

    @staticmethod
    def create_module(spec):
        if NAMES[spec.name] is not None:
            module = importlib.import_module(f"evgateway.{NAMES[spec.name]}")
            spec.loader_state = module.__spec__
            return module
        module = types.ModuleType(spec.name, "Stands for gunicorn, which is not installed.")
        if spec.name == "gunicorn":
            from . import about
            module.__version__ = about.version()
            module.SERVER = "evgateway"
            module.SERVER_SOFTWARE = f"evgateway/{module.__version__}"
        return module

    @staticmethod
    def exec_module(module):
        """The modules are those of this package, and stay so."""
        if module.__spec__.loader_state is not None:
            module.__spec__ = module.__spec__.loader_state


class Allowed:
    """with Allowed(): the names can be imported."""

    def __enter__(self):
        sys.meta_path.append(Finder)

    def __exit__(self, *_):
        sys.meta_path.remove(Finder)
