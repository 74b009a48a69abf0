"""What the server says of its settings: the page of all of them, and the ones in force with where they are from."""

import re
import subprocess

from conftest import PYTHON

from .gateway import APPS, LAUNCHER, ROOT, environment

FLAGS = ["--python", str(PYTHON), "--pythonpath", str(APPS)]


def run(*arguments, cwd=None, env=None, program=LAUNCHER):
    """Runs the launcher to its end, for what serves nothing."""
    return subprocess.run([str(word) for word in (program, *arguments)], cwd=cwd or ROOT, env=environment(env),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def page():
    """The page of the documentation, as this build prints it."""
    return run("--generate", "markdown").stdout


def verdicts(text):
    """The names of the page, each with all its verdicts: "served", "accepted", "refused"."""
    found = [(name, "served") for name in re.findall(r"^### (\w+)$", text, re.M)]
    for title, verdict in (("Hooks", "hook"), ("Settings of gunicorn without effect", "accepted"),
                           ("Settings of gunicorn that are refused", "refused")):
        section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
        for name, rest in re.findall(r"^- `(\w+)[(`](.*)$", section, re.M):
            without = "Without effect: " in rest
            found.append((name, verdict if verdict != "hook" else "accepted" if without else "served"))
    table = {}
    for name, verdict in found:
        table.setdefault(name, []).append(verdict)
    return table


def served(text):
    """The names of the settings that have an effect, in the order of the page."""
    return re.findall(r"^### (\w+)$", text, re.M)


def in_force(*arguments, app="contract:app", flags=FLAGS, **more):
    """--print-config as {name: (value as TOML writes it, origin)}; the value of what is not set is None."""
    result = run("--print-config", *flags, *arguments, *([app] if app else []), **more)
    assert result.returncode == 0 and not result.stderr, result.stderr
    return parsed(result.stdout)


def parsed(text):
    values = {}
    for line in text.splitlines():
        if found := re.fullmatch(r"(?:(\w+) = (.*\S)|# (\w+) is not set) +# (.*)", line):
            values[found[1] or found[3]] = (found[2], found[4])
    return values


def refusal(result):
    """The last line of what a start that failed printed."""
    assert result.returncode == 1, (result.returncode, result.stderr)
    assert result.stdout == "", result.stdout
    return result.stderr.splitlines()[-1]
