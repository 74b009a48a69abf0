"""PasteDeploy (pyramid, turbogears): apps of an .ini file, and the server of one.

    [server:main]
    use = egg:evgateway#main
"""
import os


def load(text):
    """Returns the app of FILE.ini[#section]."""
    from . import locator, state
    from .cfg import pairs
    file, _, section = text.partition("#")
    if not os.path.exists(file):
        raise locator.LoadError(f"no such file: {file}", locator.BOOT_FAILURE)
    try:
        from paste.deploy import loadapp
    except ImportError as error:
        raise locator.LoadError(
            f"cannot load {text!r}: {error} (pip install PasteDeploy)", locator.BOOT_FAILURE) from None
    conf = pairs(state.settings()[0].get("raw_paste_global_conf"))
    try:
        return loadapp("config:" + os.path.abspath(file), name=section or None, relative_to=os.getcwd(),
                       global_conf=conf)
    except BaseException as error:
        raise locator.LoadError(f"cannot load {text!r}: {locator.one_line(error)}", locator.BOOT_FAILURE,
                                locator.current_traceback()) from None


def server_runner(app, global_conf, **settings):
    """PasteDeploy's paste.server_runner: serves an app with the settings of its [server:] section."""
    from . import serve
    serve(app, **settings)
