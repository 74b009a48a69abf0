"""Runs every command of README, and of the articles that go on from it, in a fresh clone, in the order of the page:
each may need only what earlier ones made.

`scripts/setup` and `scripts/build` take too long to be run again. In the clone they are replaced by scripts that link
what the real ones make (.venv, .build/release) from this tree. Before they are called, the clone has neither.
"""

import http.client
import os
import pathlib
import random
import re
import shlex
import shutil
import socket
import subprocess
from signal import SIGTERM

import pytest

from support import procfs, wait
from support.gateway import BUILD, ROOT, Log

NOT_RUN = {
    "scripts/test": "runs this test",
    "scripts/test -k lifecycle": "runs this test",
    "scripts/wheel": "test_wheel.py runs it",
    "python3 -m venv site && site/bin/pip install flask .build-wheel/evgateway-*.whl": "needs the wheel and a network",
    "site/bin/evgateway --chdir Examples/flask-hello app:app": "needs the wheel; test_wheel.py serves from one",
    "evgateway --python .venv/bin/python3 -k inline --grip Examples/longpoll/grip.py": "test_longpoll_grip.py runs it",
    "curl 127.0.0.1:8000/messages & sleep 1; curl -d hello 127.0.0.1:8000/messages; wait":
        "test_longpoll_grip.py runs it",
    "scripts/docs --serve": "builds; scripts/test runs scripts/docs before the system tests",
    'scripts/install --prefix "$HOME/.local"': "builds; test_install.py runs it",
    "scripts/test-matrix": "takes many minutes; scripts/test runs it for two of them",
    "scripts/test-matrix /FOLDER": "needs a root of another Linux",
    "scripts/check": "scripts/test runs it before the system tests",
    "swift test --filter HTTP1": "builds; scripts/test runs all unit tests before the system tests",
    "scripts/fuzz": "takes more than a minute; scripts/test runs it for 15 s",
    "scripts/autobahn": "needs a Python 2.7",
    "scripts/bench": "takes many minutes and needs the peers",
    "scripts/bench --markdown": "takes many minutes and needs the peers",
    "scripts/bench --instructions": "takes many minutes and needs the peers and valgrind",
    "scripts/bench --only websocket": "takes minutes and needs the peers",
    "scripts/bench --only memory,holds-fanout": "takes minutes and needs the peers",
    "wrk -t1 -c64": "is what scripts/bench runs",
}
BUILTINS = {"cd", "export", "source"}
CODE = {"python", "swift"}  # languages of fenced blocks that hold no commands

SETUP = f"""#!/bin/sh
cd "$(dirname "$0")/.."
case "${{1:-build}}" in
    build) ;;
    demo | tests) ln -sfn {ROOT}/.venv .venv ;;
    bench) ln -sfn {ROOT}/.venv .venv-bench ;;
    *) exit 1 ;;
esac
"""
BUILDING = f"""#!/bin/sh
cd "$(dirname "$0")/.."
mkdir -p .build && ln -sfn {BUILD} .build/release
"""


def commands(page):
    """Yields (command, expected lines of output) from the blocks and from the code within sentences."""
    language, block, text = None, [], []
    for line in [*page.splitlines(), ""]:
        if fence := re.match(r"```(\w*)", line):
            if language is None:
                yield from _of_sentences(text)
                text, language = [], fence[1]
            else:
                if language not in CODE:
                    yield from _of_block(block)
                block, language = [], None
        elif language is not None:
            block.append(line)
        elif line.startswith("    "):
            yield from _of_sentences(text)
            text = []
            block.append(line[4:])
        else:
            yield from _of_block(block)
            block = []
            text.append(line)
    yield from _of_sentences(text)


def _of_block(lines):
    """`$ command` and its output; in a block without a `$`, every line is a command."""
    found = []
    prompt = any(line.startswith("$ ") for line in lines)
    for line in lines:
        if not prompt or line.startswith("$ "):
            found.append((re.sub(r"\s+#.*", "", line.removeprefix("$ ")), []))
        else:
            found[-1][1].append(line)
    return found


def _of_sentences(lines):
    """Code that begins with a program: the path of one, or its name with arguments. `swift` alone is a worker class."""
    for span in re.findall(r"`([^`]+)`", "\n".join(lines)):
        span = " ".join(span.split())
        program, *arguments = span.split(" ")
        path = "/" in program and (program.startswith(".build/release/") or (ROOT / program).is_file()
                                   and os.access(ROOT / program, os.X_OK))
        named = arguments and (program in BUILTINS or (BUILD / program).is_file()
                               or (ROOT / ".venv/bin" / program).is_file() or shutil.which(program))
        if path or named:
            yield span, []


