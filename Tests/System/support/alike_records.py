"""Cases for the comparison with gunicorn: the records of Python's logging, by a configuration and by a logger class."""

import json

from .side_by_side import APPS, Case, ask

# Each record as a line of JSON in a file, beside the usual lines on the terminal.
LINES = """
import json, logging

NAMES = ["h", "l", "u", "r", "m", "U", "q", "H", "s", "b", "B", "f", "a", "{x-in}i", "{content-type}o", "{x-none}i"]

class Lines(logging.Formatter):
    def format(self, record):
        atoms = {name: record.args[name] for name in NAMES} if isinstance(record.args, dict) else None
        return json.dumps({"name": record.name, "level": record.levelname, "message": record.getMessage(),
                           "format": record.msg if atoms else None, "atoms": atoms, "kind": type(record.args).__name__})

class Logger(__import__("gunicorn.glogging").glogging.Logger):
    def setup(self, cfg):
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            self._set_handler(log, "records", Lines())
            log.addHandler(logging.StreamHandler())
"""
CONSOLE = {"class": "logging.StreamHandler", "formatter": "plain"}
LOGGED = {
    "version": 1, "disable_existing_loggers": False, "root": {"handlers": []},
    "formatters": {"lines": {"()": "lines.Lines"},
                   "plain": {"format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
                             "datefmt": "[%Y-%m-%d %H:%M:%S %z]"}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "records", "formatter": "lines"},
                 "terminal": CONSOLE},
    "loggers": {"gunicorn.error": {"handlers": ["file", "terminal"], "level": "INFO", "propagate": False},
                "gunicorn.access": {"handlers": ["file"], "level": "INFO", "propagate": False},
                "alike": {"handlers": ["file"], "level": "INFO"}},
}


def log_records(server, seen):
    """The records of both loggers: what is in the words that both servers have, and all atoms of requests."""
    fields = [("X-In", 'a"b'), ("User-Agent", "me/1"), ("Referer", "http://r"), ("Authorization", "Basic YWxpY2U6cA==")]
    for target in ("/stream", "/a%20b?c=d&e", "/empty", "/%C3%A9"):
        ask(server, target, fields=fields)
    ask(server, "/stream", method="HEAD")
    ask(server, "/fail")
    server.stop()
    seen["lines"], seen["requests"] = {}, []
    for record in map(json.loads, server.file_text("records").splitlines()):
        if record["name"].endswith("access"):
            many = isinstance(record["atoms"]["B"], int) and record["atoms"]["B"] > 600
            record["atoms"].update({name: "MANY" for name in "bB" if many})
            seen["requests"].append({name: record[name] for name in ("name", "level", "format", "atoms", "kind")})
        for phrase in server.case.phrases:
            if phrase in record["message"] and not record["name"].endswith("access"):
                seen["lines"][phrase] = {name: record[name] for name in ("name", "level")}


MORE = {"files": {"lines.py": LINES}, "env": {"PYTHONPATH": f"FOLDER:{APPS}"}}
CASES = [
    Case("records, logconfig_dict", f"logconfig_dict = {LOGGED!r}\n", log_records, **MORE),
    Case("records, logger_class", "logger_class = 'lines.Logger'\nerrorlog = 'error.log'\naccesslog = 'access.log'\n"
         "bind = 'unix:a.sock'\n", log_records, **MORE),
]
