"""The servers that can be started: the words of each one's command, what it can hold, how it is told to leave."""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys


class Refused(Exception):
    """What was asked for cannot be done; the text is one line for the user."""


ROOT = pathlib.Path(__file__).resolve().parents[2]
APPS = ROOT / "scripts" / "loadtest.d" / "apps"
RELEASE = pathlib.Path(os.environ.get("EVGATEWAY_BUILD", ROOT / ".build" / "release"))
PYTHON = ROOT / ".venv-bench" / "bin" / "python3"
BARE = ROOT / ".build" / "bench-bare"
HUMMINGBIRD = APPS / "hummingbird-hello"

PATHS = {"fast": "/", "hold": "/hold?seconds={seconds}", "wait": "/wait", "publish": "/publish",
         "upload": "/upload", "download": "/download?bytes={bytes}"}
# Examples/longpoll-chat: nothing comes after that id, so everyone who asks for it waits.
CHAT_PATHS = {"fast": "/waiting", "hold": "/messages?since=999999999&wait={seconds}",
              "wait": "/messages?since=999999999&wait=30", "publish": "/messages", "upload": "/messages",
              "download": None}
THREADS = 64


class Kind:
    """`classes`: what --worker-class may say, the default first. `waits`: those of them that hold any number of
    requests at once. `hup`: whether HUP reloads. `workers`: whether there can be several. `needs_port`: the kernel
    cannot choose its port. `leave`: the signal that ends it at once, workers and all. `made`: the program, what it is
    made of and the command that makes it, on first use and when that has changed."""

    def __init__(self, words, classes, waits=(), hup=False, workers=True, package=None, needs_port=False,
                 leave=signal.SIGTERM, made=None):
        self.words, self.classes, self.waits, self.hup = words, classes, waits, hup
        self.workers, self.package, self.needs_port, self.leave, self.made = workers, package, needs_port, leave, made

    def paths(self, spec):
        if self is KINDS["evgateway"] and spec.worker_class == "swift" and spec.app_or("chat").endswith("chat"):
            return CHAT_PATHS
        if self is KINDS["bare-c"]:
            return {**dict.fromkeys(PATHS), "fast": "/"}
        return PATHS

    def build(self):
        if self.made is None:
            return
        program, sources, command = self.made
        newest = max((source.stat().st_mtime for source in sources), default=0.0)
        if program.exists() and program.stat().st_mtime >= newest:
            return
        print(f"making {shown(program)}: {typed(command)}", file=sys.stderr, flush=True)
        program.parent.mkdir(parents=True, exist_ok=True)
        if subprocess.run([str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=sys.stderr).returncode:
            raise Refused(f"{shown(program)} could not be made")
        # A compiler that finds nothing to do leaves the file as it was.
        os.utime(program)


def shown(path):
    """From the root of the repository, where it is below it."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def typed(words):
    """A command as a reader would type it in the root of the repository."""
    return shlex.join(shown(word) if isinstance(word, pathlib.Path) else str(word) for word in words)


def _interface(worker_class):
    return "asgi" if worker_class in ("asgi", "uvicorn") else "app"


def _evgateway(spec):
    words = [RELEASE / "evgateway", "--bind", spec.bind, "--workers", str(spec.workers), "--connections",
             str(spec.connections)]
    if spec.worker_class == "swift":
        return [*words, *spec.flags, spec.app_or(RELEASE / "example-longpoll-chat")]
    threads = ["--threads", str(spec.threads)] if spec.worker_class == "threads" else []
    return [*words, "--python", spec.python, "--pythonpath", APPS, "--worker-class", spec.worker_class, *threads,
            *spec.flags, spec.app_or(f"waiting:{_interface(spec.worker_class)}")]


def _gunicorn(spec):
    threads = ["--threads", str(spec.threads)] if spec.worker_class == "gthread" else []
    return [spec.python, "-m", "gunicorn", "--bind", spec.bind, "--workers", str(spec.workers),
            "--worker-connections", str(spec.connections), "--keep-alive", "75", "--worker-class", spec.worker_class,
            *threads, *spec.flags, spec.app_or("waiting:app")]


def _uvicorn(spec):
    return [spec.python, "-m", "uvicorn", "--host", spec.host, "--port", str(spec.port), "--workers",
            str(spec.workers), "--loop", "uvloop", "--http", "httptools", "--ws", "none", "--no-access-log",
            "--timeout-keep-alive", "75", *spec.flags, spec.app_or("waiting:asgi")]


def _granian(spec):
    interface = ["asgi", "--loop", "uvloop", "--no-ws"] if spec.worker_class == "asgi" else [
        "wsgi", "--blocking-threads", str(spec.threads)]
    return [spec.python, "-m", "granian", "--host", spec.host, "--port", str(spec.port), "--workers",
            str(spec.workers), "--interface", *interface, *spec.flags,
            spec.app_or(f"waiting:{_interface(spec.worker_class)}")]


def _bjoern(spec):
    return [spec.python, APPS / "serve_bjoern.py", *spec.flags, spec.app_or("waiting:app")]


def _fastpysgi(spec):
    return [spec.python.parent / "fastpysgi", "--host", spec.host, "--port", str(spec.port), *spec.flags,
            spec.app_or("waiting:app")]


def _waitress(spec):
    return [spec.python, "-m", "waitress", "--listen", spec.bind, "--threads", str(spec.threads), "--connection-limit",
            str(spec.connections), "--asyncore-use-poll", "--channel-timeout", "75", *spec.flags,
            spec.app_or("waiting:app")]


def _uwsgi(spec):
    # Its loop on gevent does not keep connections alive itself; its HTTP router does that for it.
    how = ["--http", spec.bind, "--http-keepalive=75", "--gevent", str(spec.connections), "--gevent-monkey-patch"]
    if spec.worker_class == "threads":
        how = ["--http11-socket", spec.bind, "--enable-threads", "--threads", str(spec.threads)]
    return [spec.python.parent / "uwsgi", *how, "--master", "--processes", str(spec.workers), "--listen", "1000",
            "--max-fd", str(spec.connections + 100), "--disable-logging", "--die-on-term", "--need-app",
            "--pythonpath", APPS, *spec.flags, "--module", spec.app_or("waiting:app")]


def _hypercorn(spec):
    return [spec.python, "-m", "hypercorn", "--bind", spec.bind, "--workers", str(spec.workers), "--worker-class",
            "uvloop", "--keep-alive", "75", "--backlog", "2048", *spec.flags, spec.app_or("waiting:asgi")]


KINDS = {
    "evgateway": Kind(_evgateway, ("gevent", "inline", "threads", "asgi", "swift"), ("gevent", "asgi", "swift"),
                      hup=True, leave=signal.SIGINT, made=(RELEASE / "evgateway", [], [ROOT / "scripts" / "build"])),
    "gunicorn-gevent": Kind(_gunicorn, ("gevent",), ("gevent",), hup=True, package="gunicorn", leave=signal.SIGINT),
    "gunicorn-gthread": Kind(_gunicorn, ("gthread",), hup=True, package="gunicorn", leave=signal.SIGINT),
    "uvicorn": Kind(_uvicorn, ("asgi",), ("asgi",), hup=True, package="uvicorn"),
    "granian": Kind(_granian, ("asgi", "wsgi"), ("asgi",), hup=True, package="granian", needs_port=True),
    "bjoern": Kind(_bjoern, ("inline",), workers=False, package="bjoern"),
    "fastpysgi": Kind(_fastpysgi, ("inline",), workers=False, package="fastpysgi", needs_port=True),
    "waitress": Kind(_waitress, ("threads",), workers=False, package="waitress"),
    "uwsgi": Kind(_uwsgi, ("threads", "gevent"), ("gevent",), hup=True, package="uwsgi", needs_port=True),
    "hypercorn": Kind(_hypercorn, ("asgi",), ("asgi",), package="hypercorn"),
    "hummingbird": Kind(lambda spec: [HUMMINGBIRD / ".build" / "release" / "hello", *spec.flags, str(spec.port)],
                        ("swift",), ("swift",), workers=False,
                        made=(HUMMINGBIRD / ".build" / "release" / "hello", [
                            HUMMINGBIRD / "Package.swift", HUMMINGBIRD / "Sources" / "hello" / "main.swift"],
                            ["swift", "build", "-c", "release", "--package-path", HUMMINGBIRD, "--product", "hello"])),
    "bare-c": Kind(lambda spec: [BARE, *spec.flags], ("c",), workers=False, made=(
        BARE, [APPS / "bare.c"], ["cc", "-O2", "-D_GNU_SOURCE", "-o", BARE, APPS / "bare.c", "-lev"])),
}


def held_at_once(spec):
    """How many requests a worker can hold that wait; None: as many as it has connections."""
    kind = KINDS[spec.name]
    if spec.worker_class in kind.waits:
        return None
    if spec.worker_class in ("inline", "c"):
        return 1
    return spec.threads


def version(spec):
    """Of the server, and of the library whose loop it runs on; None when it cannot be told."""
    if spec.name == "hummingbird":
        return re.search(r'exact: "([^"]+)"', (HUMMINGBIRD / "Package.swift").read_text())[1]
    if spec.name == "bare-c":
        return "libev " + _output("dpkg-query", "-W", "-f=${Version}", "libev-dev")
    if spec.name == "evgateway":
        found = _output(RELEASE / "evgateway", "--version").split()[-1]
    else:
        found = _package_version(spec.python, KINDS[spec.name].package)
    words = [str(word) for word in KINDS[spec.name].words(spec)]
    for library in ("gevent", "uvloop"):
        if library in words or f"--{library}" in words:
            found += f", {library} {_package_version(spec.python, library)}"
    return found or None


def _output(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout.strip() or "?"


def _package_version(python, package):
    return _output(python, "-c", f"import importlib.metadata as m; print(m.version('{package}'))")
