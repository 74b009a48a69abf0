"""HUP reads the configuration again: what has changed takes effect with the new workers, and what cannot be used
changes nothing."""

import os
import re
import signal

import pytest

from conftest import PYTHON
from support import wait, wire
from support.gateway import APPS
from support.load import Load
from support.settings import FLAGS, MISTAKES


class Served:
    """A server with one configuration file, which it reads again."""

    def __init__(self, gateway, folder, name="gunicorn.conf.py", app="contract:app", flags=FLAGS):
        self.start, self.path, self.app, self.flags = gateway, folder / name, app, flags

    def begin(self, text, *flags, workers=1, wait=True, **more):
        self.path.write_text(text)
        self.server = self.start(self.app, *self.flags, "-c", self.path.name, *flags, cwd=self.path.parent, bare=True,
                                 wait=False, **more)
        if wait:
            self.server.wait_until_ready(workers)
        return self.server

    def again(self, text, expected=r"\] Reloaded$"):
        """Returns the log's lines from the signal to the one that tells the outcome. After a reload, only new workers
        are left."""
        self.path.write_text(text)
        before, start = set(self.server.worker_pids()), self.server.log_position()
        self.server.signal(signal.SIGHUP)
        self.server.wait_for_log(expected, start=start, timeout=15)
        if "Reloaded" in expected:
            wait.until(lambda: not before & set(self.server.worker_pids()), "the old workers have left")
        return self.server.error_log().splitlines()[start:]


@pytest.fixture
def served(gateway, tmp_path):
    return Served(gateway, tmp_path)


BIND = "bind = '127.0.0.1:0'\n"


def test_number_of_workers_follows_the_file(served):
    server = served.begin(BIND + "workers = 1\n")
    lines = served.again(BIND + "workers = 3\n")
    assert any(line.endswith("[INFO] Changed settings: workers") for line in lines), lines
    server.wait_for_workers(3)
    served.again(BIND)
    server.wait_for_workers(1)


def test_limits_of_time_and_size_follow_the_file(served):
    server = served.begin(BIND + "timeout = 300\nlimit_request_line = 4094\n")
    with server.connect() as client:
        assert client.get("/?" + "x" * 200).status == 200
    lines = served.again(BIND + "timeout = 1\nlimit_request_line = 100\n")
    assert any(line.endswith("Changed settings: timeout, limit_request_line") for line in lines), lines
    with server.connect() as client:
        assert client.request("GET", "/?" + "x" * 200).read().status == 414
    (hung,) = server.worker_pids()
    with server.connect() as client:
        client.request("GET", "/spin?name=culprit")
        server.wait_for_log(r"GET /spin\?name=culprit")
        server.wait_for_workers(1, besides=[hung])


def test_logs_follow_the_file(served, tmp_path):
    first, second, errors = tmp_path / "a.log", tmp_path / "b.log", tmp_path / "errors.log"
    server = served.begin(BIND + f"accesslog = '{first}'\n")
    server.get("/?one")
    wait.until(lambda: "/?one" in first.read_text(), "it is logged")
    assert server.log.matches(r"Listening") and not server.log.matches(r"\[DEBUG\]")
    served.path.write_text(BIND + f"accesslog = '{second}'\nerrorlog = '{errors}'\nloglevel = 'debug'\n"
                                  "access_log_format = 'new %(U)s'\n")
    before = server.worker_pids()
    server.signal(signal.SIGHUP)
    wait.until(lambda: errors.exists() and "Reloaded" in errors.read_text(), "the reload is complete")
    before = server.wait_for_workers(1, besides=before)
    server.get("/two")
    wait.until(lambda: second.read_text() == "new /two\n", "it is logged")
    assert "/two" not in first.read_text()
    server.get("/log?line=of-the-app")
    wait.until(lambda: "of-the-app" in errors.read_text(), "the app writes there, too")
    assert not server.log.matches("of-the-app|Reloaded")
    served.path.write_text(BIND)
    server.signal(signal.SIGHUP)
    server.wait_for_log("Reloaded")
    server.wait_for_workers(1, besides=before)
    server.get("/log?line=as-before")
    server.wait_for_log("as-before")
    assert "as-before" not in errors.read_text()


def test_level_of_the_log_follows_the_file(served, short_path):
    address = f"bind = 'unix:{short_path}/s'\n"
    server = served.begin(address + "loglevel = 'error'\n", wait=False)
    server.address = str(short_path / "s")
    wait.until(lambda: answers(server), "the server answers")
    assert server.error_log() == ""
    served.again(address)
    served.path.write_text(address + "loglevel = 'error'\n")
    before = server.worker_pids()
    server.signal(signal.SIGHUP)
    server.wait_for_workers(1, besides=before)
    lines = served.again("raise SystemExit\n", "Reload refused")
    assert not [line for line in lines if "[INFO]" in line], lines


