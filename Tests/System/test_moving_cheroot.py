"""Both sides of the page about moving from cheroot and CherryPy: each pair of commands is run with the real packages,
and an app that repeats what it is given, or one of CherryPy, is asked the same through both servers."""

import pprint
import re
import shlex
from signal import SIGTERM

import pytest

from conftest import PYTHON
from support import wait
from support.gateway import Gateway
from support.program import PACKAGE
from support.wire import Wire
from test_moving import FILES, ROWS
from test_readme import free_port

PAGE = "MovingFromCheroot"
PAIRS = [(there, here) for page, there, here, note in ROWS
         if page == PAGE and "Refused" not in note and not there.startswith("cherrypy.")]

# What an app may see of a request. Left out: what names the server.
ECHO = '''
NAMES = ["REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH",
         "SERVER_PROTOCOL", "SERVER_PORT", "REMOTE_ADDR", "HTTP_HOST", "HTTP_X_A", "HTTP_COOKIE", "wsgi.url_scheme"]

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    seen = [f"{name}={environ.get(name) or None!r}" for name in NAMES] + [repr(body)]
    data = "\\n".join(seen).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(data))), ("X-A", "1")])
    return [data]

application = app
'''

APPS = {"hello.py": ECHO, "shop.py": ECHO, "mysite/__init__.py": "", "mysite/wsgi.py": ECHO, "cherry.py": '''
import cherrypy

class Root:
    @cherrypy.expose
    def index(self, name="you"):
        return f"Hello, {name}!"

    @cherrypy.expose
    @cherrypy.tools.json_in()
    @cherrypy.tools.json_out()
    def sum(self):
        return {"sum": sum(cherrypy.request.json)}

    @cherrypy.expose
    def away(self):
        raise cherrypy.HTTPRedirect("/")

    @cherrypy.expose
    def stream(self):
        return (f"{number}\\n" for number in range(3))
    stream._cp_config = {"response.stream": True}

    @cherrypy.expose
    def fails(self):
        raise ValueError

    @cherrypy.expose
    def count(self):
        cherrypy.session["count"] = cherrypy.session.get("count", 0) + 1
        return str(cherrypy.session["count"])
    count._cp_config = {"tools.sessions.on": True}

    @cherrypy.expose
    def state(self):
        return cherrypy.engine.state.name

app = cherrypy.tree.mount(Root(), "/")
''', "own.py": '''
import cherrypy, sys, cherry
cherrypy.config.update({"environment": "embedded", "server.socket_port": int(sys.argv[1])})
cherrypy.quickstart(cherry.Root(), "/")
'''}

FIELDS = "Host: shop.example\r\nX-A: b, c\r\nCookie: a=1; b=2\r\n"
REQUESTS = [
    f"GET / HTTP/1.1\r\n{FIELDS}\r\n", f"GET /a%20b/%C3%A9?x=1&y=%20 HTTP/1.1\r\n{FIELDS}\r\n",
    f"HEAD /shop/x HTTP/1.1\r\n{FIELDS}\r\n", f"GET /shop HTTP/1.1\r\n{FIELDS}\r\n",
    f"POST /p HTTP/1.1\r\n{FIELDS}Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nabcde",
    f"PUT /p HTTP/1.1\r\n{FIELDS}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
]
PLACES = ("date", "server", "connection", "content-length")
CHERRYPY = [f"GET {target} HTTP/1.1\r\nHost: shop.example\r\n\r\n"
            for target in ("/", "/?name=%C3%A9", "/away", "/stream", "/fails", "/nothing", "/count", "/state")]
CHERRYPY.append("POST /sum HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\nContent-Length: 7\r\n"
                "\r\n[1,2,3]")


@pytest.fixture
def place(tmp_path):
    for name, words in APPS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(words)
    return tmp_path


