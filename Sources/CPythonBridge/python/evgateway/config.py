"""Configuration files in Python, as gunicorn reads them: every name that is a setting or a hook counts.

Law: a file that cannot be used is one line, "FILE:LINE: why", and a traceback that begins in the file. A name that is
no setting is left alone, for people keep helpers there; but not a usual mistake or a misspelling.
"""
import ast
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from importlib.machinery import SourceFileLoader

from . import aliases, interface, locator, state, values

PLAIN = (str, int, float, list, tuple, dict, type(None))


class FileError(Exception):
    def __init__(self, reason, details=None):
        super().__init__(reason)
        self.reason, self.details = reason, details


def read(argument):
    """argument: location, pythonpath, and what the names are. Answers {"settings": [[name, value, line]]}, or
    {"reason", "details"}."""
    location, pythonpath, known = values.decode(argument)
    try:
        settings, hooks, originals = read_file(location, pythonpath, known)
    except FileError as error:
        return values.encode({"reason": " ".join(error.reason.split()), "details": error.details})
    state.file_was_read(hooks, originals)
    return values.encode({"settings": settings})


def read_file(location, pythonpath, known):
    """Returns the settings as [name, value, line], the hooks by name, and the settings' values as they are."""
    locator.extend_path(pythonpath)
    with aliases.Allowed():
        if location.startswith("python:"):
            name, module = execute_module(location[len("python:"):])
        else:
            name = location[len("file:"):] if location.startswith("file:") else location
            module = execute_file(name)
    lines = lines_of(getattr(module, "__file__", None))
    settings, hooks, originals = [], {}, {}
    for key, value in vars(module).items():
        kind = known.get(key)
        place = f"{name}:{lines[key]}: " if key in lines else f"{name}: "
        if kind == "setting" and not inspect.ismodule(value):
            try:
                settings.append([key, values.of_setting(key, value), lines.get(key)])
            except (TypeError, RecursionError) as error:
                raise FileError(f"{place}{key}: {error}") from None
            originals[key] = value
        elif kind == "hook":
            try:
                hooks[key] = as_hook(key, value)
            except TypeError as error:
                raise FileError(f"{place}{error}") from None
        elif not key.startswith("_") and key == key.lower() and isinstance(value, PLAIN):
            right = kind or values.nearest(key, [other for other, what in known.items() if what == "setting"])
            if right and not is_helper(right, value, module):
                raise FileError(f"{place}no setting {key!r}; did you mean {right!r}?")
    return settings, hooks, originals


def is_helper(right, value, module):
    """Whether a name that resembles that of a setting is the file's own: the setting stands there, too, or cannot have
    such a value, as in `env = "production"`."""
    return right in vars(module) or right == "raw_env" and isinstance(value, str) and "=" not in value


def execute_file(name):
    """Executes a file as the module __config__, which is a new one each time."""
    path = os.path.abspath(name)
    loader = SourceFileLoader("__config__", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("__config__", path, loader=loader))
    before = sys.modules.get("__config__")
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        raise FileError(f"{name}: {error.strerror or error}") from None
    sys.modules["__config__"] = module
    try:
        # Not by the loader: it would take a compiled file of the same second for this one.
        exec(compile(source, path, "exec", dont_inherit=True), vars(module))
    except BaseException as error:
        if before is None:
            sys.modules.pop("__config__", None)
        else:
            sys.modules["__config__"] = before
        raise failure(error, name, path) from None
    return module


def execute_module(name):
    """Imports a module, which is a new one each time: a name that the file has lost must not stay. Returns the name of
    its file for messages, and the module."""
    before = sys.modules.pop(name, None)
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        if before is not None:
            sys.modules[name] = before
        if isinstance(error, ModuleNotFoundError) and error.name and (name + ".").startswith(error.name + "."):
            raise FileError(f"python:{name}: no module named {error.name!r}") from None
        path = next((path for path, _ in frames(error) if module_of(path, name)), None)
        if isinstance(error, SyntaxError) and path is None:
            path = error.filename
        raise failure(error, shown(path) if path else f"python:{name}", path) from None
    path = getattr(module, "__file__", None)
    return (shown(path) if path else f"python:{name}"), module


def module_of(path, name):
    parts = os.path.splitext(path)[0].split(os.sep)
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return parts[-1] == name.rpartition(".")[2]


def shown(path):
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative


def frames(error):
    """Returns the (file, line) of each frame of the error, the outermost first."""
    return [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]


def failure(error, name, path):
    line = next((line for file, line in reversed(frames(error)) if file == path), None)
    reason = locator.one_line(error)
    if line is None and isinstance(error, SyntaxError) and error.filename == path:
        line, reason = error.lineno, f"{type(error).__name__}: {error.msg}"
    tail = error.__traceback__
    while tail is not None and tail.tb_frame.f_code.co_filename != path:
        tail = tail.tb_next
    details = "".join(traceback.format_exception(type(error), error, tail))
    return FileError(f"{name}:{line}: {reason}" if line else f"{name}: {reason}", details)


def lines_of(path):
    """Returns the line of the last assignment of each name, outside of functions and classes."""
    lines = {}
    try:
        with open(path, "rb") as file:
            pending = list(ast.parse(file.read()).body)
    except (OSError, TypeError, ValueError, SyntaxError):
        return lines
    while pending:
        node = pending.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names, nested = [node.name], []
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names, nested = [alias.asname or alias.name.partition(".")[0] for alias in node.names], []
        elif isinstance(node, ast.Name):
            names, nested = [node.id] if isinstance(node.ctx, ast.Store) else [], []
        elif isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            names, nested = [], []
        else:
            names, nested = [], list(ast.iter_child_nodes(node))
        for name in names:
            lines[name] = max(node.lineno, lines.get(name, 0))
        pending[:0] = nested
    return lines


def as_hook(name, value):
    """Returns a function that is called with all parameters of the hook. TypeError if the value cannot be called so."""
    if isinstance(value, str):
        value = imported(name, value)
    if not callable(value):
        raise TypeError(f"the hook {name!r} is not callable, it is {locator.a(value)}")
    parameters = state.HOOKS.get(name, "").split(", ")
    count = len(parameters)
    if name not in state.HOOKS or interface.takes(value, count):
        return value
    if name == "post_request":
        for fewer in (3, 2):
            if interface.takes(value, fewer):
                return lambda *arguments: value(*arguments[:fewer])
    raise TypeError(f"the hook {name!r} must take {count} argument{'s' * (count > 1)}: {', '.join(parameters)}")


def imported(name, text):
    module, _, attribute = text.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise TypeError(f"the hook {name!r} is {text!r}, which cannot be imported: {error}") from None
