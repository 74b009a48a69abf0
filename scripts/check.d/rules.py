"""The house rules about imports, includes, the top level and the size of files. Prints each break of a rule and exits
with 1 then.

usage: rules.py ROOT
"""

import sys

import imports
import includes
import lines
import package
import tree


def main(root):
    files = tree.Tree(root)
    targets = package.targets(package.dumped(root))
    found = [f"{name}: does not belong at the top level" for name in files.strangers()]
    found += [*lines.complaints(files), *imports.complaints(files, targets), *includes.complaints(files, targets)]
    for complaint in found:
        print(f"check: {complaint}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
