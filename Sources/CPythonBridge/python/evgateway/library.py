"""Finds and loads the extension module _evgateway, and hands the process over to it."""
import importlib.machinery
import importlib.util
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
IN_WHEEL, BUILT = "_evgateway.abi3.so", "libEvPython.so"

# What the launcher names, which has chosen the interpreter, too.
named = os.environ.pop("EVGATEWAY_LIBRARY", None)
# The command line, where there is one.
words = None
is_serving = False     # also in workers, and in every process that they fork


def path():
    """Returns the library that the launcher names, else the one in the package, as a wheel has it, else the one beside
    the package: in the folder of the resources or beside it."""
    if named:
        return named
    resources = os.path.dirname(os.path.dirname(HERE))
    places = [os.path.join(HERE, IN_WHEEL)]
    places += [os.path.join(folder, BUILT) for folder in (os.path.dirname(resources), resources, HERE)]
    return next((place for place in places if os.path.exists(place)), places[0])


def refusal():
    """Returns why this interpreter cannot load the extension; None where it can."""
    if sys.implementation.name != "cpython":
        return f"CPython is needed, this is {sys.implementation.name}"
    if sys.version_info < (3, 9):
        return f"Python 3.9 or newer is needed, this is {sys.version.split()[0]}"
    if "t" in sys.abiflags:
        return "this is a free-threaded build, which has no stable ABI: use the ordinary build of this version"
    return None


def load():
    """Returns the extension module. ImportError where it cannot be had."""
    loaded = sys.modules.get("_evgateway")
    if loaded is not None:
        return loaded
    reason = refusal()
    if reason:
        raise ImportError(reason)
    file = path()
    loader = importlib.machinery.ExtensionFileLoader("_evgateway", file)
    spec = importlib.util.spec_from_file_location("_evgateway", file, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules["_evgateway"] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop("_evgateway", None)
        raise
    return module


def place():
    """Returns a function that puts the working folder and the umask back, which settings may change."""
    mask = os.umask(0o077)
    os.umask(mask)
    try:
        folder = os.getcwd()
    except OSError:
        folder = None   # it has been removed

    def restore():
        os.umask(mask)
        if folder is not None:
            try:
                os.chdir(folder)
            except OSError:
                pass

    return restore


def start(arguments):
    """Runs the gateway and returns its exit code. Workers do not return."""
    global is_serving
    extension = load()
    is_serving = True
    restore = place()
    # The gateway's loop owns the signals; KeyboardInterrupt must not surface inside the app.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return extension.main(arguments)
    finally:
        is_serving = False
        restore()
        if before is not None:
            signal.signal(signal.SIGINT, before)


def command(arguments):
    """As start(), for the words of a command line, which another interpreter may take over."""
    global words
    words = arguments
    return start(arguments)


def enter(argument):
    """Becomes the interpreter that `--python` names, with the same command line, unless the process is it already or
    the launcher has chosen. Answers why this cannot be done."""
    from . import values
    return values.encode(_enter(values.decode(argument)))


def _enter(interpreter):
    if named or words is None or _is_ours(interpreter):
        return None
    os.environ["EVGATEWAY_LIBRARY"] = path()
    try:
        os.execv(interpreter, [interpreter, os.path.join(HERE, "__main__.py"), *words])
    except OSError as error:
        return f"cannot start {interpreter}: {error.strerror}"


def _is_ours(interpreter):
    """The links of two virtual environments may lead to one program."""
    def seen(file):
        return os.path.realpath(os.path.dirname(file)), os.path.realpath(file)
    return seen(interpreter) == seen(sys.executable)
