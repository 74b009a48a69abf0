"""The class of `--logger-class`, with the names of gunicorn.glogging: those that subclasses and configurations use.

Law: made only where somebody asks for Python's logging. Everything here runs where an app may wait.
"""
import base64
import binascii
import logging
import logging.handlers
import os
import socket
import sys
import threading
import time
import traceback

from . import errorlog, logconfig

CONFIG_DEFAULTS = logconfig.DEFAULTS
SYSLOG_FACILITIES = logging.handlers.SysLogHandler.facility_names


def loggers():
    """Returns all loggers that have a name."""
    return [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]


class SafeAtoms(dict):
    """The atoms of a line: one that is missing is "-", and a quotation mark cannot end a field of the line."""

    def __init__(self, atoms):
        super().__init__((name, value.replace('"', '\\"') if isinstance(value, str) else value)
                         for name, value in atoms.items())

    def __getitem__(self, name):
        return self.get(name.lower() if name.startswith("{") else name, "-")


def parse_syslog_address(address):
    """Returns (type of the socket or None, path or (host, port)). RuntimeError if it is none."""
    scheme, separator, rest = address.partition("://")
    if scheme == "unix" and separator:
        path, _, kind = rest.partition("#")
        return (socket.SOCK_DGRAM if kind == "dgram" else None), path
    kinds = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
    if scheme not in kinds or not separator:
        raise RuntimeError("invalid syslog address")
    if rest.startswith("["):
        host, _, port = rest[1:].partition("]")
        port = port.lstrip(":")
    else:
        host, _, port = rest.partition(":")
    if port and not port.isdigit():
        raise RuntimeError(f"{port!r} is not a valid port number.")
    return kinds[scheme], (host.lower() or "localhost", int(port or 514))


def handler_of(cfg):
    """Returns a handler for the file of the error log."""
    handler = logging.StreamHandler() if cfg.errorlog == "-" else logging.FileHandler(cfg.errorlog)
    handler.setFormatter(logging.Formatter(Logger.error_fmt, Logger.datefmt))
    return handler


