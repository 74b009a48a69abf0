"""The `cfg` of hooks: the settings in force, by gunicorn's names.

Law: every setting of gunicorn has a value of gunicorn's type, also one that has no effect here: as the file has it,
else gunicorn's default.
"""
import os

from . import state, values

# The defaults of gunicorn's settings that are not served.
DEFAULTS = {
    "worker_tmp_dir": None, "sendfile": True, "spew": False, "protocol": "http",
    "uwsgi_allow_ips": ["127.0.0.1", "::1"], "syslog": False, "syslog_addr": "udp://localhost:514",
    "syslog_prefix": None, "syslog_facility": "user",
    "disable_redirect_access_to_syslog": False, "statsd_host": None, "statsd_prefix": "", "dogstatsd_tags": "",
    "enable_backlog_metric": False, "keyfile": None, "certfile": None, "ssl_version": 2, "cert_reqs": 0,
    "ca_certs": None, "suppress_ragged_eofs": True, "do_handshake_on_connect": False, "ciphers": None,
    "http_protocols": ["h1"],
    "http_parser": "auto", "permit_obsolete_folding": False, "strip_header_spaces": False,
    "permit_unconventional_http_method": False, "permit_unconventional_http_version": False,
    "casefold_http_method": False, "asgi_disconnect_grace_period": 3,
    "dirty_apps": [], "dirty_workers": 0, "dirty_timeout": 300, "dirty_threads": 1, "dirty_graceful_timeout": 30,
    "control_socket": "gunicorn.ctl", "control_socket_mode": 0o600, "control_socket_disable": False,
}
# The last words of the names of the class that has 8 threads where no number is asked for.
THREADS = {"gthread", "ThreadWorker", "threads"}
# Numbers that gunicorn has as int and this server as float.
SECONDS = {"timeout", "graceful_timeout", "keepalive"}
# The numbers of the module ssl, which gunicorn has.
CERT_REQS = {"none": 0, "optional": 1, "required": 2}


class Setting:
    def __init__(self, name, value):
        self.name, self.value = name, value

    def get(self):
        return self.value

    def __repr__(self):
        return f"<setting {self.name} = {self.value!r}>"


class Config:
    """The settings that were in force when it was made. What is no setting raises AttributeError."""

    def __init__(self, told=None, file=None):
        """told, file: settings that are not in force yet, and their values as the file has them."""
        settings, self._binds, self._locator = state.settings()
        told = settings if told is None else told
        self._originals = (state.originals if file is None else file, state.given_originals)
        self._values = {
            "user": os.geteuid(), "group": os.getegid(), "default_proc_name": self._locator or "evgateway", **DEFAULTS}
        for originals in self._originals:
            self._values.update((name, value) for name, value in originals.items() if name not in told)
        self._values.update((name, self._as_written(name, value)) for name, value in told.items())
        if told:
            self._complete()

    @classmethod
    def of(cls, triples):
        """Returns the settings that a reload is to bring into force."""
        return cls({name: value for name, value, _ in triples}, state.next_originals())

    def _as_written(self, name, value):
        """Returns a value as the program or the file has it, a tuple or a class, if that is what is in force."""
        for originals in reversed(self._originals):
            try:
                if values.of_setting(name, originals[name]) == value:
                    return originals[name]
            except (KeyError, TypeError):
                pass
        return value

    def _complete(self):
        """Gives settings that stand for a default the value of it."""
        settings = self._values
        if settings.get("threads") is None:
            settings["threads"] = 8 if self.worker_class_str.rpartition(".")[2] in THREADS else 1
        if settings.get("chdir") is None:
            settings["chdir"] = os.getcwd()
        if isinstance(settings.get("pythonpath"), list):
            settings["pythonpath"] = ",".join(settings["pythonpath"]) or None
        settings["cert_reqs"] = CERT_REQS.get(settings["cert_reqs"], settings["cert_reqs"])
        settings["proc_name"] = self.proc_name
        settings["user"], settings["group"] = self.uid, self.gid
        for name in SECONDS:
            value = settings.get(name)
            if isinstance(value, float) and value == int(value):
                settings[name] = int(value)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        if name in state.HOOKS:
            return state.hook(name) or no_hook
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"No configuration setting for: {name}") from None

    def set(self, name, value):
        self._values[name] = value

    def __str__(self):
        width = max(map(len, self._values), default=0)
        return "\n".join(f"{name:{width}} = {value}" for name, value in sorted(self._values.items()))

    @property
    def settings(self):
        return {name: Setting(name, value) for name, value in self._values.items()}

    @property
    def bind(self):
        return self._values.get("bind") or list(self._binds)

    @property
    def address(self):
        return [address(text) for text in self.bind]

    @property
    def worker_class_str(self):
        text = str(self._values.get("worker_class"))
        is_sync = text == "sync" or text.endswith("SyncWorker")
        return "gthread" if is_sync and (self._values.get("threads") or 1) > 1 else text

    @property
    def env(self):
        return pairs(self._values.get("raw_env"))

    @property
    def paste_global_conf(self):
        return pairs(self._values.get("raw_paste_global_conf"))

    @property
    def proc_name(self):
        return self._values.get("proc_name") or self._values["default_proc_name"]

    @property
    def logger_class_name(self):
        """As it was given: a class, its dotted path, or None."""
        return self._values.get("logger_class")

    @property
    def logger_class(self):
        if state.logger is not None:
            return type(state.logger)
        from . import glogging
        return glogging.Logger

    @property
    def uid(self):
        return number(self._values["user"], user, os.geteuid)

    @property
    def gid(self):
        return number(self._values["group"], group, os.getegid)

    @property
    def is_ssl(self):
        return bool(self._values.get("certfile") or self._values.get("keyfile"))


def number(value, find, own):
    """Returns the id that a user or a group stands for."""
    if value is None:
        return own()
    return int(value) if str(value).isdigit() else find(value)


def user(name):
    import pwd
    return pwd.getpwnam(name).pw_uid


def group(name):
    import grp
    return grp.getgrnam(name).gr_gid


def pairs(texts):
    texts = [texts] if isinstance(texts, str) else texts or []
    return dict(text.partition("=")[::2] for text in texts)


def address(text):
    """Returns the path of a Unix socket, a descriptor, or (host, port)."""
    if text.startswith("unix:"):
        return text[len("unix://" if text.startswith("unix://") else "unix:"):]
    if text.startswith("fd://"):
        return int(text[len("fd://"):])
    text = text.partition("://")[2] or text
    host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not port.isdigit():
        host, port = text, "8000"
    return host.strip("[]"), int(port)


def no_hook(*arguments):
    """In place of a hook that is not defined."""
