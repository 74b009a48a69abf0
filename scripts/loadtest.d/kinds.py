"""The servers that can be started: the command of each, how many requests it can hold, and how it is stopped."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys


class Refused(Exception):
    """A request of the user that cannot be carried out. The text is one line for the user."""


ROOT = pathlib.Path(__file__).resolve().parents[2]
APPS = ROOT / "scripts" / "loadtest.d" / "apps"
RELEASE = pathlib.Path(os.environ.get("EVGATEWAY_BUILD", ROOT / ".build" / "release"))
PYTHON = ROOT / ".venv-bench" / "bin" / "python3"
# Swift brings a compiler of C along.
CC = "cc" if shutil.which("cc") else "clang"
HUMMINGBIRD = APPS / "hummingbird-hello"
# Debian has it in a folder that is not on everybody's PATH.
NGINX_PROGRAM = shutil.which("nginx") or "/usr/sbin/nginx"
NGINX = ROOT / ".build" / "bench-nginx" / "nginx.conf"
CERTIFICATE, KEY = (ROOT / ".build" / "bench-tls" / f"{name}.pem" for name in ("certificate", "key"))

PATHS = {"fast": "/", "hold": "/hold?seconds={seconds}", "wait": "/wait", "publish": "/publish",
         "upload": "/upload", "download": "/download?bytes={bytes}", "echo": "/echo", "broadcast": "/broadcast",
         "stream": None}
NO_WEBSOCKET = {"echo": None, "broadcast": None}
# apps/held.py; items are published at an address of their own.
HELD_PATHS = {**dict.fromkeys(PATHS), "fast": "/", "hold": "/poll", "wait": "/poll", "stream": "/stream",
              "publish": "/publish/"}
# Examples/websocket-echo
SOCKET_PATHS = {**dict.fromkeys(PATHS), "fast": "/", "echo": "/echo", "broadcast": "/broadcast"}
# Examples/longpoll-chat: there is no message after these ids, so a client that asks for one waits.
CHAT_PATHS = {"fast": "/waiting", "hold": "/messages?since=999999999&wait={seconds}",
              "wait": "/messages?since={published}&wait=30", "publish": "/messages", "upload": "/messages",
              "download": None, "stream": None, **NO_WEBSOCKET}
THREADS = 64
# Worker classes that serve ASGI apps.
ASGI = ("asgi", "uvicorn")


class Kind:
    """`classes`: the values of --worker-class, the default first. `waits`: those that hold any number of requests at
    once. `hup`: whether HUP reloads it. `workers`: whether it can have several. `needs_port`: true if it cannot let the
    kernel choose its port. `leave`: the signal that ends it and its workers at once. `made`: the program, its sources,
    and the command that builds it when it is first used or its sources have changed. `grip`: whether it holds what its
    app says it should (GRIP), so that any class holds any number; messages are published at `spec.publish_port`."""

    def __init__(self, words, classes, waits=(), hup=False, workers=True, package=None, needs_port=False,
                 leave=signal.SIGTERM, made=None, grip=False):
        self.words, self.classes, self.waits, self.hup = words, classes, waits, hup
        self.workers, self.package, self.needs_port, self.leave, self.made = workers, package, needs_port, leave, made
        self.grip = grip

    def paths(self, spec):
        if self is KINDS["evgateway"] and spec.worker_class == "swift":
            own = _swift_app(spec).name
            return {"example-longpoll-chat": CHAT_PATHS, "example-websocket-echo": SOCKET_PATHS}.get(own, PATHS)
        if self is KINDS["bare-c-websocket"]:
            return SOCKET_PATHS
        if self.grip or self is KINDS["bare-c-holds"]:
            return HELD_PATHS
        if self in (KINDS["bare-c"], KINDS["nginx"]):
            return {**dict.fromkeys(PATHS), "fast": "/"}
        return PATHS if spec.worker_class in ASGI or spec.app else {**PATHS, **NO_WEBSOCKET}

    def build(self):
        if self.made is not None:
            make(*self.made)


def make(program, sources, command):
    """Runs the command if there is no program yet, or one that is older than its sources."""
    newest = max((source.stat().st_mtime for source in sources), default=0.0)
    if program.exists() and program.stat().st_mtime >= newest:
        return
    print(f"making {shown(program)}: {typed(command)}", file=sys.stderr, flush=True)
    program.parent.mkdir(parents=True, exist_ok=True)
    if subprocess.run([str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL,
                      stdout=sys.stderr).returncode:
        raise Refused(f"{shown(program)} could not be made")
    # If nothing had to be compiled, the file still has its old time.
    os.utime(program)


def make_certificate():
    """ECDSA with P-256, as public certificates have it."""
    make(CERTIFICATE, [], [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", KEY,
        "-out", CERTIFICATE, "-days", "3650", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"])


def shown(path):
    """Returns the path relative to the root of the repository, if it is inside."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def typed(words):
    """Returns a command as one would type it in the root of the repository."""
    return shlex.join(shown(word) if isinstance(word, pathlib.Path) else str(word) for word in words)