@pytest.fixture
def serving(place):
    """Factory: starts a command in the folder of the apps, and returns the process when its address answers."""
    started = []

    def start(words, address):
        words = [str(word) for word in words]
        server = Gateway(words[1:], program=words[:1], cwd=place,
                         env={"PYTHONPATH": f"{place}:{PACKAGE}", "VIRTUAL_ENV": str(PYTHON.parent.parent)})
        started.append(server)

        def answers():
            assert server.process.poll() is None, server.error_log()
            try:
                with Wire(address) as wire:
                    return wire.send("GET / HTTP/1.0\r\n\r\n").socket.recv(1)
            except OSError:
                return None
        wait.until(answers, f"{words} answers")
        return server

    yield start
    for server in started:
        server.clean_up()


def answers(address, requests):
    """Of each request, as text: status, body, and the fields that do not name the server or the moment."""
    found = []
    for request in requests:
        with Wire(address) as wire:
            got = wire.send(request).read(request.split()[0])
        fields = sorted((name.lower(), re.sub("session_id=[^;]+; expires=[^;]+", "", value))
                        for name, value in got.fields if name.lower() not in PLACES)
        # A chunked body has a length here, because it has arrived; a Unix socket has neither address nor port.
        differ = [b"CONTENT_LENGTH"] if "chunked" in request else []
        differ += [b"SERVER_PORT", b"REMOTE_ADDR"] if isinstance(address, str) else []
        body = [line for line in got.body.splitlines() if line.partition(b"=")[0] not in differ]
        found.append((request.split(" HTTP")[0], got.status, fields, body))
    return pprint.pformat(found, width=200)


def command(side, place, port):
    """The words that run one side of a pair on an address of the test's, and that address."""
    programs = {"cheroot": PYTHON.parent / "cheroot", "evgateway": Gateway.program[0], "python3": PYTHON}
    for name, words in FILES[PAGE].items():
        (place / name).write_text(words.replace("8080", str(port)).replace("0.0.0.0", "127.0.0.1"))
    if side.startswith("wsgi."):
        imports = "import hello, shop\nfrom hello import app\nfrom shop import app as other\nfrom cheroot import wsgi\n"
        side = side.replace('"/shop": shop', '"/shop": other')
        if "Dispatcher" in side:
            side = f'wsgi.Server(("127.0.0.1", {port}), {side}).start()'
        (place / "there.py").write_text(imports + side.replace("8080", str(port)).replace("0.0.0.0", "127.0.0.1"))
        return [PYTHON, "there.py"], ("127.0.0.1", port)
    side = re.sub(r":80[08]0\b", f":{port}", side).replace("/srv/app", str(place)).replace("/run/", f"{place}/")
    words = shlex.split(side)
    words[0] = programs[words[0]]
    if side.startswith("python3"):
        return words, ("127.0.0.1", port)
    if "--bind" not in words:
        words += ["--bind", f"127.0.0.1:{port}"]
    bound = words[words.index("--bind") + 1].removeprefix("unix:")
    return words, bound if "/" in bound else (bound.rpartition(":")[0].strip("[]"), port)


@pytest.mark.parametrize("there, here", PAIRS, ids=[here for _, here in PAIRS])
def test_an_app_is_given_the_same_and_answers_alike(serving, place, there, here):
    seen = []
    for side in (there, here):
        port = free_port()
        words, address = command(side, place, port)
        server = serving(words, address)
        seen.append(answers(address, REQUESTS).replace(str(port), "PORT").splitlines())
        server.process.send_signal(SIGTERM)
        server.process.wait(60)
        (place / "cheroot.sock").unlink(missing_ok=True)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("worker_class", ["gevent", "threads"])
def test_a_cherrypy_app_answers_as_with_its_own_server(serving, place, worker_class):
    own, here = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
    (place / "gunicorn.conf.py").write_text(FILES[PAGE]["gunicorn.conf.py"])
    serving([PYTHON, "own.py", own[1]], own)
    server = serving([Gateway.program[0], "cherry:app", "-k", worker_class, "--bind", f"127.0.0.1:{here[1]}"], here)
    assert answers(own, CHERRYPY) == answers(here, CHERRYPY)
    assert server.stop(SIGTERM) == 0
    assert "Warning" not in server.error_log()
