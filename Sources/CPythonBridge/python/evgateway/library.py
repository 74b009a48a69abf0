"""Finds and loads the extension module _evgateway, and hands the process over to it."""
import importlib.machinery
import importlib.util
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = "libEvPython.so"
is_serving = False     # also in workers, and in every process that they fork


def path():
    """Returns the library that the launcher names, else the one beside the package: in its folder, or in the folder of
    the resources or beside it."""
    named = os.environ.pop("EVGATEWAY_LIBRARY", None)
    if named:
        return named
    resources = os.path.dirname(os.path.dirname(HERE))
    places = [os.path.join(folder, NAME) for folder in (os.path.dirname(resources), resources, HERE)]
    return next((place for place in places if os.path.exists(place)), places[0])


def load():
    """Returns the extension module. ImportError where it cannot be had."""
    loaded = sys.modules.get("_evgateway")
    if loaded is not None:
        return loaded
    if sys.version_info < (3, 9):
        raise ImportError(f"Python 3.9 or newer is needed, this is {sys.version.split()[0]}")
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