def _app(spec):
    """The app that --app names, or the harness's own."""
    module = "websocket_app" if spec.websocket else "held" if spec.kind.grip else "waiting"
    return spec.app_or(f"{module}:{'asgi' if spec.worker_class in ASGI else 'app'}")


def _swift_app(spec):
    return pathlib.Path(spec.app_or(RELEASE / f"example-{'websocket-echo' if spec.websocket else 'longpoll-chat'}"))


def _evgateway(spec):
    words = [RELEASE / "evgateway", "--bind", spec.bind, "--workers", str(spec.workers), "--connections",
             str(spec.connections)]
    if spec.worker_class == "swift":
        return [*words, *spec.flags, _swift_app(spec)]
    threads = ["--threads", str(spec.threads)] if spec.worker_class == "threads" else []
    return [*words, "--python", spec.python, "--pythonpath", APPS, "--worker-class", spec.worker_class, *threads,
            *spec.flags, _app(spec)]


def _evgateway_grip(spec):
    *words, app = _evgateway(spec)
    return [*words, "--grip", "--publish-bind", f"{spec.host}:{spec.publish_port}", app]


def _pushpin(spec):
    """In front of one worker of evgateway that knows nothing of GRIP."""
    server = [RELEASE / "evgateway", "--bind", "{bind}", "--connections", "6000", "--python", spec.python,
              "--pythonpath", APPS, "--worker-class", "inline", _app(spec)]
    return [spec.python, "-B", APPS / "serve_pushpin.py", str(spec.port), str(spec.publish_port), str(spec.connections),
            *spec.flags, *server]


def _gunicorn(spec):
    threads = ["--threads", str(spec.threads)] if spec.worker_class == "gthread" else []
    return [spec.python, "-m", "gunicorn", "--bind", spec.bind, "--workers", str(spec.workers),
            "--worker-connections", str(spec.connections), "--keep-alive", "75", "--worker-class", spec.worker_class,
            *threads, *spec.flags, _app(spec)]


def _uvicorn(spec):
    return [spec.python, "-m", "uvicorn", "--host", spec.host, "--port", str(spec.port), "--workers",
            str(spec.workers), "--loop", "uvloop", "--http", "httptools", "--ws",
            "auto" if spec.websocket else "none", "--no-access-log", "--timeout-keep-alive", "75", *spec.flags,
            _app(spec)]


def _granian(spec):
    websocket = "--ws" if spec.websocket else "--no-ws"
    interface = ["asgi", "--loop", "uvloop", websocket] if spec.worker_class == "asgi" else [
        "wsgi", "--blocking-threads", str(spec.threads)]
    return [spec.python, "-m", "granian", "--host", spec.host, "--port", str(spec.port), "--workers",
            str(spec.workers), "--interface", *interface, *spec.flags,
            _app(spec)]


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
    # With gevent, uwsgi itself has no keep-alive; its HTTP router has.
    how = ["--http", spec.bind, "--http-keepalive=75", "--gevent", str(spec.connections), "--gevent-monkey-patch"]
    if spec.worker_class == "threads":
        how = ["--http11-socket", spec.bind, "--enable-threads", "--threads", str(spec.threads)]
    return [spec.python.parent / "uwsgi", *how, "--master", "--processes", str(spec.workers), "--listen", "1000",
            "--max-fd", str(spec.connections + 100), "--disable-logging", "--die-on-term", "--need-app",
            "--pythonpath", APPS, *spec.flags, "--module", spec.app_or("waiting:app")]


