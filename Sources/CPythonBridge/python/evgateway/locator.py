"""APP on the command line -> the callable.

    module  module:attr  module:package.attr  module:factory()  module:factory('literal', key=1)  path/file.py[:attr]
    paste:FILE.ini[#section]

Law: every failure is a LoadError whose message is a single line that names what was looked for.
"""
import ast
import difflib
import importlib
import importlib.util
import os
import sys
import traceback as tracebacks

from . import interface, state

DEFAULT_ATTRIBUTES = ("application", "app")
FACTORIES = ("create_app", "make_app", "get_wsgi_application")


BOOT_FAILURE = 3  # the module is missing, or the app's own code raised: gunicorn's "worker failed to boot"
LOAD_FAILURE = 4  # the module is there, but not the app in it: gunicorn's "app failed to load"


class LoadError(Exception):
    """The app cannot be loaded: message is one line; traceback is that of the app's code, or empty."""

    def __init__(self, message, exit_code=LOAD_FAILURE, traceback=""):
        super().__init__(message)
        self.message = " ".join(message.split())
        self.exit_code = exit_code
        self.traceback = traceback


def load(text, pythonpath="", expected="", factory=False):
    """Returns the callable that text names. expected is "wsgi", "asgi", "" for either, or None for no check."""
    app = find(text, pythonpath, factory)
    problem = interface.mismatch(app, expected, text) if expected is not None else None
    if problem:
        raise LoadError(f"{text!r} {problem}")
    return app


def find(text, pythonpath="", factory=False):
    """Returns the callable that text names, or that the callable makes, if that is a factory. The entries of pythonpath
    (separated by commas) and the working directory come first on sys.path."""
    extend_path(pythonpath)
    app = state.app if state.app is not None else find_named(text, factory)
    if factory:
        app = call_named(app, text)
    if not callable(app):
        raise LoadError(f"{text!r} is not callable, it is {a(app)}")
    return app


def find_named(text, factory=False):
    if text.startswith("paste:"):
        from . import paste
        return paste.load(text[len("paste:"):])
    module_text, colon, attribute = split(text)
    module = load_module(module_text)
    if colon:
        app = load_attribute(module, module_text, attribute)
    else:
        app = load_default(module, module_text, FACTORIES if factory else DEFAULT_ATTRIBUTES)
    return app


def extend_path(pythonpath):
    entries = [os.path.abspath(entry) for entry in pythonpath.split(",") if entry]
    for entry in reversed(entries + [os.getcwd()]):
        if entry in sys.path:
            sys.path.remove(entry)
        sys.path.insert(0, entry)


def split(text):
    """Returns (module, ":" or "", attribute). A path cannot contain a colon; the literals of a call may."""
    module, colon, attribute = text.partition(":")
    if not module or (colon and not attribute):
        raise LoadError(f"{text!r} is not of the form module, module:attribute or path/file.py[:attribute]")
    return module, colon, attribute


def is_path(text):
    return text.endswith(".py") or os.sep in text


def load_module(text):
    try:
        return load_file(text) if is_path(text) else importlib.import_module(text)
    except LoadError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not is_path(text) and (text == missing or text.startswith(missing + ".")) and missing:
            raise LoadError(missing_module(text, missing), BOOT_FAILURE) from None
        raise LoadError(
            f"cannot load {text!r}: it imports {missing!r}, and there is no such module in {sys.executable}; "
            "--python chooses another interpreter",
            BOOT_FAILURE, current_traceback(),
        ) from None
    except BaseException as error:
        raise LoadError(f"cannot load {text!r}: {one_line(error)}", BOOT_FAILURE, current_traceback()) from None


def missing_module(text, missing):
    message = f"No module named {missing!r}" + (f" (wanted: {text!r})" if missing != text else "")
    parent, _, attribute = text.rpartition(".")
    if hasattr(sys.modules.get(parent), attribute):
        return f"{message}; did you mean {parent}:{attribute}?"
    candidate = text.replace(".", os.sep) + ".py"
    if text.endswith("py") and os.path.exists(text):
        message += f"; did you mean the file ./{text}?"
    elif os.path.exists(candidate):
        message += f"; {candidate} exists, but one of its directories is no package"
    places = ", ".join(entry or "." for entry in sys.path)
    return f"{message}; looked in {places}"


