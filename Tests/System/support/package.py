"""The Python package without the server: its extension module is a stub that notes what it is told."""

import importlib
import sys
import types

from .gateway import ROOT

FOLDER = ROOT / "Sources" / "CPythonBridge" / "python"

KNOWN = {**dict.fromkeys(["bind", "workers", "threads", "timeout", "loglevel", "reload", "worker_class", "raw_env",
                          "logconfig_dict", "host", "port", "accesslog", "keepalive", "factory", "asgi_lifespan",
                          "proxy_headers"],
                         "setting"),
         **dict.fromkeys(["on_starting", "when_ready", "pre_fork", "post_fork", "child_exit", "worker_int",
                          "nworkers_changed", "pre_request", "post_request", "on_dirty_starting"], "hook"),
         "access_logfile": "accesslog", "env": "raw_env"}


class Package:
    """A fresh import of evgateway. told: what `_evgateway.tell` answers; log: (level, line) of the error log."""

    def __init__(self, monkeypatch):
        self.told = {"known": KNOWN, "worker": None, "workers": None, "version": "9.9"}
        self.log, self.text, self.started = [], [], []
        self.code = 0
        for name in [name for name in sys.modules if name.partition(".")[0] in ("evgateway", "__config__")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(str(FOLDER))
        stub = types.ModuleType("_evgateway")
        stub.tell = lambda question: self.values.encode(self.told[question])
        stub.log = lambda level, line: self.log.append((level, line))
        stub.log_text = self.text.append
        stub.log_error = lambda line: self.log.append((40, line))
        stub.main = self.main
        monkeypatch.setitem(sys.modules, "_evgateway", stub)

    def __getattr__(self, name):
        return importlib.import_module(f"evgateway.{name}")

    def main(self, arguments):
        self.started.append((arguments, self.values.decode(self.state.given_settings(b"n")), self.state.app,
                             dict(self.state.given_hooks)))
        return self.code

    def read(self, location, known=KNOWN, pythonpath=""):
        """What evgateway.config.read answers."""
        return self.values.decode(self.config.read(self.values.encode([str(location), pythonpath, known])))

    def configured(self, settings, binds=("127.0.0.1:8000",), app="m:app"):
        triples = [[name, value, None] for name, value in settings.items()]
        self.state.configured(self.values.encode([triples, list(binds), app]))

    def hook(self, name, worker=None, new=None, old=None):
        return self.values.decode(self.arbiter.call_hook(self.values.encode([name, worker, new, old])))