def _hypercorn(spec):
    return [spec.python, "-m", "hypercorn", "--bind", spec.bind, "--workers", str(spec.workers), "--worker-class",
            "uvloop", "--keep-alive", "75", "--backlog", "2048", *spec.flags, _app(spec)]


def _nginx(spec):
    """A hello, over TLS."""
    NGINX.parent.mkdir(parents=True, exist_ok=True)
    NGINX.write_text(f"""
daemon off;
worker_processes {spec.workers};
pid {NGINX.parent / "pid"};
events {{ worker_connections {spec.connections}; }}
http {{
    access_log off;
    server {{
        listen {spec.bind} ssl;
        ssl_certificate {CERTIFICATE};
        ssl_certificate_key {KEY};
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ return 200 "Hello, World!"; }}
    }}
}}
""")
    return [NGINX_PROGRAM, "-p", NGINX.parent, "-e", "stderr", "-c", NGINX, *spec.flags]


def _bare(name):
    program, source = ROOT / ".build" / f"bench-{name.replace('_', '-')}", APPS / f"{name}.c"
    return Kind(lambda spec: [program, *spec.flags], ("c",), ("c",), workers=False, made=(
        program, [source], [CC, "-O2", "-D_GNU_SOURCE", "-o", program, source, "-lev"]))


KINDS = {
    "evgateway": Kind(_evgateway, ("gevent", "inline", "threads", "asgi", "swift"), ("gevent", "asgi", "swift"),
                      hup=True, leave=signal.SIGINT, made=(RELEASE / "evgateway", [], [ROOT / "scripts" / "build"])),
    "evgateway-grip": Kind(_evgateway_grip, ("inline", "threads", "gevent", "asgi"), hup=True, leave=signal.SIGINT,
                           made=(RELEASE / "evgateway", [], [ROOT / "scripts" / "build"]), grip=True),
    "pushpin": Kind(_pushpin, ("inline",), workers=False, package="pushpin", needs_port=True, grip=True,
                    made=(RELEASE / "evgateway", [], [ROOT / "scripts" / "build"])),
    "gunicorn-gevent": Kind(_gunicorn, ("gevent",), ("gevent",), hup=True, package="gunicorn", leave=signal.SIGINT),
    "gunicorn-gthread": Kind(_gunicorn, ("gthread",), hup=True, package="gunicorn", leave=signal.SIGINT),
    "gunicorn-asgi": Kind(_gunicorn, ("asgi",), ("asgi",), hup=True, package="gunicorn", leave=signal.SIGINT),
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
    "nginx": Kind(_nginx, ("c",), package="nginx", needs_port=True),
    "bare-c": _bare("bare"),
    "bare-c-websocket": _bare("bare_websocket"),
    "bare-c-holds": _bare("bare_holds"),
}


def held_at_once(spec):
    """Returns how many waiting requests a worker can hold; None if as many as it has connections."""
    kind = KINDS[spec.name]
    if kind.grip or spec.worker_class in kind.waits:
        return None
    if spec.worker_class in ("inline", "c"):
        return 1
    return spec.threads


def version(spec):
    """Returns the version of the server, and of the library whose loop it uses; None if it is not known."""
    if spec.name == "hummingbird":
        return re.search(r'exact: "([^"]+)"', (HUMMINGBIRD / "Package.swift").read_text())[1]
    if spec.name.startswith("bare-c"):
        return "libev " + _output("dpkg-query", "-W", "-f=${Version}", "libev-dev")
    if spec.name in ("nginx", "pushpin"):
        return _output("dpkg-query", "-W", "-f=${Version}", {"nginx": "nginx-common"}.get(spec.name, spec.name))
    if spec.name.startswith("evgateway"):
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
