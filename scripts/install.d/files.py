"""Puts the built files below a folder, the prefix, and takes them away again.

usage: files.py check | install | uninstall FOLDER

Law: all is staged below the prefix and moved then, the launcher last; where a move fails, what was there before is put
back. A manifest, which is written before the first move, lists what was installed: uninstalling takes away that, what
Python has cached of it, and folders that installing made, when they are empty. No file of somebody else is touched.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import manifest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = ROOT / ".build-wheel" / "build" / "release"
LICENSES = ROOT / ".build-wheel" / "licenses"
PACKAGE = ROOT / "Sources" / "CPythonBridge" / "python" / "evgateway"
LAUNCHER = "bin/evgateway"
STAGING = "lib/evgateway/.staging-"
GENERATED = {  # where the shells and man look, below a prefix that they know
    "man": "share/man/man1/evgateway.1",
    "bash": "share/bash-completion/completions/evgateway",
    "zsh": "share/zsh/site-functions/_evgateway",
    "fish": "share/fish/vendor_completions.d/evgateway.fish",
}


class Failure(Exception):
    """Its text says what is wrong and, where there is something, what to do."""


def destinations():
    """Every file below the prefix with the file that it is copied from; None for what the launcher generates. The
    launcher is the last one."""
    copied = {"lib/evgateway/libEvPython.so": BUILT / "libEvPython.so"}
    for path in sorted(PACKAGE.iterdir()):
        if path.is_file():
            copied[f"lib/evgateway/python/evgateway/{path.name}"] = path
    for path in sorted(LICENSES.rglob("*")):
        if path.is_file():
            copied[f"lib/evgateway/licenses/{path.relative_to(LICENSES)}"] = path
    return {**copied, **{path: None for path in GENERATED.values()}, LAUNCHER: BUILT / "evgateway"}


def check(folder, files):
    """Raises Failure if the files cannot be put there."""
    known = manifest.read(folder)
    for file in [*files, manifest.NAME]:
        path = folder / file
        existing = path.parent
        while not existing.exists():
            existing = existing.parent
        if not existing.is_dir():
            raise Failure(f"{existing} is not a folder")
        check_rights(existing)
        if path.is_dir():
            raise Failure(f"{path} is a folder")
        if os.path.lexists(path) and file not in known.files and file != manifest.NAME:
            raise Failure(f"{path} is there, and scripts/install has not put it there: remove it first")


def check_rights(folder):
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Failure(f'no right to write to {folder}: try sudo env "PATH=$PATH" scripts/install, or another --prefix')


def stage(stage, files):
    """Copies or makes the files, with the modes that everybody needs who may start a server."""
    for file, source in files.items():
        path = stage / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if source is not None:
            shutil.copyfile(source, path)
            path.chmod(0o755 if file == LAUNCHER else 0o644)
    for name, file in GENERATED.items():
        if file in files:
            with open(stage / file, "wb") as output:
                subprocess.run([stage / LAUNCHER, "--generate", name], stdout=output, check=True)


def install(folder, files):
    """Installs the files (see `destinations`), or leaves everything as it was."""
    check(folder, files)
    before = manifest.read(folder)
    made = []
    try:
        make_folders(folder, files, made)
        remove_leftovers(folder)
        below = [str(path.relative_to(folder)) for path in made if folder in path.parents]
        after = manifest.Manifest(list(files), before.folders + [name for name in below if name not in before.folders])
        place, prefix = os.path.split(STAGING)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=folder / place) as name:
            staging = pathlib.Path(name)
            stage(staging / "new", files)
            move(folder, staging, files, before, after)
    except BaseException:
        remove_folders(made)
        raise


def make_folders(folder, files, made):
    """Makes the folders of the files, and adds those that were not there to `made`, the outer ones first."""
    for file in [*files, manifest.NAME]:
        for parent in reversed((folder / file).parents):
            if not parent.is_dir():
                parent.mkdir()
                made.append(parent)


def remove_leftovers(folder):
    """Of an installation that was killed."""
    for path in folder.glob(f"{STAGING}*"):
        shutil.rmtree(path)


def move(folder, staging, files, before, after):
    """Moves every file from the staging folder to its place, in their order."""
    saved, moved = staging / "old", []
    union = manifest.Manifest(after.files + [file for file in before.files if file not in after.files], after.folders)
    try:
        for file in [manifest.NAME, *files]:
            keep(folder / file, saved / file)
        moved.append(manifest.NAME)
        union.write(folder)
        for file in files:
            moved.append(file)
            os.replace(staging / "new" / file, folder / file)
    except BaseException:
        for file in reversed(moved):
            put_back(saved / file, folder / file)
        raise
    remove_files(folder, [file for file in before.files if file not in files])
    after.write(folder)


def keep(path, copy):
    """Copies a file that is there."""
    if path.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def put_back(copy, path):
    if copy.exists():
        os.replace(copy, path)
    else:
        path.unlink(missing_ok=True)


def remove_folders(paths):
    """Removes the folders that are empty, the inner ones first."""
    for path in sorted(paths, key=lambda path: len(path.parts), reverse=True):
        try:
            path.rmdir()
        except OSError:
            pass  # something else is in it, or it is not there any more


def remove_files(folder, files):
    """Removes files, and what Python has cached of modules among them."""
    for file in files:
        path = folder / file
        path.unlink(missing_ok=True)
        if path.suffix == ".py":
            cache = path.parent / "__pycache__"
            for compiled in cache.glob(f"{path.stem}.*.pyc"):
                compiled.unlink()
            if cache.is_dir() and not any(cache.iterdir()):
                cache.rmdir()


def uninstall(folder):
    known = manifest.read(folder)
    if not known.files:
        raise Failure(f"nothing of evgateway is installed in {folder}: there is no {manifest.NAME}")
    for file in [*known.files, manifest.NAME]:
        if (folder / file).parent.is_dir():
            check_rights((folder / file).parent)
    remove_files(folder, reversed(known.files))
    remove_leftovers(folder)
    (folder / manifest.NAME).unlink()
    remove_folders(folder / name for name in known.folders)


def main(action, folder):
    os.umask(0o022)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    try:
        if action == "check":
            check(folder, destinations())
        elif action == "install":
            install(folder, destinations())
            print(f"evgateway is installed: {folder / LAUNCHER}")
        else:
            uninstall(folder)
            print(f"evgateway is removed from {folder}")
    except (Failure, manifest.Invalid, OSError, subprocess.CalledProcessError) as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
