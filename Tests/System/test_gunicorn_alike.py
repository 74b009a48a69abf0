"""The same configuration, command line, environment and requests for gunicorn and for evgateway. What the app saw, what
the client got, what the log says and how the server ended must be the same, but for DIFFERENCES in support/gunicorn.py.
"""

import os
import re
from signal import SIGABRT, SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGTTIN, SIGTTOU

import pytest

from support import alike_records, proxied, wait
from support.gateway import LISTENING
from support.gunicorn import Comparison
from support.side_by_side import PYTHON, Case, ask, one_request, received, send

HOOKS = "from alike_hooks import *\n"


def requests(*all_of_them):
    """Steps: each request on a connection of its own. A target, bytes, or (method, target, fields, body)."""
    def steps(server, seen):
        for request in all_of_them:
            if isinstance(request, bytes):
                seen[request[:40].decode("latin-1")] = send(server, request)
            elif isinstance(request, str):
                seen[request] = ask(server, request)
            else:
                method, target, fields, body = request
                seen[f"{method} {target}"] = ask(server, target, method=method, fields=fields, body=body)
    return steps


USUAL = requests(
    "/a%20b/%C3%A9?q=1&r=%20", "/stream", "/empty", "/short", "/fail", "/exit", "/sleep/0.01",
    ("HEAD", "/stream", [], b""), ("HEAD", "/short", [], b""), ("OPTIONS", "/", [], b""), ("LIST", "/", [], b""),
    ("POST", "/", [("Content-Type", "text/plain"), ("X-Twice", "a"), ("X-Twice", "b"), ("X_Line", "c"),
                   ("Cookie", "a=b"), ("Authorization", "Basic YTpi"), ("X-Forwarded-Proto", "https")], b"some bytes"),
    b"POST /chunks HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"GET http://other/x?y HTTP/1.1\r\nHost: h\r\n\r\n", b"GET /close HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    b"GET /\r\n\r\n", b"get / HTTP/1.1\r\nHost: h\r\n\r\n", b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", b"GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: br\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nExpect: more\r\nContent-Length: 1\r\n\r\na",
)


PROXIED = requests(*(("GET", f"/{target}", fields, b"") for target, fields in proxied.REQUESTS.items()))


def two_on_one_connection(server, seen):
    with server.connect() as wire:
        for turn in (1, 2):
            try:
                seen[f"request {turn}"] = received(wire, wire.request(target=f"/{turn}").read())
            except ConnectionError:
                seen[f"request {turn}"] = "none"


def limits(server, seen):
    for length in (99, 100, 101, 102, 110, 140):
        line = b"GET /" + b"a" * (length - 14) + b" HTTP/1.1"
        seen[f"line of {length}"] = brief(send(server, line + b"\r\nHost: h\r\n\r\n"))
    for count in (2, 3, 4):
        fields = b"".join(b"X-%d: a\r\n" % number for number in range(count - 1))
        seen[f"{count} fields"] = brief(send(server, b"GET / HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n"))
    for length in (30, 46, 50, 51, 54, 60):
        field = b"X: " + b"a" * (length - 3)
        seen[f"field of {length}"] = brief(send(server, b"GET / HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n\r\n"))


def brief(answer):
    return answer["status"]


def worker_count(count):
    def steps(server, seen):
        server.wait_for_workers(count)
        one_request(server, seen)
    return steps


def until_replaced(server, seen):
    first = ask(server)["body"]["process"]["pid"]
    seen["replaced"] = wait.until(lambda: ask(server)["body"]["process"]["pid"] != first, "another worker answers")


def each_address(server, seen):
    server.wait_for_log("Booting worker")     # by then each address has its line
    said = ",".join(match[1] for match in server.log.matches(LISTENING))
    for number, address in enumerate(said.split(",")):
        if address.startswith("unix:"):
            path = str(server.folder / address.partition(":")[2])
            seen[f"address {number}"] = ask(server, address=path)
            seen[f"mode {number}"] = oct(os.stat(path).st_mode & 0o777)
        else:
            host, _, port = address.partition("://")[2].rpartition(":")
            seen[f"host {number}"] = host
            host = host.strip("[]").replace("0.0.0.0", "127.0.0.1")
            seen[f"address {number}"] = ask(server, address=(host, int(port)))
    seen["files"] = sorted(name.name for name in server.folder.iterdir() if name.suffix == ".sock")


