"""A Swift file imports only its target's own dependencies and the system modules that are allowed there.

The compiler accepts an import of any module that is built before the target, also when only a dependency of a
dependency asks for it. So the imports are compared with the target's own list here.
"""

import re

import package

SYSTEM = {"Glibc", "Synchronization"}
# What is installed carries no Foundation.
OUTSIDE_SOURCES = {"Foundation", "FoundationEssentials", "Testing"}

IMPORT = re.compile(
    r"^[ \t]*(?:(?:@\w+(?:\([^)\n]*\))?|public|package|internal|private|fileprivate)\s+)*import\s+"
    r"(?:(?:typealias|struct|class|enum|protocol|let|var|func)\s+)?(\w+)", re.MULTILINE)
STRING_OF_LINES = re.compile(r'"""(.*?)"""', re.DOTALL)


def imported(text):
    """The modules that a Swift file imports, each with its line number. Text inside of \"\"\" is not code."""
    text = STRING_OF_LINES.sub(lambda match: "\n" * match[0].count("\n"), text)
    return [(text.count("\n", 0, match.start(1)) + 1, match[1]) for match in IMPORT.finditer(text)]


def complaints(tree, targets):
    for path in tree.with_suffix(".swift"):
        target = package.owner(targets, path)
        if target is None:
            continue
        allowed = target.modules | SYSTEM | (set() if path.startswith("Sources/") else OUTSIDE_SOURCES)
        for line, module in imported(tree.text(path)):
            if module in OUTSIDE_SOURCES - allowed:
                yield f"{path}:{line}: Sources must not import {module}"
            elif module not in allowed:
                yield f"{path}:{line}: imports {module}, which is not a dependency of {target.name} in Package.swift"
