"""The targets of Package.swift with their own dependency lists, as `swift package dump-package` prints them."""

import dataclasses
import json
import subprocess


@dataclasses.dataclass(frozen=True)
class Target:
    name: str
    folder: str
    dependencies: frozenset  # names of targets and products

    @property
    def module(self):
        return module_name(self.name)

    @property
    def modules(self):
        """The modules that a file of this target may import besides the system's."""
        return {self.module} | {module_name(name) for name in self.dependencies}


def module_name(target_name):
    return target_name.replace("-", "_")


def dumped(root):
    """Asks the package manager. It waits for a build in the same scratch path, so this one has its own."""
    command = ["swift", "package", "--package-path", root, "--scratch-path", f"{root}/.build/check", "dump-package"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def targets(dump):
    """Every target of the package. A dependency is {"byName": [name, ...]}, {"product": ...} or {"target": ...}."""
    found = []
    for target in dump["targets"]:
        folder = target.get("path") or ("Tests/" if target["type"] == "test" else "Sources/") + target["name"]
        names = frozenset(values[0] for entry in target["dependencies"] for values in entry.values())
        found.append(Target(target["name"], folder, names))
    return found


def owner(targets, path):
    """The target whose folder holds the file, the innermost one where folders are nested; None for other files."""
    holding = [target for target in targets if path.startswith(target.folder + "/")]
    return max(holding, key=lambda target: len(target.folder), default=None)
