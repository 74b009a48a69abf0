"""PasteDeploy (pyramid, turbogears): apps of an .ini file, and the server of one.

    [server:main]
    use = egg:evgateway#main

or, where no installation declares the entry point, `use = call:evgateway.paste:server_factory`.
"""
import os


def load(text):
    """Returns the app of FILE.ini[#section]. A file with loggers configures logging first, as under gunicorn."""
    from . import locator, state
    from .cfg import pairs
    file, _, section = text.partition("#")
    if not os.path.isfile(file):
        raise locator.LoadError(f"no such file: {file}", locator.BOOT_FAILURE)
    try:
        from paste.deploy import loadapp
    except ImportError as error:
        raise locator.LoadError(
            f"cannot load {text!r}: {error} (pip install PasteDeploy)", locator.BOOT_FAILURE) from None
    conf = pairs(state.settings()[0].get("raw_paste_global_conf"))
    try:
        configure_logging(os.path.abspath(file))
        return loadapp("config:" + os.path.abspath(file), name=section or None, relative_to=os.getcwd(),
                       global_conf=conf)
    except BaseException as error:
        details = locator.current_traceback() if has_frames_of_others(error) else ""
        raise locator.LoadError(
            f"cannot load {text!r}: {locator.one_line(error)}", locator.BOOT_FAILURE, details) from None


def has_frames_of_others(error):
    """Whether a traceback tells more than that PasteDeploy did not find what the file names."""
    import traceback
    frames = list(traceback.walk_tb(error.__traceback__))[1:]
    names = [frame.f_globals.get("__name__") or "" for frame, _ in frames]
    return not all(name.partition(".")[0] in ("paste", "importlib", "configparser") for name in names)


def configure_logging(path):
    import configparser
    parser = configparser.RawConfigParser()
    parser.read(path)
    if parser.has_section("loggers"):
        import logging.config
        logging.config.fileConfig(path, {"__file__": path, "here": os.path.dirname(path)}, False)


def server_runner(app, global_conf, **settings):
    """PasteDeploy's paste.server_runner: serves an app with the settings of its [server:] section."""
    from . import serve
    if isinstance(settings.get("bind"), str):
        settings["bind"] = settings["bind"].replace(",", " ").split()
    serve(app, **settings)


def server_factory(global_conf, **settings):
    """PasteDeploy's paste.server_factory: returns a function that serves an app."""
    return lambda app: server_runner(app, global_conf, **settings)
