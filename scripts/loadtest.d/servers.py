"""One server under load: started from a specification, or running at a URL. All its processes are measured."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from urllib.parse import urlsplit

import kinds
from clients import http1
from clients.crew import die_with_parent
from kinds import Refused
from process_tree import Tree

READY = re.compile(r"(?:Listening at|running on|Serving on|Listening on)[: ]+https?://127\.0\.0\.1:(\d+)",
                   re.IGNORECASE)
START_SECONDS = 60
# With an empty SETTINGS frame (RFC 9113 section 3.4); the server's first frame is one too.
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)


class Spec:
    """NAME[:key=value,...] of --server and --compare, or a URL; other values come from the options."""

    def __init__(self, text, options):
        self.text, self.url = text, None
        if re.match(r"https?://|unix:", text):
            self.name, self.url = text, text
            settings = {}
        else:
            self.name, _, rest = text.partition(":")
            settings = _settings(text, rest)
            if self.name not in kinds.KINDS:
                raise Refused(f"there is no server '{self.name}'; there are {', '.join(kinds.KINDS)}")
        self.worker_class = settings.pop("class", None) or options.worker_class
        self.workers = _whole("workers", settings.pop("workers", None) or options.workers or 1, 1, 256)
        self.threads = _whole("threads", settings.pop("threads", None) or options.threads or kinds.THREADS, 1, 4096)
        self.connections = _whole("connections", settings.pop("connections", None) or options.connections or 1000,
                                  1, 1 << 20)
        self.app = settings.pop("app", None) or options.app or ""
        # The link is not resolved: Python finds its virtualenv by the path that it is started with.
        self.python = pathlib.Path(os.path.abspath(settings.pop("python", None) or options.python or kinds.PYTHON))
        self.flags, self.host, self.port, self.publish_port = list(options.flags), "127.0.0.1", 0, 0
        # Whether it is to speak WebSocket, with the app for that; and the context of clients, if it speaks TLS.
        self.websocket, self.tls = False, None
        # Whether nothing else is spoken than HTTP/2, without TLS.
        self.http2 = False
        if settings:
            raise Refused(f"'{text}': there is no setting '{next(iter(settings))}'; "
                          "there are class, workers, threads, connections, app, python")
        if self.url is None:
            self._check()

    def _check(self):
        kind = kinds.KINDS[self.name]
        self.worker_class = self.worker_class or kind.classes[0]
        if self.worker_class not in kind.classes:
            raise Refused(f"{self.name} has no worker class '{self.worker_class}'; it has "
                          + ", ".join(name or "none" for name in kind.classes))
        if self.workers > 1 and not kind.workers:
            raise Refused(f"{self.name} runs as one process: --workers 1")

    @property
    def bind(self):
        return f"{self.host}:{self.port}"

    def app_or(self, default):
        return self.app or default

    @property
    def kind(self):
        return kinds.KINDS.get(self.name)


def _settings(text, rest):
    found = {}
    for entry in filter(None, rest.split(",")):
        key, equals, value = entry.partition("=")
        if not equals:
            raise Refused(f"'{text}': '{entry}' is not key=value")
        found[key] = value
    return found


def _whole(name, value, least, most):
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise Refused(f"{name} is a number from {least} to {most}, not '{value}'")
    return number


class Server:
    """`target` is what clients connect to: (family, address). `tree` is None if the processes are not known."""

    def __init__(self, spec, paths):
        self.spec, self.name = spec, spec.name
        self.paths = {**(spec.kind.paths(spec) if spec.kind else kinds.PATHS), **paths}
        self.process = self.tree = self.command = self.version = self.folder = None
        self.workers, self.published = None, 0
        # The most connections whose memory was measured: later connections use their memory again.
        self.crowd = 0
        # The name in reports, with the class if the server has several.
        self.label = f"{spec.name}-{spec.worker_class}" if spec.kind and len(spec.kind.classes) > 1 else spec.name

    @classmethod
    def started(cls, spec, paths, through=list):
        """`through` maps the words of its command to those that are run, which may start with a tool."""
        server = cls(spec, paths)
        spec.kind.build()
        if spec.kind.needs_port:
            spec.port = _free_port(spec.host)
        if spec.kind.grip:
            spec.publish_port = _free_port(spec.host)
        words = spec.kind.words(spec)
        if spec.python in words and not os.access(spec.python, os.X_OK):
            raise Refused(f"{spec.python} is not a Python interpreter")
        server.command, server.workers = kinds.typed(words), spec.workers
        server.version = kinds.version(spec)
        server._start([str(word) for word in through(words)])
        return server

    @classmethod
    def met(cls, spec, paths, pid=None):
        """A server that runs already, at http://HOST[:PORT][/PATH] or unix:PATH."""
        server = cls(spec, paths)
        try:
            parts = urlsplit(spec.url)
        except ValueError as error:
            raise Refused(f"{spec.url}: {error}") from None
        if not spec.url.isascii() or any(letter.isspace() for letter in spec.url):
            raise Refused(f"{spec.url!r}: a URL is ASCII without spaces")
        if parts.scheme == "https":
            raise Refused("https is not supported: name the http port behind it")
        if parts.scheme == "unix":
            path = "\0" + parts.path[1:] if parts.path.startswith("@") else parts.path
            server.target, server.host_field = (socket.AF_UNIX, path), "localhost"
        else:
            try:
                host, port = parts.hostname or "", parts.port or 80
                found = _reachable(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except (OSError, ValueError) as error:
                raise Refused(f"{spec.url}: {error}") from None
            server.target, server.host_field = (found[0], found[4]), parts.netloc.rpartition("@")[2]
            if "fast" not in paths and (parts.path or parts.query):
                server.paths["fast"] = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        server.url, server.label = spec.url, f"http://{parts.netloc}" if parts.netloc else spec.url
        if pid:
            if not os.path.exists(f"/proc/{pid}/smaps_rollup"):
                raise Refused(f"there is no process {pid}")
            server.tree = Tree(pid)
        return server

    def _start(self, words):
        self.folder = tempfile.TemporaryDirectory(prefix="loadtest-")
        environment = {**os.environ, "PYTHONPATH": str(kinds.APPS), "PYTHONDONTWRITEBYTECODE": "1",
                       "LOADTEST_SIBLINGS": self.folder.name}
        for name in ("PORT", "WEB_CONCURRENCY", "VIRTUAL_ENV"):
            environment.pop(name, None)
        try:
            self.process = subprocess.Popen(
                words, cwd=kinds.ROOT, env=environment, start_new_session=True, stdin=subprocess.DEVNULL,
                preexec_fn=lambda: die_with_parent(self.spec.kind.leave), stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
        except OSError as error:
            raise Refused(f"{self.name} cannot be started: {error}") from None
        self.tree, self.log = Tree(self.process.pid), []
        threading.Thread(target=self._follow, daemon=True).start()
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def _follow(self):
        for line in self.process.stdout:
            self.log.append(line.decode("utf-8", "replace"))
            del self.log[:-200]

    def _wait_until_it_answers(self):
        """Waits for the first answer. The port comes from the server's log, or from the kernel if it is not printed."""
        deadline, port = time.monotonic() + START_SECONDS, self.spec.port
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            found = [int(match[1]) for line in list(self.log) if (match := READY.search(line))]
            listening = [port for port in self.tree.listening_ports() if port != self.spec.publish_port]
            if not self.spec.port:
                port = next(iter([port for port in found if port] + listening), 0)
            if port in listening and self._answers(port):
                self.target, self.host_field = (socket.AF_INET, ("127.0.0.1", port)), f"127.0.0.1:{port}"
                self.url = f"{'https' if self.spec.tls else 'http'}://127.0.0.1:{port}/"
                self.settle(5)
                return
            time.sleep(0.05)
        time.sleep(0.2)
        raise Refused(f"{self.name} did not start. It was: {self.command}\n{''.join(self.log[-20:]).rstrip()}")

    def _answers(self, port):
        try:
            with self.connected(("127.0.0.1", port), 5) as client:
                if self.spec.http2:
                    client.sendall(HTTP2_PREFACE)
                    return client.recv(9)[3:4] == b"\x04"
                client.sendall(f"GET {self.paths['fast']} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                               "Connection: close\r\n\r\n".encode())
                return client.recv(16).startswith(b"HTTP/1.")
        except OSError:
            return False

    def connected(self, address, timeout):
        """A socket of the caller's, whose handshake is over where the server speaks TLS."""
        client = socket.create_connection(address, timeout)
        return client if self.spec.tls is None else self.spec.tls.wrap_socket(client, server_hostname=address[0])

    def publishing(self, text, fields=()):
        """Returns what publishes a text: (family, address), and the bytes of a request."""
        if not (self.spec.kind and self.spec.kind.grip):
            return self.target, http1.request("POST", self.paths["publish"], self.host_field, fields, text.encode())
        item = {"channel": "all", "formats": {"http-response": {"body": text}, "http-stream": {"content": text}}}
        body = json.dumps({"items": [item]}).encode()
        return (socket.AF_INET, (self.spec.host, self.spec.publish_port)), http1.request(
            "POST", self.paths["publish"], self.host_field, fields, body)

    def settle(self, seconds=10):
        """Waits until the processes have used no clock tick of CPU time for half a second, for `seconds` at most."""
        deadline, last = time.monotonic() + seconds, -1.0
        while self.tree and (now := self.tree.cpu_seconds()) - last > 0.011 and time.monotonic() < deadline:
            last = now
            time.sleep(0.5)

    def reload(self):
        os.kill(self.tree.root, signal.SIGHUP)

    def alive(self):
        return self.process is None or self.process.poll() is None

    def described(self):
        """Returns the value of a result's `server`."""
        return {"name": self.label, "version": self.version, "command": self.command, "url": self.url,
                "workers": self.workers}

    def stop(self):
        if self.process is None:
            return
        pids = self.tree.pids()
        if self.process.poll() is None:
            self.process.send_signal(self.spec.kind.leave)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in {*pids, *self.tree.pids()} - {self.process.pid}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.folder.cleanup()


def _reachable(addresses):
    """Returns the first address that accepts a connection; if none does, the first."""
    for found in addresses if len(addresses) > 1 else ():
        with socket.socket(found[0], socket.SOCK_STREAM) as probe:
            probe.settimeout(5)
            if probe.connect_ex(found[4]) == 0:
                return found
    return addresses[0]


def no_reload(spec, pid):
    """Returns why the server does not reload on HUP; None if it does."""
    if spec.url is not None:
        return None if pid else "whom to send HUP to? --pid"
    if not spec.kind.hup:
        return f"{spec.name} does not reload on HUP"
    if spec.name == "uvicorn" and spec.workers < 2:
        return "uvicorn reloads only with --workers 2 or more"
    return None


def _free_port(host):
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
