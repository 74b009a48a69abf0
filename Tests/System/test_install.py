"""scripts/install: what it puts below a prefix serves and is found by man and the shells, and can be taken away. What
happens to a prefix when something goes wrong is seen with two small files instead of the built ones."""

import importlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import PYTHON
from support.gateway import APPS, ROOT, Gateway, environment

SCRIPT = ROOT / "scripts" / "install"


def run(*command, env=None, timeout=60, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout,
                          env=environment(env), **more)


def below(folder):
    """Every file and empty folder in it, as relative paths."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")
                  if not path.is_dir() or not any(path.iterdir()))


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("install") / "a prefix"
    folder.mkdir()
    done = run(SCRIPT, "--prefix", folder, timeout=900)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"evgateway is installed: {folder}/bin/evgateway\n"
    return folder


@pytest.fixture
def serving(prefix, example, tmp_path):
    """Factory: `serving(app, *flags)` starts the installed command, on a PATH that has it, a Swift app and a python3
    without any package, and nothing else."""
    started = []
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(PYTHON.resolve())
    (programs / "example-hello").symlink_to(example("hello"))

    def start(*words):
        server = Gateway(["--bind", "127.0.0.1:0", *words], program=["evgateway"], cwd=tmp_path,
                         env={"PATH": f"{prefix / 'bin'}:{programs}"})
        started.append(server)
        return server.wait_until_ready()

    yield start
    for server in started:
        assert not server.clean_up()


# What is installed


@pytest.mark.parametrize("words", [["--pythonpath", APPS, "contract:app"], ["example-hello"]], ids=["wsgi", "swift"])
def test_apps_are_served_by_name(serving, words):
    server = serving(*words)
    assert server.get("/").body == b"Hello, World!"
    assert server.stop() == 0


def test_the_server_holds_the_installed_files_alone(serving, prefix):
    server = serving("--pythonpath", APPS, "contract:app")
    [worker] = server.worker_pids()
    maps = pathlib.Path(f"/proc/{worker}/maps").read_text()
    assert f"{prefix}/lib/evgateway/libEvPython.so" in maps
    assert not re.search(r"libswift|libev\.so|libstdc\+\+", maps)


def test_the_launcher_needs_the_systems_libraries_alone(prefix):
    needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", prefix / "bin" / "evgateway").stdout)
    assert needed and set(needed) <= {"libm.so.6", "libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2",
                                      "ld-linux-aarch64.so.1"}


def test_man_finds_the_page(prefix):
    if not shutil.which("man"):
        pytest.skip("there is no man")
    found = run("man", "-w", "evgateway", env={"PATH": f"{prefix}/bin:/usr/bin:/bin", "MANPATH": ""})
    assert found.stdout == f"{prefix}/share/man/man1/evgateway.1\n", found.stderr
    assert ".TH EVGATEWAY 1" in pathlib.Path(found.stdout.strip()).read_text()


def test_bash_finds_its_completion(prefix):
    script = prefix / "share" / "bash-completion" / "completions" / "evgateway"  # below a folder of XDG_DATA_DIRS
    done = run("bash", "--norc", "-c", '. "$1"; complete -p evgateway', "bash", script)
    assert "-F _evgateway evgateway" in done.stdout, done.stderr


def test_zsh_finds_its_completion(prefix, tmp_path):
    if not shutil.which("zsh"):
        pytest.skip("there is no zsh")
    asked = 'fpath=("$1" $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[evgateway]'
    done = run("zsh", "-f", "-c", asked, "zsh", prefix / "share" / "zsh" / "site-functions", env={"HOME": tmp_path})
    assert done.stdout == "_evgateway\n", done.stderr


def test_fish_finds_its_completion(prefix, tmp_path):
    if not shutil.which("fish"):
        pytest.skip("there is no fish")
    done = run("fish", "-c", "complete -C 'evgateway --worker-cl'", cwd=tmp_path,
               env={"HOME": tmp_path, "XDG_DATA_DIRS": f"{prefix}/share:/usr/share",
                    "PATH": f"{prefix}/bin:{os.environ['PATH']}"})
    assert "--worker-class" in done.stdout, done.stderr


# Again, and away


def test_what_is_installed_again_is_the_same(prefix):
    def content():
        return {name: ((prefix / name).read_bytes(), (prefix / name).stat().st_mode) for name in below(prefix)
                if "__pycache__" not in name}
    before = content()
    assert len(before) > 20
    done = run(SCRIPT, f"--prefix={prefix}", timeout=900, preexec_fn=lambda: os.umask(0o077))
    assert done.returncode == 0, done.stderr
    assert content() == before


def test_an_uninstalled_prefix_is_empty(prefix, tmp_path):
    """Also where Python has cached the package, below a --destdir, and with somebody else's files left alone."""
    folder = tmp_path / "image" / "opt" / "evgateway"
    words = ["--destdir", tmp_path / "image", "--prefix", "/opt/evgateway"]
    assert run(SCRIPT, *words, timeout=900).returncode == 0
    assert below(folder) == [name for name in below(prefix) if "__pycache__" not in name]
    (folder / "bin" / "other").touch()
    (folder / "share" / "man" / "man5").mkdir()
    checked = run(folder / "bin" / "evgateway", "--check-config", "--python", PYTHON, "contract:app", cwd=APPS)
    assert checked.returncode == 0, checked.stderr
    assert list((folder / "lib/evgateway/python/evgateway/__pycache__").iterdir())
    done = run(SCRIPT, *words, "--uninstall")
    assert (done.returncode, done.stdout) == (0, f"evgateway is removed from {folder}\n"), done.stderr
    assert below(folder) == ["bin/other", "share/man/man5"]