def answers(server):
    try:
        return server.get("/").status == 200
    except OSError:
        return False


def test_environment_of_the_app_follows_the_file(served, tmp_path):
    """What was there before the server comes back."""
    (tmp_path / "variables").write_text("CONTRACT_VERSION=of the file\n")
    server = served.begin(BIND + "raw_env = ['CONTRACT_VERSION=one']\n")
    assert server.get("/version").body == b"one"
    served.again(BIND + "raw_env = ['CONTRACT_VERSION=two']\nenv_file = ['variables']\n")
    assert server.get("/version").body == b"two"
    served.again(BIND + "env_file = ['variables']\n")
    assert server.get("/version").body == b"of the file"
    served.again(BIND)
    assert server.get("/version").body == b"none"


def test_environment_that_a_file_hid_comes_back(served):
    server = served.begin(BIND + "raw_env = ['CONTRACT_VERSION=one']\n", env={"CONTRACT_VERSION": "outer"})
    assert server.get("/version").body == b"one"
    served.again(BIND)
    assert server.get("/version").body == b"outer"


def test_addresses_follow_the_file(served, short_path):
    """The one that stays is never refused; the one that goes is closed, and its file removed."""
    old, new = short_path / "old", short_path / "new"
    server = served.begin(f"bind = ['127.0.0.1:0', 'unix:{old}']\n")
    with wire.Wire(str(old)) as client:
        assert client.get("/").status == 200
    with Load(server.address, clients=2, one_shot=2) as load:
        load.wait_for_more(100)
        lines = served.again(f"bind = ['127.0.0.1:0', 'unix:{new}']\n")
        with wire.Wire(str(new)) as client:
            assert client.get("/").status == 200
        server.wait_for_log(rf"No longer listening at: unix:.*{old}")
        load.wait_for_more(100)
        load.stop()
        assert set(load.outcomes) == {"ok"}, load.failures[:10]
    assert not old.exists()
    assert [line for line in lines if re.search(rf"Listening at: unix:.*{new}", line)], lines
    served.again("bind = '127.0.0.1:0'\n")
    wait.until(lambda: not new.exists(), "the socket has gone")
    assert server.get("/").status == 200


def test_address_that_is_taken_refuses_the_reload(served, contract):
    server = served.begin("bind = '127.0.0.1:0'\nraw_env = ['CONTRACT_VERSION=old']\n")
    before = server.worker_pids()
    lines = served.again(f"bind = ['127.0.0.1:0', '127.0.0.1:{contract.port}']\nraw_env = ['CONTRACT_VERSION=new']\n",
                         "Reload refused")
    assert f"127.0.0.1:{contract.port}" in lines[-1] and "in use" in lines[-1], lines
    assert server.worker_pids() == before
    os.kill(before[0], signal.SIGKILL)
    server.wait_for_workers(1, besides=before)
    assert server.get("/version").body == b"old"


@pytest.mark.parametrize("name, before, after", [
    ("pidfile", "'one.pid'", "'two.pid'"),
    ("worker_class", "'threads'", "'inline'"),
    ("umask", "0o022", "0o077"),
    ("chdir", "'.'", "'folder'"),
    ("server_header", "True", "False"),
    ("root_path", "''", "'/prefix'"),
])
def test_other_settings_follow_the_file(served, tmp_path, name, before, after):
    (tmp_path / "folder").mkdir()
    (tmp_path / "seen.py").write_text(
        "import os, threading\n\n\ndef app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    mask = os.umask(0)\n    os.umask(mask)\n"
        "    on_main = threading.current_thread() is threading.main_thread()\n"
        "    return [str([environ['SCRIPT_NAME'], os.getcwd(), mask, on_main]).encode()]\n")
    served.app, served.flags = "seen:app", FLAGS[:2] + ["--pythonpath", str(tmp_path)]
    server = served.begin(BIND + f"{name} = {before}\n")
    old = seen(server, tmp_path)
    lines = served.again(BIND + f"{name} = {after}\n")
    assert [line for line in lines if line.endswith(f"[INFO] Changed settings: {name}")], lines
    new = seen(server, tmp_path)
    assert new != old
    served.again(BIND + f"{name} = {before}\n")
    assert seen(server, tmp_path) == old


def seen(server, folder):
    answer = server.get("/prefix/x")
    return answer.body, answer.all("server"), sorted(path.name for path in folder.glob("*.pid"))


def test_another_app_is_served_unless_it_was_preloaded(served):
    served.app = None
    server = served.begin(BIND + "wsgi_app = 'contract:app'\n")
    lines = served.again(BIND + "wsgi_app = 'contract:make_app'\nfactory = True\n")
    assert server.get("/").body == b"made 1" and not [line for line in lines if "next start" in line]