def pidfile(server, seen):
    one_request(server, seen)
    file = server.folder / "the.pid"
    seen["pid of the file"] = {"pid": int(file.read_text())}
    seen["text"] = file.read_text().replace(str(server.pid), "MASTER")
    server.stop()
    seen["still there"] = file.exists()


ATOMS = "h l u t r m U q H s B b f a T M D L p {x-in}i {content-type}o {x-none}i {x-none}o {server_name}e z".split()


def access_lines(server, seen):
    fields = [("X-In", 'a"b'), ("User-Agent", "me/1"), ("Referer", "http://r"), ("Authorization", "Basic YWxpY2U6cA==")]
    for target in ("/stream", "/a%20b?c=d&e", "/empty", "/short", "/fail", "/%C3%A9"):
        ask(server, target, fields=fields)
    ask(server, "/stream", method="HEAD")
    ask(server, "/stream")
    send(server, b"GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n")
    server.stop()
    server.output.thread.join(10)
    text = server.file_text("access.log") or server.output.text()
    seen["lines"] = []
    for line in text.splitlines():
        line = re.sub(r"<\d+>", "<PID>", line)
        line = re.sub(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]", "TIME", line)
        line = re.sub(r"\b([DMT]=)\d+", r"\g<1>0", re.sub(r"\bL=\d+\.\d{6}\b", "L=0", line))
        line = re.sub(r"(?<= |=)\d{3,4}(?= \"|\|)", lambda found: "MANY" if int(found[0]) > 600 else found[0], line)
        atoms = dict(part.partition("=")[::2] for part in line.split("|"))
        seen["lines"].append(atoms if "|" in line else {"all": line})


def reload(text):
    """Steps: the configuration file gets another text, then HUP."""
    def steps(server, seen):
        seen["before"] = ask(server)
        old = server.worker_pids()
        (server.folder / "gunicorn.conf.py").write_text(text)
        server.signal(SIGHUP)
        wait.until(lambda: server.worker_pids() and not set(server.worker_pids()) & set(old), "all workers are new")
        seen["after"] = ask(server)
    return steps


def leaves_while_busy(server, seen):
    with server.connect() as wire:
        wire.request(target="/sleep/2")
        wait.until(lambda: "/sleep" in "".join(str(note) for note in server.notes()), "the request has begun")
        server.signal(SIGTERM)
        try:
            seen["answer"] = brief(received(wire, wire.read()))
        except ConnectionError:
            seen["answer"] = "none"
    server.wait()


def stuck(target):
    def steps(server, seen):
        seen["answer"] = ask(server, target).get("status", "none")
        seen["hooks"] = [note["hook"] for note in server.notes() if note["hook"] == "worker_abort"]
    return steps


