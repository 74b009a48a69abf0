"""What holds for the process: the settings and the app that a program gave, the hooks, and the settings in force.

Law: this module is in every process, so it imports next to nothing. What is told here is read when somebody asks.
"""
import os

from . import values

# The parameters of gunicorn's hooks. A post_request may leave out the last two.
HOOKS = {
    "on_starting": "server", "on_reload": "server", "when_ready": "server", "pre_fork": "server, worker",
    "post_fork": "server, worker", "post_worker_init": "worker", "worker_int": "worker", "worker_abort": "worker",
    "pre_exec": "server", "pre_request": "worker, req", "post_request": "worker, req, environ, resp",
    "child_exit": "server, worker", "worker_exit": "server, worker",
    "nworkers_changed": "server, new_value, old_value", "on_exit": "server",
    "ssl_context": "config, default_ssl_context_factory", "on_dirty_starting": "arbiter",
    "dirty_post_fork": "arbiter, worker", "dirty_worker_init": "worker", "dirty_worker_exit": "arbiter, worker",
}

app = None          # what evgateway.serve() serves
given = None        # [name, value, None] of each setting of the program's, if evgateway.serve() was called
given_hooks = {}
given_originals = {}    # the values of its settings before they were made plain
originals = {}          # those of the file's settings
logger = None           # the logger in force; None: the server writes its log by itself

_file_hooks = {}
_next = None        # (hooks, originals) of a file that is not in force yet
_told = None        # what configured() was told
_settings = None


def forget():
    """A program that serves again begins anew."""
    global app, given, given_hooks, given_originals, originals, logger, _file_hooks, _next, _told, _settings
    app, given, given_hooks, given_originals, originals, _file_hooks = None, None, {}, {}, {}, {}
    logger = _next = _told = _settings = None


def given_settings(_):
    return values.encode(given)


def file_was_read(hooks, values_of_settings):
    """The hooks of a file are in force from configured() on, those of the first one at once."""
    global _next
    _next = (hooks, values_of_settings)
    if _told is None:
        _take_next()


def _take_next():
    global _next, _file_hooks, originals
    if _next is not None:
        _file_hooks, originals = _next
        _next = None


def configured(argument):
    """argument: the settings in force, as [name, value, line]; the addresses; APP."""
    global _told, _settings
    _told, _settings = argument, None
    _take_next()
    import sys
    arbiter = sys.modules.get("evgateway.arbiter")
    if arbiter is not None:
        arbiter.settings_changed()
    return b"n"


def settings():
    """Returns (the settings in force by name, addresses, APP)."""
    global _settings
    if _settings is None:
        triples, binds, locator = values.decode(_told) if _told is not None else ([], [], None)
        _settings = ({name: value for name, value, _ in triples}, binds, locator)
    return _settings


def next_originals():
    """Returns the values of the settings of the file that was read last."""
    return originals if _next is None else _next[1]


def hook(name):
    return given_hooks.get(name) or _file_hooks.get(name)


def defined_hooks(_):
    """The hooks that there are, and those that tell the server object of its workers while there is another hook that
    may ask it."""
    names = {*given_hooks, *_file_hooks}
    if any(HOOKS.get(name, "").startswith("server") for name in names):
        names |= {"pre_fork", "child_exit", "nworkers_changed"}
    return values.encode(sorted(names))


def set_environment(argument):
    """argument: (name, value) of each variable; None removes it."""
    for name, value in values.decode(argument):
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return b"n"

