"""Python's logging as the log of the server: which logger is in force, and how the server's words reach it.

Law: imported only where settings ask for it. The words of the server come here at moments at which an app may run; no
failure of a logger ends a process or loses a request.
"""
import importlib
import logging
import sys

import _evgateway

from . import accesslog, aliases, cfg, errorlog, glogging, logconfig, state, values

# The classes that say what the server does anyway.
OWN = {None, "", "simple", "gunicorn.glogging.Logger", "evgateway.glogging.Logger", "gunicorn.instrument.statsd.Statsd",
       "evgateway.statsd.Statsd"}
FAMILIES = ("gunicorn", "evgateway")


class Unusable(Exception):
    def __init__(self, setting, reason):
        super().__init__(reason)
        self.setting = setting


def class_of(settings):
    """Returns the class that the settings name. Unusable if there is none."""
    name = settings.logger_class_name
    if isinstance(name, type):
        return name
    if name in OWN:
        return glogging.Logger
    try:
        with aliases.Allowed():
            found = entry_point(name) if name.startswith("egg:") or "." not in name else dotted(name)
    except (Exception, SystemExit) as error:
        raise Unusable("logger_class", f"'{name}' cannot be imported: {logconfig.explained(error)}") from error
    if not callable(found):
        raise Unusable("logger_class", f"'{name}' is no class")
    install = getattr(found, "install", None)
    if install is not None:
        install()
    return found


def dotted(name):
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def entry_point(name):
    """Returns what a distribution offers as egg:DISTRIBUTION#NAME, or as NAME."""
    from importlib import metadata
    name = name[len("egg:"):] if name.startswith("egg:") else f"gunicorn#{name}"
    distribution, _, entry = name.partition("#")
    for point in metadata.distribution(distribution).entry_points:
        if point.group == "gunicorn.loggers" and point.name == (entry or "main"):
            return point.load()
    raise LookupError(f"{distribution} offers no such logger")


def check(argument):
    """argument: the settings, as [name, value, line]. Answers None, or {"setting", "reason"}. Nothing is configured."""
    settings = cfg.Config.of(values.decode(argument))
    try:
        class_of(settings)
        logconfig.names(settings)
    except Unusable as error:
        return values.encode({"setting": error.setting, "reason": str(error)})
    except RuntimeError as error:
        return values.encode({"setting": logconfig.setting(settings), "reason": str(error)})
    return b"n"


def open(_):
    """Lets the settings in force decide the log. Answers {"level", "note"}, or {"setting", "reason"}; then the log is
    what it was before."""
    settings, former = cfg.Config(), state.logger
    if settings.access_log_format in ("json", "logfmt"):
        settings.set("access_log_format", accesslog.FORMAT)
    try:
        if former is None:
            make = class_of(settings)
            release()
            state.logger = join(make(settings), settings)
        else:
            separate()
            set_up(former, settings)
            join(former, settings)
            former.reopen_files()
    except (Exception, SystemExit) as error:
        if former is not None:
            restore(former)
        else:
            errorlog.install()
        name = error.setting if isinstance(error, Unusable) else logconfig.setting(settings) or "logger_class"
        return values.encode({"setting": name, "reason": logconfig.explained(error)})
    note = None
    if logconfig.setting(settings) == "logconfig_json" and logconfig.read_json(settings.logconfig_json) is None:
        note = f"there is no file '{settings.logconfig_json}'"
    level = errorlog.LEVELS.get(str(settings.loglevel).lower(), logging.INFO)
    if isinstance(getattr(state.logger, "error_log", None), logging.Logger):
        level = state.logger.error_log.getEffectiveLevel()
    return values.encode({"level": level, "note": note})


_settings = None    # with which the log was opened last


def set_up(logger, settings):
    """A class that only looks like gunicorn's may lack what reads the settings again."""
    setup = getattr(logger, "setup", None)
    if setup is not None:
        setup(settings)


def loggers_of(logger):
    """Returns the loggers of errors and of requests."""
    found = [getattr(logger, f"{kind}_log", None) for kind in ("error", "access")]
    return [log if isinstance(log, logging.Logger) else logging.getLogger(f"gunicorn.{kind}")
            for kind, log in zip(("error", "access"), found)]