RUNS = [
    Case("defaults", base="bind = '127.0.0.1:0'\n"),
    Case("usual requests", steps=USUAL),
    Case("sync", "worker_class = 'sync'\n", two_on_one_connection),
    Case("gthread", "threads = 2\n", two_on_one_connection),
    Case("sync with threads", "worker_class = 'sync'\nthreads = 2\n", two_on_one_connection),
    Case("keepalive 0", "keepalive = 0\n", two_on_one_connection),
    Case("gevent", "worker_class = 'gevent'\n", two_on_one_connection),
    Case("gevent by path", "worker_class = 'gunicorn.workers.ggevent.GeventWorker'\n"),
    Case("asgi", "worker_class = 'asgi'\n", requests(
        "/a%20b?q=1", "/fail", ("POST", "/", [("X-A", "1"), ("X-A", "2")], b"some bytes")), app="alike_app:asgi"),
    Case("uvicorn's name", "import os\nworker_class = {'gunicorn': 'asgi', 'evgateway': "
         "'uvicorn.workers.UvicornWorker'}[os.environ['ALIKE_SERVER']]\nroot_path = '/mounted'\nasgi_loop = 'uvloop'\n",
         requests("/mounted/a"), app="alike_app:asgi"),
    Case("asgi without lifespan", "worker_class = 'asgi'\nasgi_lifespan = 'off'\nasgi_loop = 'asyncio'\n",
         app="alike_app:asgi"),
    Case("limits", "limit_request_line = 100\nlimit_request_fields = 3\nlimit_request_field_size = 50\n", limits),
    Case("two workers", "workers = 2\n", worker_count(2)),
    Case("WEB_CONCURRENCY", steps=worker_count(2), env={"WEB_CONCURRENCY": "2"}),
    Case("WEB_CONCURRENCY and the file", "workers = 1\n", worker_count(1), env={"WEB_CONCURRENCY": "2"}),
    Case("reuse_port", "bind = '127.0.0.1:FREE'\nreuse_port = True\nworkers = 2\n", worker_count(2)),
    Case("max_requests", "max_requests = 3\nmax_requests_jitter = 1\n", until_replaced),
    Case("several addresses", "umask = 0o027\n"
         "bind = ['127.0.0.1:0', '[::1]:0', 'unix:a.sock', 'unix:FOLDER/b.sock']\n", each_address),
    Case("umask of the shell", "bind = 'unix:a.sock'\n", each_address),
    Case("PORT", steps=each_address, base="worker_class = 'sync'\ncontrol_socket_disable = True\n", env={"PORT": "0"}),
    Case("inherited descriptor", "bind = 'fd://9'\n", each_address, before=(
        PYTHON, "-c", "import os, socket, sys; one = socket.create_server(('127.0.0.1', 0)); os.dup2(one.fileno(), 9); "
        "os.execv(sys.argv[1], sys.argv[1:])")),
    Case("chdir and wsgi_app", "chdir = 'sub'\nwsgi_app = 'there:application'\n", app="",
         files={"sub/there.py": "from alike_app import application\n"}),
    Case("pythonpath", "pythonpath = 'lib,other'\n", app="there",
         files={"lib/there.py": "from alike_app import application\n", "other/here.py": ""}),
    Case("raw_env", "raw_env = ['ALIKE_A=1', 'ALIKE_B=x=y']\n"),
    Case("preload_app", "preload_app = True\nraw_env = ['ALIKE_A=1']\n"),
    Case("factory", app="\"alike_app:make('x', number=2)\""),
    Case("access log", f"access_log_format = {'|'.join(f'{atom}=%({atom})s' for atom in ATOMS)!r}\n"
         "accesslog = 'access.log'\nerrorlog = 'error.log'\nbind = 'unix:a.sock'\n", access_lines),
    Case("access log on the terminal", "accesslog = '-'\n", access_lines),
    *alike_records.CASES,
    Case("warnings only", HOOKS + "loglevel = 'warning'\nerrorlog = '-'\nbind = 'unix:a.sock'\n",
         requests("/", "/fail")),
    Case("errors only", HOOKS + "loglevel = 'error'\nbind = 'unix:a.sock'\n", requests("/", "/fail")),
    Case("pidfile", "pidfile = 'the.pid'\n", pidfile),
    Case("python:module", flags="-c python:package.settings", base="", files={
        "gunicorn.conf.py": "1/0", "package/__init__.py": "",
        "package/settings.py": "bind = '127.0.0.1:0'\nraw_env = 'ALIKE_A=module'\nworker_class = 'sync'\n"}),
    Case("file: and another name", flags="--config file:other.conf.py", base="1/0", files={
        "other.conf.py": "bind = ['127.0.0.1:0']\nraw_env = ['ALIKE_A=other']\nworker_class = 'sync'\n"}),
    Case("GUNICORN_CMD_ARGS", "workers = 1\nthreads = 1\n", worker_count(2),
         env={"GUNICORN_CMD_ARGS": "--workers 3 -e 'ALIKE_A=of args' --threads=3"}, flags="--workers 2 --threads 2"),
    Case("GUNICORN_CMD_ARGS and the file", "workers = 1\n", worker_count(2), env={"GUNICORN_CMD_ARGS": "-w 2"}),
    Case("command line", base="", flags="-w2 -b 127.0.0.1:0 -ksync --access-logfi=- -e ALIKE_A=1 --env ALIKE_B=2 "
         "--no-control-socket", app="alike_app:application --log-level info", steps=worker_count(2)),
    Case("paste", flags="--paste site.ini#main --paste-global tint=blue", app="", files={
        "site.ini": "[app:main]\nuse = call:alike_app:paste\nset color = red\nother = 1\n"}),
    Case("HUP", "raw_env = ['ALIKE_A=1', 'ALIKE_B=1']\n",
         reload("bind = '127.0.0.1:0'\nworker_class = 'gthread'\nthreads = 2\nraw_env = ['ALIKE_A=2']\n")),
    Case("graceful_timeout", HOOKS + "graceful_timeout = 20\n", leaves_while_busy),
    Case("graceful_timeout is over", HOOKS + "worker_class = 'sync'\ngraceful_timeout = 1\n", leaves_while_busy,
         phrases=("Handling signal: ", "Shutting down: Master")),   # a worker that was killed may be seen, or not
    Case("timeout, sync", "worker_class = 'sync'\ntimeout = 1\n", stuck("/sleep/3")),
    Case("timeout, gevent", HOOKS + "worker_class = 'gevent'\ntimeout = 1\n", stuck("/spin/6"),
         phrases=("WORKER TIMEOUT (pid:", "BOOM")),    # the rest depends on whether the master loses its patience
]