def load_file(path):
    """Imports a file under its full name in its package, so that relative imports work. The directory that contains the
    outermost package is added to sys.path."""
    full = os.path.abspath(path)
    if not os.path.isfile(full):
        raise LoadError(f"no such file: {path}", BOOT_FAILURE)
    directory, file = os.path.split(full)
    names = [os.path.splitext(file)[0]]
    while os.path.isfile(os.path.join(directory, "__init__.py")):
        directory, package = os.path.split(directory)
        names.insert(0, package)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    if len(names) > 1:
        importlib.import_module(".".join(names[:-1]))
    name = ".".join(names)
    spec = importlib.util.spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise LoadError(f"{path} is no Python file")
    reloading = sys.modules.get("evgateway.reloading")
    if reloading is not None:
        spec = reloading.watched(spec)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_default(module, text, names=DEFAULT_ATTRIBUTES):
    for name in names:
        if hasattr(module, name):
            return getattr(module, name)
    if names == FACTORIES:
        raise LoadError(f"{text!r} has no attribute {', '.join(FACTORIES[:-1])} or {FACTORIES[-1]}")
    message = f"{text!r} has no attribute 'application' or 'app'"
    factories = [name for name in FACTORIES if callable(getattr(module, name, None))]
    if factories:
        message += f"; did you mean {text}:{factories[0]}()?"
    else:
        message += near(module, "application") or near(module, "app") or apps_of(module)
    raise LoadError(message)


def load_attribute(module, module_text, attribute):
    try:
        node = ast.parse(attribute, mode="eval").body
    except (SyntaxError, ValueError):
        raise LoadError(f"{attribute!r} is neither an attribute nor a call with literal arguments") from None
    if not isinstance(node, ast.Call):
        return look_up(module, module_text, node, attribute)
    factory = look_up(module, module_text, node.func, attribute)
    if not callable(factory):
        raise LoadError(f"{module_text}:{ast.unparse(node.func)} is not callable, it is {a(factory)}")
    try:
        positional = [ast.literal_eval(argument) for argument in node.args]
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg}
        if len(named) != len(node.keywords):
            raise ValueError("**")
    except ValueError:
        raise LoadError(f"the arguments of {attribute!r} must be literals") from None
    return call(factory, f"{module_text}:{attribute}", *positional, **named)


def call_named(factory, text):
    """Calls what --factory says is a factory."""
    try:
        return call(factory, text)
    except LoadError as error:
        if error.exit_code == LOAD_FAILURE and callable(factory) and interface.of(factory) != interface.FACTORY:
            error.message += "; leave out --factory if it is the app"
        raise


def call(factory, text, *positional, **named):
    """Returns what a factory makes."""
    if not callable(factory):
        raise LoadError(f"{text} is not callable, it is {a(factory)}")
    try:
        return factory(*positional, **named)
    except BaseException as error:
        mismatch = isinstance(error, TypeError) and error.__traceback__.tb_next is None
        code = LOAD_FAILURE if mismatch else BOOT_FAILURE
        raise LoadError(f"{text} failed: {one_line(error)}", code, current_traceback()) from None


def look_up(module, module_text, node, attribute):
    """Returns what a name, or several names with dots between them, refer to in the module."""
    names = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise LoadError(f"{attribute!r} is neither an attribute nor a call with literal arguments")
    names.insert(0, node.id)
    found, path = module, module_text
    for name in names:
        try:
            found, path = getattr(found, name), f"{path}:{name}" if found is module else f"{path}.{name}"
        except AttributeError:
            hint = near(found, name) or (apps_of(module) if found is module else "")
            raise LoadError(f"{path!r} has no attribute {name!r}{hint}") from None
    return found


def near(owner, name):
    public = [candidate for candidate in dir(owner) if not candidate.startswith("__")]
    close = difflib.get_close_matches(name, public, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(close)}?" if close else ""


def apps_of(module):
    """Returns a hint that names what in a module looks like an app, or "" if nothing does."""
    names = [name for name, value in vars(module).items()
             if not name.startswith("_") and interface.looks_like_app(value)]
    return f"; its apps may be: {', '.join(names)}" if names else ""


def a(value):
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"


def one_line(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def current_traceback():
    """Returns the traceback of the current exception, without the first frames, those of this file and importlib."""
    kind, error, traceback = sys.exc_info()
    while traceback and (
        traceback.tb_frame.f_code.co_filename == __file__
        or traceback.tb_frame.f_globals.get("__name__", "").startswith("importlib")
    ):
        traceback = traceback.tb_next
    return "".join(tracebacks.format_exception(kind, error, traceback))
