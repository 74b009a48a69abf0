"""What a worker class is chosen by, found out in a process that ends afterwards.

Law: gevent patches the standard library before an app is imported, and only for WSGI apps, so the kind of the app has
to be known before the import that counts. The answer comes from an import that does not count.
"""
import os
import sys

from . import gevent_worker, interface, locator


def probe(text, pythonpath, arguments, asked):
    """"KIND\\nWHY": wsgi or asgi, or "" when the import failed; WHY gevent cannot be used, or "+VERSION" of it."""
    # What the import prints, and why it fails, a worker shows when it does the same in a moment.
    silence()
    kind = asked
    if not kind:
        sys.argv = [text.partition(":")[0], *arguments]
        try:
            kind = interface.of(locator.find(text, pythonpath))
        except locator.LoadError:
            kind = ""
    return f"{kind}\n{gevent() if kind == interface.WSGI else ''}"


def silence():
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def gevent():
    """"+VERSION" of a gevent that can be used, or why there is none."""
    try:
        import gevent
    except ModuleNotFoundError:
        return "gevent is not installed"
    except BaseException:
        return "gevent cannot be imported"
    if gevent_worker.prepare(patch=False):
        return f"gevent {gevent.__version__} is too old"
    return f"+{gevent.__version__}"