PROXIES = [Case(f"fields of proxies{name}, {class_}", f"{config}worker_class = '{class_}'\n", PROXIED, app=app)
           for class_, app in (("gthread", "alike_app:application"), ("asgi", "alike_app:asgi"))
           for name, config in proxied.CONFIGURATIONS.items()]
BAD = "raise RuntimeError('broken')\n"
ENDS = [
    Case("check_config", flags="--check-config", starts=False),
    Case("check_config, no module", flags="--check-config", app="missing", starts=False),
    Case("check_config, no app", flags="--check-config", app="alike_app:nothing", starts=False),
    Case("check_config, bad value", "workers = 'many'\n", flags="--check-config", starts=False),
    Case("print_config", flags="--print-config", starts=False),
    Case("no module", app="missing", starts=False),
    Case("no module within", app="inner", files={"inner.py": "import missing\n"}, starts=False),
    Case("no attribute", app="alike_app:nothing", starts=False),
    Case("no callable", app="alike_app:no_app", starts=False),
    Case("import raises", app="bad", files={"bad.py": BAD}, starts=False),
    Case("import raises, preloaded", "preload_app = True\n", app="bad", files={"bad.py": BAD}, starts=False),
    Case("no attribute, preloaded", "preload_app = True\n", app="alike_app:nothing", starts=False),
    Case("factory raises", app="'bad:make()'", files={"bad.py": "def make():\n    1/0\n"}, starts=False),
    Case("no application at all", app="", starts=False),
    Case("no configuration file", flags="-c missing.conf.py", starts=False),
    Case("syntax error", "workers = = 1\n", starts=False),
    Case("file raises", "import missing\n", starts=False),
    Case("bad value", "workers = -1\n", starts=False),
    Case("bad value on the command line", flags="--workers many", starts=False),
    Case("unknown flag", flags="--no-such-flag", starts=False),
    Case("bad class", "worker_class = 'no.such.Worker'\n", starts=False),
    Case("hook with other arguments", "def pre_fork(server):\n    pass\n", starts=False),
    Case("no folder", "chdir = '/nonexistent'\n", starts=False),
    Case("address of another host", "bind = '192.0.2.1:8000'\n", starts=False),
]


# Hooks


def life(server, seen):
    """Notes of each hook by process, over a life. The processes are the master and its workers by age."""
    ages = {}

    def phase(name, act, *wanted):
        start = len(server.notes()) if name != "start" else 0
        act()
        server.wait_for_notes(*wanted, start=start)
        by_process, notes = {}, server.notes()[start:]
        for note in notes:
            worker = note["arguments"].get("worker")
            if note["pid"] != server.pid and worker and worker["pid"] == note["pid"]:
                ages[note["pid"]] = worker["age"]
            who = "master" if note["pid"] == server.pid else f"worker {ages.get(note['pid'])}"
            of = f" {worker['age']}" if worker and who == "master" else ""
            by_process.setdefault(who, []).append(note["hook"] + of)
            seen.setdefault("arguments", {}).setdefault(note["hook"], {
                role: value for role, value in note["arguments"].items()})
            for part in ("cfg", "more"):
                if part in note:
                    seen[part] = note[part]
        seen[f"phase {name}"] = by_process
        names = [note["hook"] for note in notes]
        for earlier, later in (
                ("pre_fork", "post_fork"), ("post_fork", "post_worker_init"), ("worker_exit", "child_exit"),
                ("pre_request", "post_request"), ("on_reload", "pre_fork")):
            if earlier in names and later in names:
                seen[f"phase {name}"][f"{earlier} before {later}"] = names.index(earlier) < names.index(later)
        return notes

    def two_requests():
        seen["answer"] = ask(server, "/stream?q=1", fields=[("X-A", "1"), ("X-A", "2"), ("Content-Type", "a/b")])
        ask(server, "/short")

    phase("start", lambda: None, "post_worker_init")
    phase("requests", two_requests, "post_request", "post_request")
    phase("HUP", lambda: server.signal(SIGHUP), "post_worker_init", "child_exit")
    phase("TTIN", lambda: server.signal(SIGTTIN), "post_worker_init")
    phase("TTOU", lambda: server.signal(SIGTTOU), "child_exit")
    phase("KILL", lambda: os.kill(server.worker_pids()[0], SIGKILL), "child_exit", "post_worker_init")
    phase("INT to a worker", lambda: os.kill(server.worker_pids()[0], SIGINT), "child_exit", "post_worker_init")
    phase("ABRT to a worker", lambda: os.kill(server.worker_pids()[0], SIGABRT), "child_exit", "post_worker_init")
    phase("TERM", server.stop, "on_exit")