@pytest.mark.parametrize("name, value, preload", [
    ("preload_app", "True", False), ("reuse_port", "True", False), ("interface", "'wsgi'", True),
    ("wsgi_app", "'contract:make_app()'", True), ("factory", "True", True),
    ("pythonpath", "'/'", True), ("paste", "'/nowhere.ini'", True),
])
def test_what_cannot_change_is_said(served, name, value, preload):
    served.app, served.flags = None, ["--preload"] if preload else []
    common = BIND + f"pythonpath = '{APPS}'\nwsgi_app = 'contract:app'\n"
    server = served.begin(common, env={"VIRTUAL_ENV": str(PYTHON.parent.parent)})
    lines = served.again(common + f"{name} = {value}\n")
    said = [line for line in lines if "takes effect at the next start" in line]
    # With paste, it is the app that changes.
    assert said and all("[WARNING] gunicorn.conf.py:" in line for line in said), lines
    assert len([line for line in said if f": {name} takes effect" in line]) == 1, lines
    assert len(said) == 1 + (name == "paste"), lines
    assert server.get("/").body == b"Hello, World!"


@pytest.mark.parametrize("name", ["g.py", "e.toml", "u.ini"])
def test_mistake_leaves_the_configuration_of_before(served, tmp_path, name):
    right = {"g.py": "bind = '127.0.0.1:0'\nraw_env = ['CONTRACT_VERSION={}']\n",
             "e.toml": "bind = '127.0.0.1:0'\nraw_env = ['CONTRACT_VERSION={}']\n",
             "u.ini": "[uwsgi]\nhttp-socket = 127.0.0.1:0\nenv = CONTRACT_VERSION={}\n"}[name]
    served.path = tmp_path / name
    server = served.begin(right.format("first"))
    before = server.worker_pids()
    mistakes = [(text, line) for file, text, line in MISTAKES if file == name]
    assert len(mistakes) > 2
    for text, line in mistakes:
        lines = served.again(text, "Reload refused")
        assert lines[-1].endswith(
            f"[ERROR] Reload refused: {line}; the workers go on with the configuration of before"), lines
        assert len([line for line in lines if re.match(r"\[\d{4}-", line)]) == 2, lines
    served.path.unlink()
    os.mkdir(served.path)
    start = server.log_position()
    server.signal(signal.SIGHUP)
    server.wait_for_log(rf"Reload refused: {name}: .*Is a directory;", start=start)
    os.rmdir(served.path)
    assert server.worker_pids() == before
    assert server.get("/version").body == b"first"
    served.again(right.format("second"))
    assert server.get("/version").body == b"second"


def test_environment_of_a_refused_file_is_not_taken(served):
    server = served.begin(BIND + "raw_env = ['CONTRACT_VERSION=old']\n")
    before = server.worker_pids()
    served.again(BIND + "raw_env = ['CONTRACT_VERSION=new']\nerrorlog = '/no/such/folder/log'\n", "Reload refused")
    os.kill(before[0], signal.SIGKILL)
    server.wait_for_workers(1, besides=before)
    assert server.get("/version").body == b"old"


def test_hooks_follow_the_file(served):
    hooks = ("def on_reload(server): server.log.info('reload by {0}')\n"
             "def post_fork(server, worker): server.log.info('fork by {0}')\n"
             "def pre_request(worker, req): worker.log.info('request by {0}')\n")
    server = served.begin(BIND + hooks.format("alpha"))
    server.get("/")
    server.wait_for_log("request by alpha")
    assert server.log.matches("fork by alpha")
    lines = served.again(BIND + hooks.format("beta"))
    server.get("/")
    server.wait_for_log("request by beta")
    assert [line for line in lines if "fork by beta" in line] and not [line for line in lines if "by alpha" in line]
    assert [line for line in lines if "reload by beta" in line]
    lines = served.again(BIND)
    start = server.log_position()
    server.get("/")
    assert not [line for line in lines if " by alpha" in line or " by beta" in line]
    assert not server.log.matches(" by (alpha|beta)", start=start)


def test_notes_are_told_again_only_where_they_are_new(served):
    server = served.begin(BIND + "sendfile = False\n")
    assert len(server.log.matches("sendfile has no effect")) == 1
    lines = served.again(BIND + "sendfile = False\nspew = True\n")
    assert [line for line in lines if "spew has no effect" in line]
    assert not [line for line in lines if "sendfile has no effect" in line]


def test_command_line_wins_at_a_reload_too(served):
    server = served.begin(BIND + "workers = 1\n", "--workers", 2, workers=2)
    served.again(BIND + "workers = 3\nraw_env = ['CONTRACT_VERSION=new']\n")
    assert server.get("/version").body == b"new"
    server.wait_for_workers(2)
