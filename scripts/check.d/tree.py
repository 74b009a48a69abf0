"""The files that the rules read: all below the folders given to `Tree`, without hidden folders and Python's caches."""

import os
import pathlib

FOLDERS = ("Package.swift", "Sources", "Tests", "Examples", "scripts", ".ci")


class Tree:
    """A checkout at `root`. Paths in answers and complaints are relative to it and use slashes."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.paths = sorted(path for folder in FOLDERS for path in self._below(folder))

    def _below(self, folder):
        top = self.root / folder
        if top.is_file():
            yield folder
        for directory, folders, names in os.walk(top):
            folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
            for name in names:
                yield (pathlib.Path(directory) / name).relative_to(self.root).as_posix()

    def strangers(self):
        """Names at the top that do not belong there; hidden ones and what the package manager makes are left out."""
        known = {*FOLDERS, "README.md", "Package.resolved", "__pycache__"}
        return sorted(name for name in os.listdir(self.root) if not name.startswith(".") and name not in known)

    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8")

    def with_suffix(self, *suffixes):
        return [path for path in self.paths if path.endswith(suffixes)]

    def is_code(self, path):
        """Returns true for Swift, C and Python files and for every file that begins with `#!`."""
        if path.endswith((".swift", ".c", ".h", ".py")):
            return True
        with open(self.root / path, "rb") as file:
            return file.read(2) == b"#!"
