"""The proxies of Examples/deploy, each with its file from there. Paths and addresses are replaced; the rest is what
people copy."""

import contextlib
import grp
import http.client
import os
import pwd
import socket
import subprocess

from .foreground import Foreground, binary
from .gateway import ROOT

FOLDER = ROOT / "Examples" / "deploy"
SOCKET, TCP = "/run/hello/app.sock", "127.0.0.1:8000"
# Of no other address does the kernel give a port away meanwhile.
HOST = "127.0.0.9"
# An address that no proxy has.
CLIENT = "127.0.0.2"


@contextlib.contextmanager
def asking(front):
    """`asks(method, path)` is the response to a request on a connection of its own, not yet read."""
    connections = []

    def ask(method, path, **more):
        connections.append(http.client.HTTPConnection(*front.address, timeout=30, source_address=(CLIENT, 0)))
        connections[-1].request(method, path, **more)
        return connections[-1].getresponse()
    yield ask
    for connection in connections:
        connection.close()


def replaced(text, old, new):
    assert old in text, f"no {old!r} in:\n{text}"
    return text.replace(old, new)


def over_tcp(text):
    """The same file with each line that names the socket replaced by the comment after it."""
    lines = text.splitlines()
    places = [number for number, line in enumerate(lines) if SOCKET in line and not line.lstrip().startswith("#")]
    assert places
    for at in reversed(places):
        assert lines[at + 1].lstrip().startswith("# ") and TCP in lines[at + 1]
        indentation = lines[at][:len(lines[at]) - len(lines[at].lstrip())]
        lines[at:at + 2] = [indentation + lines[at + 1].lstrip().removeprefix("# ")]
    return "\n".join(lines) + "\n"


class Front(Foreground):
    """A proxy in the foreground at `address`; all its files are in `directory`.

    `upstream` is (host, port) or the path of a socket; `changes` are further pairs of old and new text. A subclass
    gives the file, what in it names port 80, and the commands."""

    file, port_80 = None, None

    def __init__(self, directory, upstream, changes=()):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.address = probe.getsockname()
        self.here = f"{HOST}:{self.address[1]}"
        self.directory, self.configuration = directory, directory / self.file
        text = (FOLDER / self.file).read_text()
        if isinstance(upstream, tuple):
            text = replaced(over_tcp(text), TCP, f"{upstream[0]}:{upstream[1]}")
        else:
            text = replaced(text, SOCKET, str(upstream))
        for old, new in changes:
            text = replaced(text, old, new)
        self.prepare(replaced(text, self.port_80[0], self.port_80[1].format(HOST, self.address[1])))
        self.output = directory / "output"
        self.command = [binary(self.program), *self.start]
        # The proxy keeps out of the home directory.
        self.surroundings = {"cwd": directory, "env": {
            **os.environ, "HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "XDG_DATA_HOME": str(directory)}}

    def prepare(self, text):
        self.configuration.write_text(text)

    def complaints(self):
        """What the proxy's own check says of the configuration; "" if nothing."""
        checked = subprocess.run([binary(self.program), *self.check], stdin=subprocess.DEVNULL, capture_output=True,
                                 text=True, timeout=30, **self.surroundings)
        said = checked.stdout + checked.stderr
        return "" if checked.returncode == 0 and "warn" not in said.lower() else f"{checked.returncode}: {said}"


class Nginx(Front):
    program, file, port_80 = "nginx", "nginx.conf", ("listen 80;", "listen {}:{};")

    def prepare(self, text):
        super().prepare(text)
        temporary = "".join(f"    {kind}_temp_path {self.directory}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.directory / "main.conf").write_text(
            f"daemon off;\npid {self.directory}/nginx.pid;\nevents {{}}\n"
            f"http {{\n    access_log off;\n{temporary}    include {self.configuration};\n}}\n")
        self.start = ["-p", str(self.directory), "-e", "stderr", "-c", str(self.directory / "main.conf")]
        self.check = ["-t", "-q", *self.start]


class Apache(Front):
    program, file, port_80 = "apache2", "apache.conf", ("<VirtualHost *:80>", "<VirtualHost {}:{}>")
    folder = "/usr/lib/apache2/modules"

    def prepare(self, text):
        super().prepare(text)
        # What Debian's apache2.conf loads, and what the first line of the file says.
        enabled = text.partition("a2enmod ")[2].partition(" &&")[0].split()
        modules = "".join(f"LoadModule {name}_module {self.folder}/mod_{name}.so\n"
                          for name in ("mpm_event", "authz_core", "reqtimeout", *enabled))
        (self.directory / "main.conf").write_text(
            f"{modules}ServerName test\nListen {self.here}\nPidFile {self.directory}/pid\n"
            f"DefaultRuntimeDir {self.directory}\nErrorLog {self.directory}/error.log\nStartServers 1\n"
            + ("User www-data\nGroup www-data\n" if os.getuid() == 0 else "") + f"Include {self.configuration}\n")
        self.check = ["-d", str(self.directory), "-f", str(self.directory / "main.conf"), "-t"]
        self.start = [*self.check[:-1], "-D", "FOREGROUND"]


class HAProxy(Front):
    program, file, port_80 = "haproxy", "haproxy.cfg", ("bind :80", "bind {}:{}")

    def prepare(self, text):
        if os.getuid() != 0:
            text = replaced(replaced(text, "    user haproxy\n", ""), "    group www-data\n", "")
        super().prepare(text)
        self.check = ["-c", "-q", "-f", str(self.configuration)]
        self.start = ["-db", "-f", str(self.configuration)]


class Caddy(Front):
    program, file, port_80 = "caddy", "Caddyfile", ("hello.example {", "http://:{1} {{\n\tbind {0}")

    def prepare(self, text):
        super().prepare("{\n\tadmin off\n}\n" + text)
        self.check = ["adapt", "--validate", "--config", str(self.configuration)]
        self.start = ["run", "--config", str(self.configuration)]


FRONTS = {"nginx": Nginx, "apache": Apache, "haproxy": HAProxy, "caddy": Caddy}


def user_and_group():
    """The names of whoever runs the tests."""
    return pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
