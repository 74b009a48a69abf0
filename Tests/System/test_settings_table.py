"""The table of settings against gunicorn's own: each of its settings and hooks has a verdict, and the texts that are
made from the table can be used."""

import inspect
import os
import re
import shutil
import subprocess

import pytest
from gunicorn import config

from support.gateway import LAUNCHER, ROOT
from support.settings import FLAGS, page, run, verdicts

PAGE = ROOT / "Sources" / "EvGateway" / "EvGateway.docc" / "Settings.md"
KNOWN = {setting.name: setting for setting in config.KNOWN_SETTINGS}
HOOKS = {name for name, setting in KNOWN.items() if inspect.isfunction(setting.default)}
# Computed from the folder of the user, so no file has it by default.
COMPUTED = {"control_socket"}


@pytest.fixture(scope="module")
def table():
    return verdicts(page())


@pytest.fixture(scope="module")
def flags():
    """The flags of `--help all`, by the name in files."""
    found = {}
    for head, name in re.findall(r"^  (-.*|\w+)\n(?:      .*\n)*?      In files: (\w+)\.", run("--help", "all").stdout,
                                 re.M):
        found[name] = re.findall(r"(?<![\w-])--?\w[\w-]*", head)
    return found


def test_every_setting_and_hook_of_gunicorn_has_one_verdict(table):
    counts = {verdict: sum(table.get(name) == [verdict] for name in KNOWN)
              for verdict in ("served", "accepted", "refused")}
    told = f"{counts} of {len(KNOWN)}, {len(HOOKS)} of them hooks"
    assert not [name for name, found in table.items() if len(found) > 1], told
    assert not [name for name in KNOWN if name not in table], told
    assert sum(counts.values()) == len(KNOWN), told
    assert not [name for name, found in table.items() if found != ["served"] and name not in KNOWN], told


def test_hooks_have_the_parameters_of_gunicorn():
    told = dict(re.findall(r"^- `(\w+)\((.*?)\)`", page(), re.M))
    assert set(told) == HOOKS
    for name in HOOKS:
        assert len(told[name].split(", ")) == len(inspect.signature(KNOWN[name].default).parameters), name


def test_every_flag_of_gunicorn_is_known_and_means_the_same_setting(flags):
    wrong = [flag for name, setting in KNOWN.items() for flag in setting.cli or [] if flag not in flags.get(name, [])]
    assert not wrong, f"of {sum(len(setting.cli or []) for setting in KNOWN.values())} flags"


def test_flags_of_gunicorn_take_a_value_where_they_do_in_gunicorn(table):
    """All of them on one line, with gunicorn's defaults: a value too many or too few is an error."""
    line = []
    for name, setting in KNOWN.items():
        if setting.cli and name not in COMPUTED | {"config", "print_config", "chdir"}:
            value = setting.default
            if setting.action in ("store_true", "store_const"):
                line += [flag for flag in setting.cli if table[name] != ["refused"]]
            elif value is not None and value != [] and value != "":
                value = value[0] if isinstance(value, list) else int(value) if isinstance(value, int) else value
                line += [word for flag in setting.cli for word in (flag, str(value))]
    result = run(*line, *FLAGS, "contract")
    assert result.returncode == 0 and "configuration OK" in result.stdout, result.stderr


def test_defaults_of_gunicorn_ask_for_nothing(gateway, table, tmp_path):
    """A file that has all of what is not served, as gunicorn --print-config would show it."""
    hooks = {name for name, setting in KNOWN.items() if callable(setting.default)}
    names = [name for name in KNOWN if table[name] != ["served"] and name not in COMPUTED | hooks]
    (tmp_path / "gunicorn.conf.py").write_text(
        "from gunicorn import config as _config\n"
        f"globals().update({{s.name: s.default for s in _config.KNOWN_SETTINGS if s.name in {names}}})\n")
    server = gateway("contract", "-c", tmp_path / "gunicorn.conf.py", cwd=tmp_path)
    assert server.get("/").status == 200
    assert not server.log.matches(r"has no effect|\[(WARNING|ERROR)\]"), server.error_log()


