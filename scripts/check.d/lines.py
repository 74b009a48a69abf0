"""A file has at most 400 lines, and a line at most 120 characters.

`swift format lint` measures the lines of Swift code, but neither comments nor strings of several lines.
"""

MOST_LINES = 400
MOST_COLUMNS = 120


def complaints(tree):
    for path in tree.paths:
        if not (tree.is_code(path) or path.startswith("scripts/")):
            continue
        lines = tree.text(path).splitlines()
        if len(lines) > MOST_LINES:
            yield f"{path}: {len(lines)} lines, {MOST_LINES} is the most"
        if tree.is_code(path):
            for number, line in enumerate(lines, 1):
                if len(line) > MOST_COLUMNS:
                    yield f"{path}:{number}: {len(line)} columns, {MOST_COLUMNS} is the most"
