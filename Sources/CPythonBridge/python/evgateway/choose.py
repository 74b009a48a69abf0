"""Finds out what the choice of a worker class depends on, in a child process that ends afterwards.

Law: gevent must patch the standard library before the app is imported, and only for WSGI apps. So the kind of the app
must be known before a worker imports it. This process imports it, too, and ends.
"""
import os
import sys

from . import gevent_worker, interface, locator, state


def probe(text, pythonpath, arguments, factory, asked):
    """Returns two lines. The first is wsgi or asgi, or empty if the import failed. The second, for a WSGI app, is
    "+VERSION" of gevent, or why gevent cannot be used."""
    # A worker imports the app after this, and shows then what the import prints and why it fails.
    silence()
    # The app may change before the worker reads it: see reloading.UncachedLoader.
    sys.dont_write_bytecode |= bool(state.settings()[0].get("reload"))
    kind = asked
    if not kind:
        if state.app is None:
            sys.argv = [text.partition(":")[0], *arguments]
        try:
            kind = interface.of(locator.find(text, pythonpath, factory))
        except locator.LoadError:
            kind = ""
    return f"{kind}\n{gevent() if kind == interface.WSGI else ''}"


def silence():
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def gevent():
    """Returns "+VERSION" if gevent can be used, else why not."""
    if state.app is not None and "gevent.monkey" not in sys.modules:
        return "the program has imported it before gevent could patch the standard library"
    try:
        import gevent
    except ModuleNotFoundError:
        return "gevent is not installed"
    except BaseException:
        return "gevent cannot be imported"
    if gevent_worker.prepare(patch=False):
        return f"gevent {gevent.__version__} is too old"
    return f"+{gevent.__version__}"
