"""evgateway, a server of WSGI and ASGI apps: `evgateway.serve(app)`, and what an app may ask of its server.

Law: importing this package imports nothing of the server, and works without it.
"""

__all__ = ["Replay", "bus", "leaving", "publish", "run", "serve", "version", "worker"]


def serve(app, host=None, port=None, listen=None, bind=None, workers=None, threads=None, unix_socket=None, **settings):
    """Serves an app until the process is told to stop (INT, TERM, QUIT); then returns, with the signals as they were
    before. SystemExit with the exit code if the server cannot be started, or the app cannot be loaded.

    app is a callable, or APP as on the command line: "module:attribute". With a callable, the process forks its workers
    with the app in it: the program should not have started threads, and a reload keeps the app. The other arguments are
    settings and hooks, by the names of a configuration file: `serve(app, port=8080, workers=4, post_fork=connect)`.
    Either host and port say the address, or bind, listen and unix_socket together. The environment gives defaults
    (WEB_CONCURRENCY, EVGATEWAY_*); a configuration file is read only if config names it, and the options in
    GUNICORN_CMD_ARGS and EVGATEWAY_CMD_ARGS are not.
    """
    from . import program
    program.serve(app, host=host, port=port, listen=listen, bind=bind, workers=workers, threads=threads,
                  unix_socket=unix_socket, **settings)


def run(app, **arguments):
    """As serve(), with the keyword arguments of uvicorn.run()."""
    from . import program
    program.run(app, **arguments)


def publish(channel, data, id=None, prev_id=None, meta=None):
    """Sends a message to everybody who is held on a channel, in whichever worker of the server.

    data is str or bytes, which answers long polls (http-response), is a part of streams (http-stream) and a message for
    WebSockets (ws-message); or a dict of such formats, as {"http-stream": {"content": "..."}}; or formats, or an item,
    of the packages gripcontrol and pubcontrol. id and prev_id are the ids of this message and of the one before it on
    the channel; meta is a dict of str for filters.

    It returns at once, in every worker class and on every thread, and may be called while the app is imported.
    ValueError if the message cannot be published, RuntimeError outside of a worker."""
    from . import publishing
    publishing.publish(channel, data, id, prev_id, meta)


def __getattr__(name):
    if name in ("version", "__version__"):
        from . import about
        return about.version()
    if name == "worker":
        from . import about
        return about.worker()
    if name == "bus":
        import importlib
        return importlib.import_module(".bus", __name__)
    if name == "leaving":
        from .leave import leaving
        return leaving
    if name == "Replay":
        from .leave import Replay
        return Replay
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
