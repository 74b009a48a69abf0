"""evgateway, a server of WSGI and ASGI apps: `evgateway.serve(app)`, and what an app may ask of its server.

Law: importing this package imports nothing of the server, and works without it.
"""

__all__ = ["leaving", "run", "serve", "version", "worker"]


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


def __getattr__(name):
    if name in ("version", "__version__"):
        from . import about
        return about.version()
    if name == "worker":
        from . import about
        return about.worker()
    if name == "leaving":
        from .leave import leaving
        return leaving
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
