"""Runs every `here` of the pages about moving from another server. A page has one table, `| there | here | note |`:

- `here` is a command that serves, or the name of a file for the proxy in front; what it names of the fenced blocks
  below (their first line is `# NAME`) is written before, and no other.
- A note that begins with "The same." says that only the program's name differs.
- "Started by root." in a note is for rows that only root can run.
- "Says: `...`" in a note is in the log; with "Refused: `...`" the server does not start, and says that.

/srv/app is the folder with the apps, /srv/venv the virtual environment of the tests, and the kernel chooses ports.
"""

import concurrent.futures
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
from signal import SIGTERM

import pytest

from conftest import PYTHON
from support import accounts, procfs, wait
from support.certificates import Authority, SecureWire
from support.gateway import LAUNCHER, ROOT, Gateway, environment
from support.gateway_wires import Front
from support.program import PACKAGE
from support.wire import Wire
from test_readme import free_port

PAGES = sorted((ROOT / "Sources/EvGateway/EvGateway.docc").glob("MovingFrom*.md"))
HEAD = ["| there | here | note |", "|---|---|---|"]
AT_ONCE = 4
VENV = PYTHON.parent.parent

APPS = {
    "hello.py": '''
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"Hello"]

def create_app():
    return app
''',
    "wsgi.py": "from hello import create_app\n\napplication = app = create_app()\n",
    "shop/__init__.py": '''
from flask import Flask

def create_app():
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "Hello")
    return app

app = create_app()
''',
    "example.py": '''
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"Hello"})

def create_app():
    return app
''',
    "main.py": '''
from fastapi import FastAPI

app = FastAPI()

@app.get("/")
def index():
    return "Hello"
''',
    "module.py": '''
from asgiref.wsgi import WsgiToAsgi
from shop import app

asgi_app = WsgiToAsgi(app)
''',
    "cherry.py": '''
import cherrypy

class Root:
    @cherrypy.expose
    def index(self):
        return "Hello"

app = cherrypy.tree.mount(Root(), "/")
''',
    "app.env": "GREETING=Hello\n",
    "log.json": '{"version": 1}',
}


