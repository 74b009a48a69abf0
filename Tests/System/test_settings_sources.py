"""Where settings come from, and which source wins; what is said of those that have no effect, are refused, or are
wrong. Each mistake ends the start with one last line that names file, line and setting."""

import re

import pytest

from conftest import PYTHON
from support.gateway import APPS
from support.settings import FLAGS, MISTAKES, in_force, page, refusal, run


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# The order of the sources


def told(value):
    return f"--env CONTRACT_VERSION='{value}'"


SOURCES = ["default", "EVGATEWAY_RAW_ENV", "gunicorn.conf.py", "GUNICORN_CMD_ARGS", "EVGATEWAY_CMD_ARGS",
           "command line"]


@pytest.mark.parametrize("count", range(len(SOURCES)))
def test_later_source_wins(gateway, tmp_path, count):
    """Each source is there with all before it."""
    there = SOURCES[:count + 1]
    if "gunicorn.conf.py" in there:
        write(tmp_path, "gunicorn.conf.py", "import os\nraw_env = ['CONTRACT_VERSION=gunicorn.conf.py']\n")
    env = {"EVGATEWAY_RAW_ENV": "CONTRACT_VERSION=EVGATEWAY_RAW_ENV", "GUNICORN_CMD_ARGS": told("GUNICORN_CMD_ARGS"),
           "EVGATEWAY_CMD_ARGS": told("EVGATEWAY_CMD_ARGS")}
    env = {name: value for name, value in env.items() if name in there}
    line = ["--env", "CONTRACT_VERSION=command line"] if "command line" in there else []
    value, origin = in_force(*line, cwd=tmp_path, env=env)["raw_env"]
    assert (value, origin) == (f'["CONTRACT_VERSION={there[-1]}"]' if count else "[]", there[-1])
    server = gateway("contract:app", *line, cwd=tmp_path, env=env)
    assert server.get("/version").body.decode() == (there[-1] if count else "none")


def test_variables_give_settings():
    values = in_force(env={"PORT": "0", "WEB_CONCURRENCY": "3", "EVGATEWAY_TIMEOUT": "", "EVGATEWAY_PRELOAD_APP": "yes",
                           "EVGATEWAY_RAW_ENV": "A=1,B=2"})
    assert values["bind"] == ('["0.0.0.0:0"]', "PORT") and values["workers"] == ("3", "WEB_CONCURRENCY")
    assert values["timeout"] == ("30", "default") and values["preload_app"] == ("true", "EVGATEWAY_PRELOAD_APP")
    assert values["raw_env"] == ('["A=1", "B=2"]', "EVGATEWAY_RAW_ENV")
    values = in_force("-w", 2, env={"PORT": "0", "WEB_CONCURRENCY": "3", "EVGATEWAY_BIND": "127.0.0.1:0"})
    assert values["bind"] == ('["127.0.0.1:0"]', "EVGATEWAY_BIND") and values["workers"] == ("2", "command line")


def test_options_in_variables_are_split_as_by_a_shell():
    for name in ("GUNICORN_CMD_ARGS", "EVGATEWAY_CMD_ARGS"):
        values = in_force(env={name: r"""--env "A=x  'y'" --env=B=\" -w4 --preload"""})
        assert values["raw_env"] == (r'''["A=x  'y'", "B=\""]''', name) and values["workers"] == ("4", name)
        assert values["preload_app"] == ("true", name)


# Files


PYTHON_FILE = "import os\nwsgi_app = 'contract:app'\nraw_env = ['CONTRACT_VERSION=' + 'of the file']\nworkers = 1 + 1\n"
TOML_FILE = "wsgi_app = 'contract:app'\nworkers = 2\nraw_env = { CONTRACT_VERSION = 'of the file' }\n"
UWSGI_FILE = "[uwsgi]\nmodule = contract:app\nprocesses = 2\nenv = CONTRACT_VERSION=of the file\n"


