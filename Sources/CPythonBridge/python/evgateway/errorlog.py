"""The loggers gunicorn.error and gunicorn.access where the server writes its log by itself: their records become
entries of its error log.

Law: nothing imports this module before the app, or a hook, imports logging.
"""
import logging

import _evgateway

from . import host, state

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR,
          "critical": logging.CRITICAL}


class Handler(logging.Handler):
    def emit(self, record):
        try:
            first, newline, rest = record.getMessage().partition("\n")
            _evgateway.log(record.levelno, first)
            if newline:     # a report, as the stacks in gunicorn's example of worker_int
                _evgateway.log_text(rest.translate(host.CONTROLS) + "\n")
            formatter = self.formatter or _formatter
            if record.exc_info:
                _evgateway.log_text(formatter.formatException(record.exc_info) + "\n")
            if record.stack_info:
                _evgateway.log_text(formatter.formatStack(record.stack_info) + "\n")
        except Exception:
            self.handleError(record)


_formatter = logging.Formatter()


def install():
    """Gives the loggers their handler, once, and the level of the settings in force. Not where Python's logging is the
    server's log."""
    if state.logger is not None:
        return
    level = LEVELS.get(str(state.settings()[0].get("loglevel") or "info").lower(), logging.INFO)
    for kind, least in (("error", level), ("access", logging.INFO)):
        logger, twin = logging.getLogger(f"gunicorn.{kind}"), logging.getLogger(f"evgateway.{kind}")
        if not any(isinstance(handler, Handler) for handler in logger.handlers):
            logger.addHandler(Handler())
            logger.propagate = False
        if not twin.handlers:
            twin.handlers, twin.propagate = logger.handlers, False
        for each in (logger, twin):
            each.setLevel(least)


class Levels:
    """What writes to an error_log, by the names that loggers have."""

    LOG_LEVELS = LEVELS

    def critical(self, msg, *args, **kwargs):
        self.error_log.critical(msg, *args, **kwargs)

    def error(self, msg, *args, **kwargs):
        self.error_log.error(msg, *args, **kwargs)

    def warning(self, msg, *args, **kwargs):
        self.error_log.warning(msg, *args, **kwargs)

    def info(self, msg, *args, **kwargs):
        self.error_log.info(msg, *args, **kwargs)

    def debug(self, msg, *args, **kwargs):
        self.error_log.debug(msg, *args, **kwargs)

    def exception(self, msg, *args, **kwargs):
        self.error_log.exception(msg, *args, **kwargs)

    def log(self, lvl, msg, *args, **kwargs):
        if isinstance(lvl, str):
            lvl = self.LOG_LEVELS.get(lvl.lower(), logging.INFO)
        self.error_log.log(lvl, msg, *args, **kwargs)


class Log(Levels):
    """The `log` of a server and a worker."""

    def __init__(self):
        install()
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")

    def access(self, message, *arguments, **more):
        self.access_log.info(message, *arguments, **more)

    def reopen_files(self):
        reopen_files()

    @property
    def cfg(self):
        from . import cfg
        return cfg.Config()

    @property
    def loglevel(self):
        return self.error_log.level


def handlers():
    """Returns every handler that lives, also one behind a queue."""
    return [handler for handler in (reference() for reference in list(logging._handlerList)) if handler is not None]


def reopen_files():
    """Opens the files of all handlers again, after a rotation."""
    for handler in handlers():
        if isinstance(handler, logging.FileHandler):
            handler.acquire()
            try:
                stream, handler.stream = handler.stream, None
                if stream is not None:
                    stream.close()
                    handler.stream = handler._open()
            except (OSError, ValueError) as error:
                _evgateway.log(logging.ERROR, f"Cannot reopen the log {handler.baseFilename}: {error}")
            finally:
                handler.release()
