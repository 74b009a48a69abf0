"""Every hook of gunicorn, for a configuration file: `from alike_hooks import *`.

Each writes a line of JSON to the file $ALIKE_NOTES: its name, its process, and its arguments by attribute. The hook
that $ALIKE_RAISES names raises after that.
"""

import json
import os

SERVER = ("pid num_workers address LISTENERS WORKERS log cfg app proc_name timeout worker_age master_pid master_name "
          "reexec_pid worker_class pidfile systemd").split()
WORKER = ("pid ppid age nr alive booted aborted log cfg app sockets tmp timeout max_requests wsgi").split()
REQUEST = ("method path query uri fragment version headers trailers scheme remote_addr peer_addr body must_close "
           "req_number proxy_protocol_info").split()
RESPONSE = ("status status_code headers sent headers_sent response_length chunked must_close upgrade version req "
            "cfg").split()
ATTRIBUTES = {"server": SERVER, "worker": WORKER, "req": REQUEST, "resp": RESPONSE, "environ": [],
              "new_value": None, "old_value": None}
HOOKS = {
    "on_starting": "server", "on_reload": "server", "when_ready": "server", "pre_fork": "server worker",
    "post_fork": "server worker", "post_worker_init": "worker", "worker_int": "worker", "worker_abort": "worker",
    "pre_exec": "server", "pre_request": "worker req", "post_request": "worker req environ resp",
    "child_exit": "server worker", "worker_exit": "server worker", "nworkers_changed": "server new_value old_value",
    "on_exit": "server",
}
__all__ = list(HOOKS)


def kind(value):
    """Returns plain values as they are, and of others what can be done with them."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return "bytes"
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(kind, value)]
    if isinstance(value, dict):
        return {"dict of": sorted({f"{type(key).__name__}: {of_object(item)}" for key, item in value.items()})}
    return of_object(value)


def of_object(value):
    if isinstance(value, type):
        return "class"
    return "callable" if callable(value) else "object"


def attribute(owner, name):
    try:
        return kind(getattr(owner, name))
    except AttributeError:
        return "(none)"


def seen(role, value):
    names = ATTRIBUTES[role]
    if names is None or value is None:
        return value
    if role == "environ":
        return sorted(name for name in value if name.isupper())
    return {name: attribute(value, name) for name in names}


def settings(cfg):
    """Returns the settings by name, without the hooks."""
    return {name: kind(getattr(cfg, name)) for name, setting in cfg.settings.items()
            if name not in HOOKS and name != "ssl_context" and not name.startswith(("dirty_", "on_dirty"))}


def note(hook, *arguments):
    told = {role: seen(role, value) for role, value in zip(HOOKS[hook].split(), arguments)}
    owner = arguments[0]
    line = {"hook": hook, "pid": os.getpid(), "arguments": told}
    if hook == "when_ready":
        line["cfg"] = settings(owner.cfg)
        line["more"] = {"settings": kind(owner.cfg.settings["workers"].get()), "env": owner.cfg.env,
                        "worker_class_str": owner.cfg.worker_class_str, "address": kind(owner.cfg.address),
                        "listeners": [str(listener) for listener in owner.LISTENERS],
                        "names": [kind(listener.getsockname()) for listener in owner.LISTENERS]}
        owner.log.info("hook %s says %d", hook, 1)
        owner.log.debug("hook %s is silent", hook)
        owner.log.warning("hook warns")
    if hook == "post_fork":
        arguments[1].log.info("hook %s of worker age %s", hook, arguments[1].age)
    if hook in ("pre_request", "post_request"):
        owner.log.info("hook %s %s", hook, arguments[1].path)
    with open(os.environ["ALIKE_NOTES"], "a") as file:
        file.write(json.dumps(line) + "\n")
    if os.environ.get("ALIKE_RAISES") == hook:
        raise ValueError(f"BOOM {hook}")


for _hook, _roles in HOOKS.items():
    _names = _roles.replace(" ", ", ")
    exec(f"def {_hook}({_names}):\n    note({_hook!r}, {_names})\n")
