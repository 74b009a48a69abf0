"""What scripts/install has put below a prefix. Law: every path is relative to the prefix and stays below it, whatever
the file on the disk says."""

import dataclasses
import os
import pathlib

NAME = "lib/evgateway/manifest"
HEAD = "# What scripts/install of evgateway has made here: files, and folders with a slash. --uninstall reads it.\n"


class Invalid(Exception):
    """The file on the disk lists something that nobody has installed."""


@dataclasses.dataclass(frozen=True)
class Manifest:
    files: list    # without the manifest itself, in the order in which they were installed
    folders: list  # those that were not there before, outer ones first

    def write(self, folder):
        text = HEAD + "".join(f"{file}\n" for file in self.files) + "".join(f"{name}/\n" for name in self.folders)
        part = folder / f"{NAME}.part"
        try:
            part.write_text(text)
            os.replace(part, folder / NAME)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def read(folder):
    """The manifest below a prefix; an empty one where there is none."""
    try:
        lines = (folder / NAME).read_text().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return Manifest([], [])
    lines = [line for line in lines if line and not line.startswith("#")]
    for line in lines:
        if line.startswith("/") or ".." in pathlib.PurePath(line).parts:
            raise Invalid(f"{folder / NAME} lists {line}, which is not below {folder}: nothing is done")
    return Manifest([line for line in lines if not line.endswith("/")],
                    [line.rstrip("/") for line in lines if line.endswith("/")])
