"""A C file includes headers of its own target, public headers of its target's dependencies, and the system's.

Inside of Sources/CPythonBridge the folders form two levels: `runtime`, and one folder per worker class above it. A file
of a class includes headers of its own folder and of `runtime`; a file of `runtime` includes headers of `runtime` only.
So there are no cycles. Files directly in Sources/CPythonBridge are above all folders: they may include every header,
and no folder includes theirs. A public header `include/evg_NAME.h` belongs to the folder or class NAME, other public
headers to `runtime`.
"""

import posixpath
import re

import package

BRIDGE = "Sources/CPythonBridge"
RUNTIME = "runtime"
CLASSES = {"wsgi", "asgi", "gevent", "threads"}  # also while their files have no folder yet

INCLUDE = re.compile(r'^[ \t]*#[ \t]*(?:include|import)[ \t]*[<"]([^>"\n]+)[>"]', re.MULTILINE)


def included(text):
    """The headers that a C file includes, as they are written, each with its line number."""
    return [(text.count("\n", 0, match.start()) + 1, match[1]) for match in INCLUDE.finditer(text)]


def complaints(tree, targets):
    files = tree.with_suffix(".c", ".h")
    owners = {path: package.owner(targets, path) for path in files}
    for path in files:
        target = owners[path]
        if target is None:
            continue
        for line, name in included(tree.text(path)):
            header = _resolved(path, name, target, [file for file in files if owners[file]])
            if header is None:
                continue  # a header of the system
            other = owners[header]
            if other is target:
                if problem := _between_folders(path, header, files):
                    yield f"{path}:{line}: {problem}"
            elif other.name not in target.dependencies:
                yield f"{path}:{line}: includes {name} of {other.name}, which is not a dependency of {target.name}"
            elif not header.startswith(other.folder + "/include/"):
                yield f"{path}:{line}: includes {name}, which is not a public header of {other.name}"


def _resolved(path, name, target, files):
    """The file of the tree that the name stands for: beside the including file, else in its target, else anywhere."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    if beside in files:
        return beside
    named = [file for file in files if file.endswith("/" + posixpath.normpath(name))]
    own = [file for file in named if file.startswith(target.folder + "/")]
    public = [file for file in named if "/include/" in file]
    return next(iter(own or public), None)


def _between_folders(path, header, files):
    if not path.startswith(BRIDGE + "/"):
        return None
    folders = {file.split("/")[2] for file in files if file.startswith(BRIDGE + "/") and file.count("/") > 2}
    folders -= {"include"}
    if not folders:
        return None
    here, there = _folder(path, folders), _folder(header, folders)
    if here is None:
        return None
    if there in (here, RUNTIME):
        return None
    where = f"the folder {there}" if there else f"{BRIDGE} itself"
    return f"includes a header of {where}; a file of {here} may include those of " + \
        (f"{here} and {RUNTIME}" if here != RUNTIME else f"{RUNTIME} only")


def _folder(path, folders):
    """The bridge's folder that a file belongs to; None for one that is directly in Sources/CPythonBridge."""
    parts = path[len(BRIDGE) + 1:].split("/")
    if parts[0] != "include":
        return parts[0] if len(parts) > 1 else None
    name = parts[1].removesuffix(".h").removeprefix("evg_")
    return name if name in folders | CLASSES else RUNTIME
