"""The `cfg` of hooks: the settings in force, by gunicorn's names."""
from . import state, values


class Setting:
    def __init__(self, name, value):
        self.name, self.value = name, value

    def get(self):
        return self.value

    def __repr__(self):
        return f"<setting {self.name} = {self.value!r}>"


class Config:
    """The settings that were in force when it was made. What is no setting raises AttributeError."""

    def __init__(self):
        told, self._binds, self._locator = state.settings()
        self._values = {name: as_written(name, value) for name, value in told.items()}

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        if name in state.HOOKS:
            return state.hook(name) or no_hook
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"No configuration setting for: {name}") from None

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
        return [address(text) for text in self._binds]

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
        return self._values.get("proc_name") or self._values.get("default_proc_name") or self._locator or "evgateway"

    @property
    def uid(self):
        return self._values.get("user")

    @property
    def gid(self):
        return self._values.get("group")

    @property
    def is_ssl(self):
        return bool(self._values.get("certfile") or self._values.get("keyfile"))


def as_written(name, value):
    """Returns a value as the program or the file has it, a tuple or a class, if that is what is in force."""
    for originals in (state.given_originals, state.originals):
        try:
            if values.plain(originals[name]) == value:
                return originals[name]
        except (KeyError, TypeError):
            pass
    return value


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
