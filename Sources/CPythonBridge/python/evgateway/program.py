"""evgateway.serve() and evgateway.run(): a program that serves its own app.

Law: a wrong argument is a TypeError before anything is done. After the call the process is what it was.
"""
import os
import sys
import threading

from . import config, library, state, values

# Keywords of uvicorn.run() whose value needs no more than another name.
RENAMED = {
    "host": "host", "port": "port", "workers": "workers", "root_path": "root_path", "lifespan": "asgi_lifespan",
    "loop": "asgi_loop", "timeout_keep_alive": "keepalive", "limit_concurrency": "worker_connections",
    "limit_max_requests": "max_requests", "limit_max_requests_jitter": "max_requests_jitter",
    "timeout_graceful_shutdown": "graceful_timeout", "backlog": "backlog", "factory": "factory", "reload": "reload",
    "server_header": "server_header", "env_file": "env_file", "reload_excludes": "reload_excludes",
    "forwarded_allow_ips": "forwarded_allow_ips", "proxy_headers": "proxy_headers", "app_dir": "pythonpath",
    "ssl_keyfile": "keyfile", "ssl_certfile": "certfile", "ssl_keyfile_password": "keyfile_password",
    "ssl_ca_certs": "ca_certs", "ssl_cert_reqs": "cert_reqs", "ws_per_message_deflate": "ws_per_message_deflate",
    "ws_max_size": "websocket_max_message_size", "ws_max_queue": "ws_max_queue",
    "ws_ping_interval": "ws_ping_interval", "ws_ping_timeout": "ws_ping_timeout",
}
# Those for which None is not the default, but never.
NEVER = {"ws_ping_interval", "ws_ping_timeout"}
# Those of uvicorn's own parts, and those that mean nothing without reload, which says what becomes of them.
OF_UVICORN = {
    "http", "use_colors", "interface", "h11_max_incomplete_event_size", "date_header", "reload_delay",
    "timeout_worker_healthcheck", "timeout_notify", "ssl_version",
}
OTHERS = {"ws", "ssl_ciphers", "uds", "fd", "log_level", "access_log", "log_config", "reload_dirs", "reload_includes"}
# Those without which the app would not be served as the program means it.
REFUSED = {
    "headers": "the server adds no headers to responses: let a middleware of the app do it",
    "callback_notify": "the server calls nothing while it serves: let the app's lifespan start a task",
}
# Settings that say which app is served, or by which interpreter.
NOT_OF_PROGRAMS = ("wsgi_app", "paste", "python")
LEVELS = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"), (0, "debug"))


def run(app, **arguments):
    known = {*RENAMED, *OF_UVICORN, *OTHERS, *REFUSED}
    settings, addresses = {"proxy_headers": True}, []
    for name, value in arguments.items():
        if value and name in REFUSED:
            raise TypeError(f"run(): {name}: {REFUSED[name]}")
        if name not in known:
            raise unknown("run", name, known)
        if value is None and name in NEVER:
            value = 0
        if value is None or name in OF_UVICORN or name in REFUSED:
            continue
        if name in RENAMED:
            settings[RENAMED[name]] = value
        elif name == "ws":      # an implementation by its name, or a class; here there is one
            settings["ws"] = "none" if value == "none" else "auto"
        elif name == "ssl_ciphers":
            # uvicorn's default names ciphers that are weak.
            if value != "TLSv1":
                settings["ciphers"] = value
        elif name == "uds":
            addresses.append(f"unix:{os.fspath(value)}")
        elif name == "fd":
            addresses.append(f"fd://{value}")
        elif name == "log_level":
            settings["loglevel"] = level(value)
        elif name == "log_config":
            settings["logconfig_dict" if isinstance(value, dict) else "logconfig"] = value
        elif name == "reload_dirs":
            settings.setdefault("reload_extra_files", []).extend(f"{folder}/**/*.py" for folder in texts(value))
        elif name == "reload_includes":
            settings.setdefault("reload_extra_files", []).extend(anywhere(text) for text in texts(value))
        elif name == "access_log" and value:
            settings["accesslog"] = "-"
    if addresses:   # uvicorn's host and port have no effect then
        settings.pop("host", None)
        settings.pop("port", None)
    serve(app, bind=addresses or None, **settings)


def anywhere(pattern):
    """uvicorn has a glob for the last names of a path there, or a folder."""
    text = os.fspath(pattern)
    return f"**/{text}" if any(letter in text for letter in "*?[") and not os.path.isabs(text) else text


def level(value):
    if isinstance(value, int):
        return next(name for least, name in LEVELS if value >= least)
    return "debug" if value == "trace" else value


def serve(app, host=None, port=None, listen=None, bind=None, workers=None, threads=None, unix_socket=None, **settings):
    if not callable(app) and not isinstance(app, str):
        raise TypeError(f"serve() takes a callable or 'module:attribute', not {app!r}")
    if library.is_serving:
        raise RuntimeError(
            "serve() was called by what is being served: call it under if __name__ == '__main__', not at import")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("serve() must be called in the main thread: it forks, and takes the signals")
    extension = library.load()
    named = {"host": host, "port": port, "workers": workers, "threads": threads}
    addresses = [*texts(bind), *(word for text in texts(listen) for word in text.split())]
    if unix_socket is not None:
        addresses.append(f"unix:{os.fspath(unix_socket)}")
    if addresses:
        if host is not None or port is not None:
            raise TypeError("serve() takes either host and port, or bind, listen and unix_socket")
        named["bind"] = addresses
    settings.update((name, value) for name, value in named.items() if value is not None)
    known = values.decode(extension.tell("known"))
    for name in NOT_OF_PROGRAMS:
        known.pop(name, None)
    given, hooks = sort(settings, known)
    state.given, state.given_hooks, state.given_originals = given, hooks, settings
    if settings.get("reload") and not isinstance(app, str):
        raise TypeError("serve(): reload wants the app as 'module:attribute': a callable stays what it is")
    state.app, text = (None, app) if isinstance(app, str) else (app, described(app))
    try:
        code = library.start([text])
    finally:
        state.forget()
    if code:
        raise SystemExit(code)


def texts(value):
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def sort(arguments, known):
    """Returns the settings as [name, value, None], and the hooks by name."""
    given, hooks = [], {}
    for name, value in arguments.items():
        kind = known.get(name)
        if kind == "hook":
            hooks[name] = config.as_hook(name, value)
        elif kind == "setting":
            try:
                given.append([name, values.of_setting(name, value), None])
            except TypeError as error:
                raise TypeError(f"serve(): {name}: {error}") from None
        else:
            right = [name for name, what in known.items() if what in ("setting", "hook")]
            raise TypeError(f"serve() got an unexpected keyword argument {name!r}; did you mean {kind!r}?") \
                if kind else unknown("serve", name, [*right, "listen", "unix_socket"])
    return given, hooks


def unknown(function, name, known):
    near = values.nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else ""
    return TypeError(f"{function}() got an unexpected keyword argument {name!r}{hint}")


def described(app):
    """Returns what to call a callable in the log: "module:name"."""
    main = sys.modules.get("__main__")
    for name, value in vars(main).items() if main is not None else ():
        if value is app:
            return f"__main__:{name}"
    named = app if isinstance(getattr(app, "__qualname__", None), str) else type(app)
    return f"{named.__module__}:{named.__qualname__}"