def free_port():
    """Returns a port below the range from which the kernel chooses ports, so that no other test gets it meanwhile."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Reader:
    """Runs the commands of a page in a fresh clone, as if typed into a shell. At most one server runs at a time."""

    def __init__(self, directory):
        self.directory, self.server, self.state = directory, None, directory.parent / "exported"
        directory.mkdir(parents=True)
        self.ports = {"8000": str(free_port()), "8080": str(free_port())}
        self.environment = {
            name: value for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "EVGATEWAY_")) and name not in ("VIRTUAL_ENV", "WEB_CONCURRENCY")}
        self.environment["PATH"] = ":".join(
            part for part in os.environ["PATH"].split(":") if pathlib.Path(part) != ROOT / ".venv" / "bin")
        self.environment["PORT"] = self.ports["8000"]  # for servers that are started without --bind
        self.state.touch()
        self._clone()

    def _clone(self):
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(listed, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0"):
            if (ROOT / name).is_file():
                (self.directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.directory / name)
        for name in ("scripts/demo", "Examples/longpoll/start"):
            file = self.directory / name
            file.write_text(self.translated(file.read_text()))
        (self.directory / "scripts" / "setup").write_text(SETUP)
        (self.directory / "scripts" / "build").write_text(BUILDING)

    def translated(self, text):
        """Replaces the page's ports by free ones, because they may be in use on this machine."""
        return re.sub(r"(?<=127\.0\.0\.1:)(8000|8080)\b", lambda match: self.ports[match[1]], text)

    def types(self, command, expected):
        """Runs a command until it ends, or until it serves. Checks its output, or that the server answers."""
        if "curl" not in shlex.split(command):
            self.ends_server()
        *before, last = self.translated(command).rpartition("&& ")
        remember = f"; status=$?; export -p >{self.state}; exit $status"
        line = f"{last}{remember}" if last.split()[0] in BUILTINS else f"{''.join(before)}exec {last}"
        process = subprocess.Popen(
            ["bash", "-c", f"source {self.state}; {line}"], cwd=self.directory, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        output, errors = Log(process.stdout), Log(process.stderr)
        if self.server is None:
            self.server = (process, output, errors)

        def serves():
            return errors.matches("Worker ready") or output.matches("Chat: ")
        wait.until(lambda: process.poll() is not None or serves(), lambda: f"{command!r} ends or serves", timeout=60)
        expected = [self.translated(line) for line in expected]
        if process.poll() is None:
            for line in expected:
                output.wait_for("^" + re.escape(line))
            port = self.ports["8080" if output.matches("Chat: ") else "8000"]
            client = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
            client.request("GET", "/")
            assert client.getresponse().status == 200, f"{command}: {errors.text()}"
            client.close()
        else:
            if self.server[0] is process:
                self.server = None
            output.thread.join(60)
            errors.thread.join(60)
            assert process.returncode == 0, f"{command}: {output.text()}{errors.text()}"
            assert not expected or output.lines == expected, command

    def ends_server(self):
        if self.server is None:
            return
        (process, output, errors), self.server = self.server, None
        if process.poll() is None:
            process.send_signal(SIGTERM)
        try:
            assert process.wait(60) == 0, errors.text()
            wait.until(lambda: not procfs.session_members(process.pid), "nothing of the server is left")
        finally:
            for pid in procfs.session_members(process.pid):
                os.kill(pid, 9)


@pytest.fixture
def reads(tmp_path):
    """Factory: `reads(text)` runs the commands of a part of README in a fresh clone of its own."""
    readers = []

    def read(text):
        reader = Reader(tmp_path / str(len(readers)) / "evgateway")
        readers.append(reader)
        for command, expected in commands(text):
            if command not in NOT_RUN:
                print("$", command)
                reader.types(command, expected)
        reader.ends_server()

    yield read
    for reader in readers:
        reader.ends_server()


# The summary before the first heading and the sections after it are read apart: neither may need the other's commands.
README = (ROOT / "README.md").read_text()
ARTICLES = ROOT / "Sources" / "EvGateway" / "EvGateway.docc"
PAGE = "".join([README, *((ARTICLES / f"{name}.md").read_text() for name in ("Installing", "Numbers", "Contributing"))])
SUMMARY, _, SECTIONS = PAGE.partition("\n## ")


def test_the_commands_of_the_summary_work_in_a_fresh_clone(reads):
    reads(SUMMARY)


def test_the_commands_of_the_sections_work_in_a_fresh_clone_in_their_order(reads):
    reads(SECTIONS)


def test_what_is_not_run_is_in_the_page():
    # Words are taken for a command only where there is such a program.
    known = {command for command in NOT_RUN if "/" in command or shutil.which(command.split()[0])}
    assert known - {command for command, _ in commands(PAGE)} == set()


def test_commands_are_found_in_blocks_and_sentences():
    page = """Words with `scripts/demo`, `Sources/EvLoop`, `swift`, `-k` and `evgateway\n--help`.

    $ scripts/build     # says nothing
    $ curl 127.0.0.1:8000/
    Hello
    $ export A=1

And `nothing here`.

```python
# evgateway app.py
```

```sh
scripts/test   # all of it
scripts/check
```
"""
    assert list(commands(page)) == [
        ("scripts/demo", []), ("evgateway --help", []),
        ("scripts/build", []), ("curl 127.0.0.1:8000/", ["Hello"]), ("export A=1", []),
        ("scripts/test", []), ("scripts/check", []),
    ]
