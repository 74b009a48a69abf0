"""What most apps import of the standard library, imported once in the master: its workers share the memory, and start
sooner.

Law: nothing of the app is imported, and nothing in place of a module of the app that has the same name.
"""
import importlib
import os
import sys

MODULES = """
    base64 binascii bisect calendar contextvars copy csv dataclasses datetime decimal email.message email.parser
    email.utils gettext hashlib hmac html http.client http.cookies importlib.metadata inspect ipaddress json locale
    logging mimetypes numbers pathlib pickle pkgutil platform pprint random secrets select selectors shutil socket
    socketserver ssl string struct subprocess tempfile threading typing unicodedata urllib.parse uuid weakref zipfile
    zlib
"""     # of the standard library: what at least two of Flask, Django and FastAPI import


def load(argument):
    """Imports the modules, unless a folder of the app has a module with the name of one of the standard library."""
    from . import values
    folders = [os.getcwd(), *values.decode(argument)]
    if not any(shadows(folder) for folder in folders):
        for name in MODULES.split():
            try:
                importlib.import_module(name)
            except ImportError:
                pass    # an interpreter that was built without it
    return b"n"


def shadows(folder):
    """Returns True if a module or a package in the folder would be imported in place of one of the standard library. A
    folder without __init__.py would not: `venv` is often there."""
    known = getattr(sys, "stdlib_module_names", None) or {name.partition(".")[0] for name in MODULES.split()}
    try:
        names = [name for name in os.listdir(folder) if name.partition(".")[0] in known]
    except OSError:
        return False
    return any(name.endswith((".py", ".pyc", ".so")) or os.path.isfile(os.path.join(folder, name, "__init__.py"))
               for name in names)
