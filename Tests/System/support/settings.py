"""What the server says of its settings: the page of all of them, and the ones in force with where they are from."""

import re
import subprocess

from conftest import PYTHON

from .gateway import APPS, LAUNCHER, ROOT, environment

FLAGS = ["--python", str(PYTHON), "--pythonpath", str(APPS)]

# The name of a file, what is wrong in it, and how that is told.
MISTAKES = [
    # names
    ("g.py", "x = 1\nwrokers = 3\n", "g.py:2: no setting 'wrokers'; did you mean 'workers'?"),
    ("g.py", "access_logfile = '-'\n", "g.py:1: no setting 'access_logfile'; did you mean 'accesslog'?"),
    ("e.toml", "workers = 1\ntime_out = 3\n", "e.toml:2: no setting 'time_out'; did you mean 'timeout'?"),
    ("e.toml", "nothing-like-it = 3\n", "e.toml:1: no setting 'nothing_like_it'"),
    ("e.toml", "[server]\nworkers = 3\n", "e.toml:1: no setting 'server'"),
    ("pyproject.toml", "[tool.evgateway]\n\nwrokers = 2\n",
     "pyproject.toml:3: no setting 'wrokers'; did you mean 'workers'?"),
    # files that are not what they should be
    ("g.py", "workers = 1\ndef f(:\n", "g.py:2: SyntaxError: invalid syntax"),
    ("g.py", "def f():\n    return 1 / 0\n\nworkers = f()\n", "g.py:2: ZeroDivisionError: division by zero"),
    ("g.py", "\nimport no_such_package\n", "g.py:2: ModuleNotFoundError: No module named 'no_such_package'"),
    ("g.py", "raise SystemExit(0)\n", "g.py:1: SystemExit: 0"),
    ("e.toml", "workers = \n", "e.toml:1: expected a value"),
    ("e.toml", "workers = 1\nworkers = 2\n", "e.toml:2: 'workers' is already defined"),
    ("pyproject.toml", "[tool]\nevgateway = 3\n", "pyproject.toml:2: 'tool.evgateway' must be a table"),
    ("u.ini", "[other]\n", "u.ini: there is no section [uwsgi]"),
    ("u.ini", "\n[uwsgi\n", "u.ini:2: expected ] at the end of the line"),
    # types
    ("g.py", "workers = [1]\n", "g.py:1: workers: a list is not a whole number"),
    ("g.py", "workers = object()\n", "g.py:1: workers: a value of type 'object' is no text, number, list or dict"),
    ("e.toml", "workers = true\n", "e.toml:1: workers: true is not a whole number"),
    ("e.toml", "workers = 1.5\n", "e.toml:1: workers: 1.5 is not a whole number"),
    ("e.toml", "timeout = [1]\n", "e.toml:1: timeout: a list is not a number of seconds"),
    ("e.toml", "reuse_port = 3\n", "e.toml:1: reuse_port: 3 is neither true nor false"),
    # values
    ("g.py", "import os\nworkers = os.cpu_count() * 0\n", "g.py:2: workers: '0' is not a whole number of 1 or more"),
    ("g.py", "bind = ['127.0.0.1:0', 'x:y']\n",
     "g.py:1: bind: Cannot listen on x:y: the port is a number from 0 to 65535"),
    ("g.py", "raw_env = ['A']\n", "g.py:1: raw_env: 'A' is not of the form NAME=value"),
    ("g.py", "worker_class = 'eventlet'\n", "g.py:1: worker_class: 'eventlet' is not available: use gevent"),
    ("g.py", "errorlog = '/no/such/folder/log'\n",
     "g.py:1: errorlog: cannot open '/no/such/folder/log': No such file or directory"),
    ("g.py", "chdir = '/no/such/folder'\n",
     "g.py:1: chdir: cannot change to '/no/such/folder': No such file or directory"),
    ("e.toml", "\ntimeout = -1\n", "e.toml:2: timeout: '-1' is not a number of seconds of 0 or more"),
    ("e.toml", "loglevel = 'loud'\n",
     "e.toml:1: loglevel: 'loud' is unknown: choose debug, info, warning, error or critical"),
    ("u.ini", "[uwsgi]\nworkers = 0\n", "u.ini:2: workers: '0' is not a whole number of 1 or more"),
    ("g.py", "forwarded_allow_ips = '10.0.0.1/8'\n",
     "g.py:1: forwarded_allow_ips: '10.0.0.1/8' has bits beyond its prefix: write the address or its network"),
    ("g.py", "secure_scheme_headers = {'X TLS': 'yes'}\n",
     "g.py:1: secure_scheme_headers: 'X TLS=yes' is no name of a field with its value"),
    ("e.toml", "trusted_proxy_headers = ['forwarded', 'x-forwarded-for']\n",
     "e.toml:1: trusted_proxy_headers: forwarded stands alone: of two sources, a client could write the one that the "
     "proxy does not"),
    # hooks
    ("g.py", "\ndef post_fork(server): pass\n",
     "g.py:2: the hook 'post_fork' must take 2 arguments: server, worker"),
]


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
