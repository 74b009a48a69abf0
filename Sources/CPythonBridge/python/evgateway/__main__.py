"""Run by the launcher in the app's own interpreter, or by `python -m evgateway`: loads the extension module and hands
over to it.

Law: for the app, the interpreter looks as if it had been started for the app alone. sys.path has no entry of the
gateway, unless somebody else has put it there.
"""
import importlib.util
import os
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


def main():
    """Returns the exit code of the gateway."""
    if not __package__:
        load_package()
    from evgateway import library
    try:
        library.load()
    except ImportError as error:
        print(f"evgateway: cannot load the gateway into {sys.executable}: {error}", file=sys.stderr)
        return 1
    return library.command(sys.argv[1:])


def console():
    """The command `evgateway` of a wheel: its folder is no place for an app's modules."""
    if sys.path and sys.path[0] == os.path.dirname(os.path.realpath(sys.argv[0])):
        del sys.path[0]
    return main()


if __name__ == "__main__":
    sys.exit(main())