def request_of_asgi(server, seen):
    seen["answer"] = ask(server, "/a%20b?q=1", fields=[("X-A", "1"), ("X-A", "2")])["status"]
    server.wait_for_notes("post_worker_init", "post_request")
    seen["hooks"] = {note["hook"]: note["arguments"] for note in server.notes() if note["hook"].endswith("_request")}


def int_to_master(server, seen):
    server.wait_for_notes("post_worker_init")
    ask(server)
    server.wait_for_notes("post_request")
    start = len(server.notes())
    server.stop(SIGINT)
    seen["hooks"] = [{"hook": note["hook"]} for note in server.notes()[start:]]


def raises(hook):
    """What becomes of a server whose hook fails: the life up to that hook, then TERM."""
    def worker(number):
        return lambda server: os.kill(server.worker_pids()[0], number)

    acts = {"on_reload": lambda server: server.signal(SIGHUP), "worker_int": worker(SIGINT),
            "worker_abort": worker(SIGABRT), "child_exit": worker(SIGKILL), "worker_exit": worker(SIGTERM)}

    def steps(server, seen):
        if server.address is None:
            return

        def answer():
            try:
                return ask(server, "/stream")
            except OSError:
                return {"failed": "no connection"}

        def settled():
            if server.process.poll() is not None:
                return {"failed": "the server has ended"}
            found = answer()
            return found if "status" in found else None

        seen["answer"] = wait.until(settled, "the server serves or ends")
        if hook in acts and "status" in seen["answer"]:
            start = len(server.notes())
            acts[hook](server)
            server.log.wait_for("BOOM")
            wait.until(lambda: server.process.poll() is not None or server.log.matches("Reload aborted")
                       or "post_worker_init" in [note["hook"] for note in server.notes()[start:]], "it goes on or ends")
            seen["answer after that"] = wait.until(settled, "the server serves or ends")
    # gthread has no worker_int.
    worker_class = "worker_class = 'sync'\n" if hook in ("worker_int", "worker_abort") else ""
    return Case(f"{hook} raises", HOOKS + worker_class, steps, env={"ALIKE_RAISES": hook}, starts=True)


RAISES = [raises(hook) for hook in (
    "on_starting on_reload when_ready pre_fork post_fork post_worker_init worker_int worker_abort pre_request "
    "post_request child_exit worker_exit nworkers_changed on_exit").split()]
LIVES = [Case("life", HOOKS + "worker_class = 'sync'\n", life), Case("INT", HOOKS, int_to_master),
         Case("hooks with asgi", HOOKS + "worker_class = 'asgi'\n", request_of_asgi, app="alike_app:asgi")]
CASES = LIVES + RAISES + RUNS + PROXIES + ENDS


@pytest.fixture(scope="module")
def comparison(request, tmp_path_factory):
    """Observes the cases that were asked for."""
    wanted = {item.callspec.params["case"].name for item in request.session.items
              if getattr(item, "callspec", None) and "case" in item.callspec.params and item.module is request.module}
    comparison = Comparison([case for case in CASES if case.name in wanted], tmp_path_factory.mktemp("alike"))
    yield comparison
    comparison.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alike(comparison, case):
    lines = comparison.unexplained(case)
    assert not lines, "\n".join(lines)


def test_every_difference_is_needed(comparison):
    if comparison.compared != {case.name for case in CASES}:
        pytest.skip("not all cases were compared")
    unused = comparison.unused()
    assert not unused, "\n".join(map(str, unused))