def test_there_must_be_something_to_uninstall(tmp_path):
    done = run(SCRIPT, "--prefix", tmp_path, "--uninstall")
    assert (done.returncode, done.stderr) == (
        1, f"install: nothing of evgateway is installed in {tmp_path}: there is no lib/evgateway/manifest\n")


# What goes wrong


@pytest.mark.parametrize("words, complaint", [
    (["--prefix"], "--prefix: a folder is missing"),
    (["--destdir", "/tmp", "--prefix", "relative"], "with --destdir, the prefix must begin with /"),
    (["--what"], "usage: scripts/install [--prefix DIR] [--destdir DIR] [--uninstall]"),
])
def test_arguments_that_cannot_be_meant_are_refused(words, complaint):
    done = run(SCRIPT, *words)
    assert done.returncode in (1, 2) and done.stderr.endswith(f"{complaint}\n") and done.stderr.count("\n") == 1


def test_a_prefix_without_rights_is_named_before_anything_is_built(short_path):
    (short_path / "bin").mkdir(mode=0o555)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    files = ROOT / "scripts" / "install.d" / "files.py"
    if nobody and run("cat", files, **nobody).returncode:
        pytest.skip("another user cannot read the checkout")
    done = run(SCRIPT, "--prefix", short_path, **nobody)
    where = short_path if nobody else short_path / "bin"
    assert (done.returncode, below(short_path)) == (1, ["bin"])
    assert done.stderr.startswith(f"install: no right to write to {where}") and done.stderr.count("\n") == 1


@pytest.fixture
def files(monkeypatch):
    """The module that moves files."""
    monkeypatch.syspath_prepend(ROOT / "scripts" / "install.d")
    yield importlib.import_module("files")
    for name in ("files", "manifest"):
        sys.modules.pop(name, None)


@pytest.fixture
def two(tmp_path):
    """Factory: `two(text)` writes two files, and returns them as what is to be installed."""
    def write(text):
        source = tmp_path / f"source {text}"
        source.write_text(text)
        return {"lib/evgateway/module.py": source, "bin/evgateway": source}
    return write


INSTALLED = ["bin/evgateway", "lib/evgateway/manifest", "lib/evgateway/module.py"]


def texts(folder):
    return {name: (folder / name).read_text() for name in below(folder)}


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("before", [False, True], ids=["fresh", "upgrade"])
def test_a_move_that_fails_leaves_all_as_it_was(files, two, tmp_path, monkeypatch, before, nth):
    folder = tmp_path / "made" / "prefix"
    if before:
        files.install(folder, two("old"))
    expected = texts(folder) if before else None
    real, calls = os.replace, []

    def replace(source, destination):
        calls.append(destination)
        if len(calls) == nth:
            raise OSError(28, "No space left on device")
        real(source, destination)
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="No space"):
        files.install(folder, two("new"))
    assert texts(folder) == expected if before else not (tmp_path / "made").exists()


def test_the_launcher_is_moved_last_and_the_manifest_first(files, two, tmp_path, monkeypatch):
    real, moved = os.replace, []
    monkeypatch.setattr(os, "replace", lambda source, place: (moved.append(place.name), real(source, place)))
    files.install(tmp_path / "prefix", two("new"))
    assert moved == ["manifest", "module.py", "evgateway", "manifest"]
    assert list(files.destinations())[-1] == "bin/evgateway"


def test_an_upgrade_takes_away_what_is_no_more(files, two, tmp_path):
    folder = tmp_path / "prefix"
    old = two("old")
    files.install(folder, {"lib/evgateway/gone.py": old["bin/evgateway"], **old})
    (folder / "lib/evgateway/__pycache__").mkdir()
    (folder / "lib/evgateway/__pycache__/gone.cpython-311.pyc").touch()
    files.install(folder, two("new"))
    assert below(folder) == INSTALLED and (folder / "bin/evgateway").read_text() == "new"
    files.uninstall(folder)
    assert below(folder) == []


def test_what_was_killed_is_cleaned_up(files, two, tmp_path):
    folder = tmp_path / "prefix"
    files.install(folder, two("old"))
    (folder / "lib/evgateway/.staging-killed/new").mkdir(parents=True)
    (folder / "bin/evgateway").unlink()
    files.uninstall(folder)
    assert below(folder) == []


@pytest.mark.parametrize("path, is_folder, complaint", [
    ("bin/evgateway", False, "scripts/install has not put it there"),
    ("bin/evgateway", True, "is a folder"),
    ("lib", False, "is not a folder"),
])
def test_nothing_of_somebody_else_is_replaced(files, two, tmp_path, path, is_folder, complaint):
    folder = tmp_path / "prefix"
    (folder / path).parent.mkdir(parents=True)
    if is_folder:
        (folder / path).mkdir()
    else:
        (folder / path).write_text("mine")
    with pytest.raises(files.Failure, match=complaint):
        files.install(folder, two("new"))
    assert below(folder) == [path]


@pytest.mark.parametrize("line", ["../outside", "/etc/passwd", "bin/../../outside"])
def test_a_manifest_that_leaves_the_prefix_is_refused(files, two, tmp_path, line):
    folder = tmp_path / "prefix"
    (tmp_path / "outside").touch()
    files.install(folder, two("old"))
    with open(folder / "lib/evgateway/manifest", "a") as manifest:
        manifest.write(f"{line}\n")
    with pytest.raises(files.manifest.Invalid, match="nothing is done"):
        files.uninstall(folder)
    assert below(folder) == INSTALLED and (tmp_path / "outside").exists()