class Logger(errorlog.Levels):
    """What writes the server's log. cfg has the settings, by gunicorn's names."""

    loglevel = logging.INFO
    error_fmt = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
    datefmt = "[%Y-%m-%d %H:%M:%S %z]"
    access_fmt = "%(message)s"
    syslog_fmt = "[%(process)d] %(message)s"
    atoms_wrapper_class = SafeAtoms

    def __init__(self, cfg):
        self.error_log, self.access_log = logging.getLogger("gunicorn.error"), logging.getLogger("gunicorn.access")
        self.error_log.propagate = self.access_log.propagate = False
        self.error_handlers, self.access_handlers = [], []
        self.logfile = None
        self.lock = threading.Lock()
        self.cfg = cfg
        self.setup(cfg)

    def setup(self, cfg):
        """Takes the settings: handlers for the files and for syslog, then the configuration of Python's logging. Called
        again at each reload. RuntimeError if the configuration cannot be used."""
        self.cfg = cfg
        self.loglevel = self.LOG_LEVELS.get(str(cfg.loglevel).lower(), logging.INFO)
        self.error_log.setLevel(self.loglevel)
        self.access_log.setLevel(logging.INFO)
        for log in (self.error_log, self.access_log):
            for handler in [handler for handler in log.handlers if getattr(handler, "_gunicorn", False)]:
                log.removeHandler(handler)
        self._set_handler(self.error_log, cfg.errorlog, logging.Formatter(self.error_fmt, self.datefmt))
        if cfg.accesslog is not None:
            self._set_handler(self.access_log, cfg.accesslog, logging.Formatter(self.access_fmt), sys.stdout)
        if cfg.syslog:
            self._set_syslog_handler(self.error_log, cfg, self.syslog_fmt, "error")
            if not cfg.disable_redirect_access_to_syslog:
                self._set_syslog_handler(self.access_log, cfg, self.syslog_fmt, "access")
        logconfig.apply(cfg)

    # The access log

    @property
    def access_log_enabled(self):
        """Whether requests are logged at all."""
        cfg = self.cfg
        return bool(cfg.accesslog or logconfig.is_given(cfg)
                    or cfg.syslog and not cfg.disable_redirect_access_to_syslog)

    def access(self, resp, req, environ, request_time):
        """Logs a request that has ended. The record's message is the line, and its args are the atoms."""
        if not self.access_log_enabled:
            return
        atoms = self.atoms_wrapper_class(self.atoms(resp, req, environ, request_time))
        try:
            self.access_log.info(self.cfg.access_log_format, atoms)
        except Exception:
            self.error(traceback.format_exc())

    def atoms(self, resp, req, environ, request_time):
        """Returns what a line is made of, by the names in %(name)s. request_time is a timedelta."""
        status, sent = resp.status, getattr(resp, "sent", None)
        whole = int(request_time.total_seconds())
        microseconds = whole * 1_000_000 + request_time.microseconds
        atoms = {
            "h": environ.get("REMOTE_ADDR", "-"), "l": "-", "u": self._get_user(environ) or "-", "t": self.now(),
            "r": f"{environ['REQUEST_METHOD']} {environ['RAW_URI']} {environ['SERVER_PROTOCOL']}",
            "s": status.split(None, 1)[0] if isinstance(status, str) else status,
            "m": environ.get("REQUEST_METHOD"), "U": environ.get("PATH_INFO"), "q": environ.get("QUERY_STRING"),
            "H": environ.get("SERVER_PROTOCOL"), "b": "-" if sent is None else str(sent) or "-", "B": sent,
            "f": environ.get("HTTP_REFERER", "-"), "a": environ.get("HTTP_USER_AGENT", "-"), "T": whole,
            "D": microseconds, "M": microseconds // 1000, "L": f"{whole}.{request_time.microseconds:06d}",
            "p": f"<{os.getpid()}>",
        }
        for mark, pairs in (("i", getattr(req, "headers", req)), ("o", resp.headers), ("e", environ)):
            pairs = pairs.items() if hasattr(pairs, "items") else pairs
            atoms.update((f"{{{name.lower()}}}{mark}", value) for name, value in pairs)
        return atoms

    def now(self):
        """Returns the time as the common log format has it."""
        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    def _get_user(self, environ):
        scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            return base64.b64decode(credentials.strip()).partition(b":")[0].decode()
        except (binascii.Error, ValueError) as error:
            self.debug("Couldn't get username: %s", error)
            return None

    # Files

    def reopen_files(self):
        """Opens all files of handlers again: after USR1 and after a reload."""
        errorlog.reopen_files()

    def close_on_exec(self):
        """Python opens files so that programs do not inherit them (PEP 446)."""

    def _get_gunicorn_handler(self, log):
        return next((handler for handler in log.handlers if getattr(handler, "_gunicorn", False)), None)

    def _set_handler(self, log, output, fmt, stream=None):
        """Gives a logger the handler for a file or, for "-", for a stream, in place of the one of before."""
        former = self._get_gunicorn_handler(log)
        if former is not None:
            log.handlers.remove(former)
        if output is None:
            return
        if output == "-":
            handler = logging.StreamHandler(stream)
        else:
            try:
                handler = logging.FileHandler(output)
            except OSError as error:
                raise RuntimeError(f"cannot open '{output}': {error.strerror}") from None
            try:
                os.chown(handler.baseFilename, self.cfg.user, self.cfg.group)
            except OSError:
                pass    # it is no file of ours, such as /dev/null
        self._add(log, handler, fmt)

    def _set_syslog_handler(self, log, cfg, fmt, name):
        try:
            facility = SYSLOG_FACILITIES[str(cfg.syslog_facility).lower()]
        except KeyError:
            raise RuntimeError("unknown facility name") from None
        kind, address = parse_syslog_address(cfg.syslog_addr)
        prefix = f"gunicorn.{cfg.syslog_prefix or cfg.proc_name.replace(':', '.')}.{name}"
        try:
            handler = logging.handlers.SysLogHandler(address=address, facility=facility, socktype=kind)
        except OSError as error:
            raise RuntimeError(f"cannot reach syslog at {cfg.syslog_addr}: {error.strerror}") from None
        self._add(log, handler, logging.Formatter(f"{prefix}: {fmt}"))

    @staticmethod
    def _add(log, handler, fmt):
        handler.setFormatter(fmt)
        handler._gunicorn = True    # so that a reload takes it away
        log.addHandler(handler)