def table(text):
    """Returns the rows of a page's table, each as (there, here, note)."""
    lines = text.splitlines()
    start = lines.index(HEAD[0])
    assert lines[start + 1] == HEAD[1] and HEAD[0] not in lines[start + 1:]
    rows = []
    for line in lines[start + 2:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 3, line
        rows.append((code(cells[0]), code(cells[1]), cells[2]))
    return rows


def code(cell):
    assert re.fullmatch(r"`[^`]+`", cell), f"{cell} is not code"
    return cell.strip("`")


def blocks(text):
    """Returns the fenced blocks that name a file in their first line, by that name."""
    return {found[1]: found[2] for found in re.finditer(r"^```\w+\n# (\S+\.\w+)\n(.*?)^```$", text, re.M | re.S)}


ROWS = [(page.stem, *row) for page in PAGES for row in table(page.read_text())]
FILES = {page.stem: blocks(page.read_text()) for page in PAGES}


class Run:
    """One command in a folder of its own."""

    def __init__(self, page, command, note):
        self.page, self.command, self.note, self.files = page, command, note, FILES[page]
        self.refused = re.search(r"Refused: `([^`]+)`", note)
        self.says = re.findall(r"Says: `([^`]+)`", note)

    @property
    def key(self):
        names = [name for name in self.files if name in self.command]
        return self.command, self.refused and self.refused[1], *self.says, *(self.files[name] for name in names)

    def __call__(self):
        with tempfile.TemporaryDirectory(prefix="evg") as name:  # a short one, for Unix sockets
            self.folder = pathlib.Path(name)
            shutil.copytree(self.apps, self.folder, dirs_exist_ok=True)
            self.folder.chmod(0o755)  # a proxy may run as another user
            if self.command in PROXIES:
                return PROXIES[self.command](self)
            self.context = self.certificates()
            for file in self.files:
                if file in self.command:
                    (self.folder / file).write_text(f"# {file}\n{self.translated(self.files[file])}")
            if "Started by root." in self.note:
                if os.geteuid() != 0:
                    pytest.skip("only root can change the user of the workers")
                accounts.require()
            if "daemon" in self.command:
                return self.serve_in_the_background(self.arguments())
            return self.serve(self.arguments())

    def certificates(self):
        """Makes the files that the command names for TLS; returns the context of a client."""
        found = re.search(r"certfile (\S+)", self.command)
        if not found:
            return None
        authority = Authority(self.folder / "authority")
        for made, name in zip(authority.issue("server"), (found[1], re.search(r"keyfile (\S+)", self.command)[1])):
            shutil.copy(made, self.folder / name)
        return authority.context()

    def serve_in_the_background(self, arguments):
        """The command ends when the server is ready; its output goes to a file that the server may keep open."""
        socket, pid_file = self.folder / "front", self.folder / "front.pid"
        if found := re.search(r"pidfile ?= ?\S*/(\S+)", self.command + "".join(self.files.values())):
            pid_file = self.folder / found[1]
        with open(self.folder / "said", "wb") as said:
            done = subprocess.run(arguments, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=(
                environment({"VIRTUAL_ENV": str(VENV), "PYTHONPATH": str(PACKAGE), "EVGATEWAY_BIND": f"unix:{socket}",
                             "EVGATEWAY_PIDFILE": str(pid_file)})), timeout=60)
        assert done.returncode == 0, (self.folder / "said").read_text()
        pid = int(pid_file.read_text())
        try:
            said = (self.folder / "said").read_text()
            tcp = re.search(r"Listening at: \w+://([\d.]+):(\d+)", said)
            assert status((tcp[1], int(tcp[2])) if tcp else str(socket), spoken(said)) == 200
        finally:
            os.kill(pid, SIGTERM)
            wait.until(lambda: not procfs.alive(pid), "the server has ended")

    def translated(self, text):
        """Replaces folders and ports of the page by those of the test."""
        # A port to send to may stay: nobody listens.
        ports = r"(?<!statsd-host localhost):\d+\b(?!\])|(?<=port=)\d+|(?<=port = )\d+"
        text = re.sub(ports, lambda found: ":0" if found[0][0] == ":" else "0", text)
        text = re.sub(r"/var/log/\S+", "/dev/stderr", text)  # which the test reads
        text = re.sub(r"/srv/app\b|(?<![\w/])/(?:run|tmp)(?=/)", str(self.folder), text)
        return text.replace("/srv/venv", str(VENV))

    def arguments(self):
        words = shlex.split(self.translated(self.command))
        for index, word in enumerate(words):
            if words[index - 1] == "--port":
                words[index] = "0"
            elif words[index - 1] == "-b" and word == "0.0.0.0":
                words[index] += ":0"
        if "--host" in words and "--port" not in words:
            words += ["--port", "0"]
        program = {"evgateway": LAUNCHER, "python3": PYTHON}[words[0]]
        return [program, *words[1:]]

    def workers(self):
        found = re.search(r"(?:-w|--workers|--processes)[ =]?(\d+)", self.command)
        return int(found[1]) if found else 1

    def serve(self, arguments):
        server = Gateway(arguments[1:], program=[arguments[0]], cwd=self.folder, env={
            "VIRTUAL_ENV": str(VENV), "PYTHONPATH": str(PACKAGE), "EVGATEWAY_BIND": "127.0.0.1:0"})
        try:
            if self.refused:
                assert server.wait() == 1, server.error_log()
                assert server.error_log().splitlines()[-1] == f"evgateway: {self.refused[1]}"
                return
            server.wait_until_ready(self.workers())
            assert status(server.address, spoken(server.error_log()), self.context) == 200, server.error_log()
            for text in self.says:
                assert text in server.error_log(), server.error_log()
            assert server.stop(SIGTERM) == 0, server.error_log()
        finally:
            leftover = server.clean_up()
        assert not leftover, f"processes {leftover} were left"

    # The proxy in front

    def behind(self, name, arguments, configuration, front):
        """Asks an app through a proxy that listens at `front`. Port 8000 of the configuration is the app's."""
        binary = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin")
        assert binary, f"{name} is not installed: scripts/setup tests"
        server = Gateway(["hello:app", "--bind", "127.0.0.1:0"], cwd=self.folder, env={"VIRTUAL_ENV": str(VENV)})
        try:
            server.wait_until_ready()
            text = configuration + self.files[self.command]
            assert text.count(":8000") == 1
            (self.folder / self.command).write_text(text.replace(":8000", f":{server.port}"))
            process = subprocess.Popen([binary, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                def answer():
                    assert process.poll() is None, process.stderr.read().decode()
                    try:
                        return status(front)
                    except OSError:
                        return None
                assert wait.until(answer, f"{name} listens") == 200
            finally:
                process.terminate()
                process.wait(20)
                process.stderr.close()
        finally:
            server.clean_up()

    def nginx(self):
        """The block of the page is a file of conf.d."""
        folder, front = self.folder, str(self.folder / "front")
        self.files = {self.command: self.files[self.command].replace("listen 80;", f"listen unix:{front};")}
        paths = "".join(f"{name}_temp_path {folder}/{name};" for name in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "main.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {paths} include {folder}/{self.command}; }}\n")
        self.behind("nginx", ["-p", folder, "-e", "stderr", "-c", folder / "main.conf"], "", front)

    def apache(self):
        """The block of the page is the end of httpd.conf, behind what Debian has in other files."""
        folder, port = self.folder, free_port()
        modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                          for name in ("mpm_event", "authz_core", "headers", "proxy", "proxy_http"))
        self.behind("apache2", ["-X", "-d", folder, "-f", folder / self.command], front=("127.0.0.1", port),
                    configuration=(f"{modules}ServerName localhost\nListen 127.0.0.1:{port}\n"
                                   f"DefaultRuntimeDir {folder}\nPidFile {folder}/pid\nErrorLog /dev/stderr\n"))


PROXIES = {"nginx.conf": Run.nginx, "httpd.conf": Run.apache}


def spoken(log):
    """What the server says that it speaks."""
    found = re.search(r"Listening at: (uwsgi|fastcgi|scgi)://", log)
    return found[1] if found else "http"


def status(address, protocol="http", context=None):
    if context:
        with SecureWire(address, context) as wire:
            return wire.get("/").status
    if protocol != "http":
        with Front(address, protocol) as front:
            return front.ask("GET", "/", HTTP_HOST="localhost").read().status
    with Wire(address) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return wire.read().status


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What became of each run, by its key: None, or an exception."""
    Run.apps = tmp_path_factory.mktemp("apps")
    for name, text in APPS.items():
        (Run.apps / name).parent.mkdir(exist_ok=True)
        (Run.apps / name).write_text(text)
    subprocess.run([PYTHON, "-m", "django", "startproject", "mysite", Run.apps], check=True)
    runs = {run.key: run for run in (Run(page, here, note) for page, _, here, note in ROWS)}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(runs, pool.map(outcome, runs.values())))


def outcome(run):
    try:
        run()
    except BaseException as error:
        return error
    return None


@pytest.mark.parametrize("page, there, here, note", ROWS, ids=[f"{page[10:]}: {here}" for page, _, here, _ in ROWS])
def test_what_is_typed_here_does_what_the_page_says(outcomes, page, there, here, note):
    if error := outcomes[Run(page, here, note).key]:
        raise error


def test_every_page_is_found_and_every_block_is_run():
    links = re.findall(r"<doc:(MovingFrom\w+)>", (PAGES[0].parent / "EvGateway.md").read_text())
    assert sorted(links) == [page.stem for page in PAGES] and set(links) == {page for page, *_ in ROWS}
    for page, files in FILES.items():
        assert set(files) == {name for name in files for found, _, here, _ in ROWS if found == page and name in here}


@pytest.mark.parametrize("page, there, here, note", ROWS, ids=[f"{page[10:]}: {there}" for page, there, _, _ in ROWS])
def test_a_row_says_whether_only_the_name_of_the_program_differs(page, there, here, note):
    def rest(command):
        return re.sub(r"^(python3? -m )?\S+ ", "", command)
    same = rest(there) == rest(here) and not here.startswith("python") and there != here
    assert same == note.startswith("The same."), (there, here)