def test_committed_page_is_the_one_of_this_table():
    assert PAGE.read_text() == page(), (
        f"make it anew: .build/release/evgateway --generate markdown > {PAGE.relative_to(ROOT)}")


def test_help_names_every_group():
    text = run("--help").stdout
    names = re.search(r"--help GROUP +All about a group: (.*)\.", text)[1].split(", ")
    titles = re.findall(r"^(\w[\w /]+):$", text, re.M)
    assert len(names) > 8 and len(set(names)) == len(names)
    for name in names:
        answer = run("--help", name).stdout
        assert "In files: " in answer, name
        assert name == "gunicorn" or answer.splitlines()[0] in titles


# What other programs read


@pytest.mark.parametrize("typed, among, exactly", [
    (["--worker-cl"], {"--worker-class"}, True),
    (["-k", "ge"], {"gevent"}, True),
    (["--worker-class", "in"], {"inline"}, True),
    (["--chdir", "fo"], {"folder"}, True),
    (["--config", "f"], {"file.toml", "folder"}, True),
    (["--generate", "m"], {"man", "markdown"}, True),
    (["--workers", ""], set(), True),
    (["--no-"], {"--no-grip", "--no-server-header", "--no-monkey-patch", "--no-proxy-headers", "--no-rebalance",
                 "--no-request-id", "--no-ws-per-message-deflate"}, True),
    (["f"], {"file.toml", "folder"}, True),
    (["--"], {"--bind", "--help", "--version"}, False),
    (["st"], {"status", "stack", "stop"}, True),
    (["status", "--w"], {"--watch"}, True),
    (["stop", "--pid", "f"], {"file.toml", "folder"}, True),
    (["stack", "--worker", ""], set(), True),
    (["scale", "--"], {"--admin-bind", "--admin-token", "--config", "--pid", "--help"}, True),
])
def test_bash_completes(tmp_path, typed, among, exactly):
    (tmp_path / "file.toml").touch()
    (tmp_path / "folder").mkdir()
    script = ('source /dev/stdin; COMP_WORDS=(evgateway "$@"); COMP_CWORD=$#; _evgateway; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    result = subprocess.run(["bash", "--norc", "-c", script, "bash", *typed], input=run("--generate", "bash").stdout,
                            capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert not result.stderr
    offered = set(result.stdout.split())
    assert offered == among if exactly else among <= offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_can_read_their_script(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    path = tmp_path / "script"
    path.write_text(run("--generate", shell).stdout)
    result = subprocess.run([shell, "-n", path], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")


def test_fish_completes(tmp_path):
    if not shutil.which("fish"):
        pytest.skip("there is no fish")
    (tmp_path / "evgateway.fish").write_text(run("--generate", "fish").stdout)
    asked = "source evgateway.fish; complete -C 'evgateway --worker-cl'; complete -C 'evgateway -k ge'"
    result = subprocess.run(["fish", "--no-config", "-c", asked], capture_output=True, text=True, cwd=tmp_path,
                            env={"HOME": str(tmp_path), "PATH": f"{LAUNCHER.parent}:{os.environ['PATH']}"}, timeout=60)
    assert [line.partition("\t")[0] for line in result.stdout.splitlines()] == ["--worker-class", "gevent"]


@pytest.mark.parametrize("command", [["groff", "-man", "-ww", "-z", "-T", "utf8"], ["man", "--warnings", "-l"]],
                         ids=["groff", "man"])
def test_manual_page_is_read_without_warnings(command, tmp_path):
    if not shutil.which(command[0]):
        pytest.skip(f"there is no {command[0]}")
    path = tmp_path / "evgateway.1"
    path.write_text(run("--generate", "man").stdout)
    result = subprocess.run([*command, path], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    if command[0] == "man":
        assert "--worker-class" in result.stdout and "EXIT STATUS" in result.stdout