@pytest.mark.parametrize("name, text, flags", [
    ("conf/any.py", PYTHON_FILE, ["-c", "conf/any.py"]),
    ("conf/any.py", PYTHON_FILE, ["--config", "file:conf/any.py"]),
    ("conf/any.py", PYTHON_FILE, ["-c", "python:conf.any"]),
    ("gunicorn.conf.py", PYTHON_FILE, []),
    ("evgateway.conf.py", PYTHON_FILE, []),
    ("conf/any.toml", TOML_FILE, ["-c", "conf/any.toml"]),
    ("pyproject.toml", f"[project]\nname = 'x'\nworkers = 'no'\n[tool.evgateway]\n{TOML_FILE}[tool.other]\nx = 1\n",
     ["-c", "pyproject.toml"]),
    ("uwsgi.ini", UWSGI_FILE, ["-c", "uwsgi.ini"]),
    ("uwsgi.ini", UWSGI_FILE, ["--ini", "uwsgi.ini"]),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_file_is_read_and_names_the_app(gateway, tmp_path, name, text, flags):
    write(tmp_path, name, text)
    server = gateway(None, *FLAGS, "-b", "127.0.0.1:0", *flags, cwd=tmp_path, bare=True).wait_until_ready(workers=2)
    assert server.get("/version").body == b"of the file" and len(server.worker_pids()) == 2
    where = "python:conf.any" if "python:conf.any" in flags else name
    assert len(server.log.matches(rf"\[INFO\] Configuration file: {re.escape(where)}$")) == 1, server.error_log()
    values = in_force(*flags, app=None, cwd=tmp_path)
    assert values["workers"] == ("2", where) and values["wsgi_app"] == ('"contract:app"', where)


def test_which_file_is_read(tmp_path):
    """evgateway.conf.py goes first; a file that is named is the only one; one in --chdir is found."""
    for name in ("gunicorn.conf.py", "evgateway.conf.py", "other.py"):
        write(tmp_path, name, f"raw_env = ['FROM={name}']\n")
    assert in_force(cwd=tmp_path)["raw_env"][1] == "evgateway.conf.py"
    assert in_force("-c", "other.py", cwd=tmp_path)["raw_env"] == ('["FROM=other.py"]', "other.py")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert in_force(cwd=folder)["raw_env"][1] == "default"
    write(folder, "gunicorn.conf.py", "raw_env = ['FROM=folder']\n")
    values = in_force("--chdir", "folder", "-c", "folder/gunicorn.conf.py", cwd=tmp_path)
    assert values["raw_env"] == ('["FROM=folder"]', "folder/gunicorn.conf.py")
    (tmp_path / "gunicorn.conf.py").unlink()
    (tmp_path / "evgateway.conf.py").unlink()
    assert in_force("--chdir", "folder", cwd=tmp_path)["raw_env"][0] == '["FROM=folder"]'
    assert in_force(cwd=tmp_path, env={"GUNICORN_CMD_ARGS": "-c other.py"})["raw_env"][1] == "other.py"


def test_app_on_the_command_line_wins_over_that_of_the_file(gateway, tmp_path):
    write(tmp_path, "gunicorn.conf.py", "wsgi_app = 'nothing_of_this_name'\n")
    assert gateway("contract:make_app()", cwd=tmp_path).get("/").body == b"made 1"


def test_swift_app_reads_toml(gateway, example, tmp_path):
    path = write(tmp_path, "evgateway.toml", "workers = 2\nserver_header = false\n")
    server = gateway(example("hello"), "-c", path).wait_until_ready(workers=2)
    assert server.get("/").all("server") == [] and len(server.worker_pids()) == 2
    assert server.log.matches(r"Configuration file: .*evgateway\.toml$")
    values = in_force("-c", path.name, app=None, flags=(), program=example("hello"), cwd=tmp_path)
    assert values["workers"] == ("2", "evgateway.toml")


def test_swift_app_named_by_a_file(gateway, example, tmp_path):
    write(tmp_path, "evgateway.toml", f"wsgi_app = '{example('hello')}'\n")
    server = gateway(None, "-b", "127.0.0.1:0", "-c", "evgateway.toml", cwd=tmp_path, bare=True)
    assert server.get("/").body == b"Hello, World!"


def test_swift_app_refuses_a_file_in_python(example, tmp_path):
    write(tmp_path, "conf.py", "workers = 2\n")
    result = run(example("hello"), "-c", "conf.py", cwd=tmp_path)
    assert refusal(result) == "evgateway: conf.py: a configuration file in Python is for Python apps"


def test_lines_of_uwsgi_that_are_not_taken_are_named(gateway, tmp_path):
    write(tmp_path, "uwsgi.ini", "[uwsgi]\nmodule = contract\n; a comment\ncheaper = 9\nno-such-option = 1\n"
                                 "processes = 2\nsuwsgi-socket = /tmp/never-opened\n")
    server = gateway(None, *FLAGS, "-b", "127.0.0.1:0", "-c", "uwsgi.ini", cwd=tmp_path, bare=True)
    server.wait_until_ready(workers=2)
    for line, word in ((4, "cheaper"), (5, "no-such-option"), (7, "suwsgi-socket")):
        said = server.log.matches(rf"\[WARNING\] uwsgi\.ini:{line}: .*{word}")
        assert len(said) == 1, server.error_log()
    assert len(server.log.matches(r"uwsgi\.ini:")) == 3, server.error_log()


# What has no effect, and what is refused


def reasons(title):
    section = page().partition(f"## {title}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^- `(\w+)`: (.*)\.$", section, re.M))


ASKS = {"cert_reqs": "1",
        "strip_header_spaces": "True", "dirty_apps": "['a:b']",
        "disable_redirect_access_to_syslog": None, "control_socket_disable": None, "http_parser": None,
        "suppress_ragged_eofs": "False", "sendfile": "False"}


def test_settings_without_effect_are_told_once_with_the_reason(gateway, tmp_path):
    told = reasons("Settings of gunicorn without effect")
    asked = [name for name in told if ASKS.get(name, "") is not None]
    assert len(asked) > 15
    write(tmp_path, "gunicorn.conf.py", "".join(f"{name} = {ASKS.get(name, repr('something'))}\n" for name in asked))
    server = gateway("contract", "--workers", 2, cwd=tmp_path)
    assert server.get("/").status == 200
    said = [match[1] for match in server.log.matches(r"\[WARNING\] (.*has no effect.*)")]
    assert said == [f"gunicorn.conf.py:{line}: {name} has no effect: {told[name]}"
                    for line, name in enumerate(asked, 1)]


def test_what_a_file_in_python_cannot_decide_is_told(gateway, tmp_path):
    write(tmp_path, "gunicorn.conf.py", "python = '/nowhere'\ndef ssl_context(config, default):\n    pass\n")
    server = gateway("contract", "--bind", "127.0.0.1:0", "--pythonpath", APPS, bare=True, cwd=tmp_path,
                     env={"VIRTUAL_ENV": str(PYTHON.parent.parent)})
    server.log.wait_for(r"\[WARNING\] gunicorn\.conf\.py:1: python has no effect: .*--python")
    server.log.wait_for(r"\[WARNING\] The hook ssl_context is never called: ")
    write(tmp_path, "evgateway.toml", "post_fork = 'a'\n")
    assert "is a hook" in refusal(run("-c", "evgateway.toml", *FLAGS, "contract", cwd=tmp_path))


def test_settings_that_are_refused_end_the_start(tmp_path):
    for name, reason in reasons("Settings of gunicorn that are refused").items():
        value = ASKS.get(name, "'something'").replace("True", "true")
        write(tmp_path, "evgateway.toml", f"workers = 1\n{name} = {value}\n")
        assert refusal(run("-c", "evgateway.toml", *FLAGS, "contract", cwd=tmp_path)) == (
            f"evgateway: evgateway.toml:2: {name}: {reason}")


def test_later_source_takes_a_refused_setting_back(tmp_path):
    write(tmp_path, "gunicorn.conf.py", "cert_reqs = 1\n")
    assert "cert_reqs" in refusal(run("--check-config", *FLAGS, "contract", cwd=tmp_path))
    assert run("--check-config", "--cert-reqs", "0", *FLAGS, "contract", cwd=tmp_path).returncode == 0


# Mistakes


@pytest.mark.parametrize("name, text, line", MISTAKES)
def test_mistake_in_a_file_is_the_last_line(tmp_path, name, text, line):
    write(tmp_path, name, text)
    result = run("-b", "127.0.0.1:0", "-c", name, *FLAGS, "contract", cwd=tmp_path)
    assert refusal(result) == f"evgateway: {line}"
    frames = [frame for frame in result.stderr.splitlines() if frame.startswith("  File ")]
    assert all(f'"{tmp_path / name}"' in frame for frame in frames), result.stderr
    assert bool(frames) == bool(re.search(r":\d+: [A-Z]\w+: ", line)), result.stderr


@pytest.mark.parametrize("location, line", [
    ("nope.py", "nope.py: No such file or directory"),
    ("nope.toml", "nope.toml: cannot read it: No such file or directory"),
    ("nope.ini", "nope.ini: cannot read it: No such file or directory"),
    ("python:no_such_module", "python:no_such_module: no module named 'no_such_module'"),
    ("folder.py", "folder.py: Is a directory"),
    ("folder.toml", "folder.toml: cannot read it: Is a directory"),
    ("folder.ini", "folder.ini: cannot read it: Is a directory"),
    ("latin.toml", "latin.toml: is not UTF-8"),
])
def test_file_that_cannot_be_read_is_named(tmp_path, location, line):
    if location.startswith("folder"):
        (tmp_path / location).mkdir()
    (tmp_path / "latin.toml").write_bytes(b"pidfile = '\xff'\n")
    assert refusal(run("-c", location, *FLAGS, "contract", cwd=tmp_path)) == f"evgateway: {line}"


@pytest.mark.parametrize("env, line", [
    ({"WEB_CONCURRENCY": "many"}, "WEB_CONCURRENCY: 'many' is not a whole number of 1 or more"),
    ({"PORT": "70000"}, "PORT: '70000' is more than 65535"),
    ({"EVGATEWAY_LOGLEVEL": "loud"},
     "EVGATEWAY_LOGLEVEL: 'loud' is unknown: choose debug, info, warning, error or critical"),
    ({"GUNICORN_CMD_ARGS": "--workers 0"}, "GUNICORN_CMD_ARGS: --workers: '0' is not a whole number of 1 or more"),
    ({"GUNICORN_CMD_ARGS": "app:app"}, "GUNICORN_CMD_ARGS: holds options only, and 'app:app' is none"),
    ({"EVGATEWAY_CMD_ARGS": "--env 'A=1"}, "EVGATEWAY_CMD_ARGS: a quotation is not closed"),
    ({"EVGATEWAY_CMD_ARGS": "--wrokers 1"},
     "EVGATEWAY_CMD_ARGS: unknown option '--wrokers'; did you mean '--workers'?"),
    ({"EVGATEWAY_CMD_ARGS": "--help"}, "EVGATEWAY_CMD_ARGS: cannot ask for help"),
    ({}, None),
])
def test_mistake_in_a_variable_is_the_last_line(env, line):
    result = run("--check-config", *FLAGS, "contract", env=env)
    if line:
        assert refusal(result) == f"evgateway: {line}" and len(result.stderr.splitlines()) == 1
    else:
        assert result.returncode == 0


def test_misspelt_variable_is_told(gateway):
    server = gateway("contract", env={"EVGATEWAY_TIMEUOT": "3", "EVGATEWAY_OF_SOMEBODY_ELSE": "x"})
    said = server.log.matches(r"\[WARNING\] (.*EVGATEWAY_.*)")
    assert [match[1] for match in said] == ["EVGATEWAY_TIMEUOT is no setting; did you mean EVGATEWAY_TIMEOUT?"]