def join(logger, settings):
    """Makes the names of both families lead to the handlers of the logger. The server's records have the name that the
    configuration has."""
    global _settings
    named = logconfig.names(settings)
    families = [family for family in FAMILIES
                if any(name == family or name.startswith(f"{family}.") for name in named)]
    if families == ["evgateway"]:
        logger.error_log, logger.access_log = map(logging.getLogger, ("evgateway.error", "evgateway.access"))
    for log in loggers_of(logger):
        if log.name.endswith(".error") and not log.hasHandlers():
            log.addHandler(glogging.handler_of(settings))    # for apps that take over what it has
        for family in FAMILIES:
            twin = logging.getLogger(f"{family}.{log.name.partition('.')[2]}")
            if twin is log:
                continue
            for handler in twin.handlers if twin.name in named else ():
                if handler not in log.handlers:
                    log.addHandler(handler)
            twin.handlers, twin.propagate, twin.disabled = log.handlers, log.propagate, log.disabled
            twin.setLevel(log.level)
    _settings = settings
    return logger


def separate():
    """Each logger has its own list of handlers again, which a configuration may empty."""
    for kind in ("error", "access"):
        for family in FAMILIES:
            logger = logging.getLogger(f"{family}.{kind}")
            logger.handlers = list(logger.handlers)


def release():
    """Takes the handlers away that lead to the server's own log."""
    separate()
    for kind in ("error", "access"):
        for family in FAMILIES:
            logger = logging.getLogger(f"{family}.{kind}")
            for handler in list(logger.handlers):
                if isinstance(handler, errorlog.Handler):
                    logger.removeHandler(handler)


def restore(logger):
    try:
        separate()
        set_up(logger, _settings)
        join(logger, _settings)
    except (Exception, SystemExit) as error:
        print(f"The configuration of before cannot be restored: {logconfig.explained(error)}", file=sys.stderr)


def close(_):
    """The server writes its log by itself again, after a reload."""
    separate()
    for kind in ("error", "access"):
        for family in FAMILIES:
            logging.getLogger(f"{family}.{kind}").handlers = []
    state.logger = None
    errorlog.install()
    return b"n"


# What the server has to say

METHODS = ((logging.CRITICAL, "critical"), (logging.ERROR, "error"), (logging.WARNING, "warning"),
           (logging.INFO, "info"), (0, "debug"))


def line(level, text):
    """Logs a line, or a report of several."""
    method = next(name for least, name in METHODS if level >= least)
    try:
        getattr(state.logger, method)(text)
    except Exception as error:
        failed(error, text)


def say(argument):
    """argument: [level, text]. Answers whether it was logged."""
    level, text = values.decode(argument)
    if state.logger is None:
        return b"f"
    line(level, text)
    return b"t"


def report(text, exception):
    """Logs what went wrong in the app, as a record with the exception."""
    if exception is None:
        line(logging.ERROR, text)
        return
    try:
        state.logger.error(text, exc_info=(type(exception), exception, exception.__traceback__))
    except Exception as error:
        failed(error, text)


def failed(error, text):
    print(f"The logger has raised {logconfig.explained(error)}; it was to log: {text}", file=sys.stderr)


def errors(text):
    """Writes what an app has written to wsgi.errors to the streams of the error log's handlers; lines, if none has one.
    """
    streams = [handler.stream for handler in loggers_of(state.logger)[0].handlers
               if getattr(handler, "stream", None) is not None and hasattr(handler.stream, "write")]
    for stream in streams:
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):
            pass    # a full disk, or a stream that is closed
    if not streams:
        line(logging.ERROR, text.rstrip("\n"))


def request(entry, is_read):
    """Logs a request that has ended; is_read: its head could be read."""
    try:
        state.logger.access(*(accesslog.objects if is_read else accesslog.refused)(*entry))
    except Exception as error:
        failed(error, "a request")


def asks_for_requests(_):
    """Answers whether the logger does anything with requests. A class with its own access() is always asked."""
    logger = state.logger
    access = getattr(type(logger), "access", None)
    usual = getattr(access, "__module__", None) in ("gunicorn.glogging", "evgateway.glogging")
    return values.encode(access is not None and bool(getattr(logger, "access_log_enabled", True) or not usual))


def reopen():
    try:
        state.logger.reopen_files()
    except Exception as error:
        failed(error, "that the files are opened again")


def worker_started():
    """After the fork: environs are kept for the log, and listeners of queues, whose threads are the master's, go on."""
    _evgateway.log_environs(accesslog.environs)
    for handler in errorlog.handlers():
        for name in ("listener", "_listener"):
            listener = getattr(handler, name, None)
            if getattr(listener, "_thread", None) is not None and hasattr(listener, "start"):
                revive(handler, listener)


def revive(handler, listener):
    waiting = getattr(listener, "queue", None)
    try:
        if hasattr(waiting, "mutex"):
            # A thread of the master waits in its lock; what is in it is the master's to write.
            type(waiting).__init__(waiting, waiting.maxsize)
        listener._thread = None
        listener.start()
    except Exception as error:
        failed(error, "by way of a queue")
