"""Run by the launcher in the app's own interpreter: loads the extension module _evgateway and hands over to it.

Law: for the app, the interpreter looks as if it had been started for the app alone. sys.path has no entry of the
gateway.
"""
import importlib.machinery
import importlib.util
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def load_package():
    """Makes `evgateway` importable without an entry on sys.path, where its files would hide the app's modules."""
    sys.path[:] = [entry for entry in sys.path if not entry or os.path.abspath(entry) != HERE]
    spec = importlib.util.spec_from_file_location(
        "evgateway", os.path.join(HERE, "__init__.py"), submodule_search_locations=[HERE]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules["evgateway"] = package
    spec.loader.exec_module(package)


def load_extension():
    """Loads the Swift library from the path that the launcher gives, else from beside the resources' directory."""
    path = os.environ.pop("EVGATEWAY_LIBRARY", None)
    if not path:
        resources = os.path.dirname(os.path.dirname(HERE))
        path = os.path.join(os.path.dirname(resources), "libEvPython.so")
    loader = importlib.machinery.ExtensionFileLoader("_evgateway", path)
    spec = importlib.util.spec_from_file_location("_evgateway", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["_evgateway"] = module
    loader.exec_module(module)
    return module


def main():
    """Returns the exit code of the gateway."""
    if sys.version_info < (3, 9):
        print(f"evgateway: Python 3.9 or newer is needed, this is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    load_package()
    try:
        extension = load_extension()
    except ImportError as error:
        print(f"evgateway: cannot load the gateway into {sys.executable}: {error}", file=sys.stderr)
        return 1
    # The gateway's loop owns the signals; KeyboardInterrupt must not surface inside the app.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return extension.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
