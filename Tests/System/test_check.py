"""The rules in scripts/check.d: each refuses a small tree that breaks it, and accepts one that does not."""

import subprocess
import sys

import pytest

from support.gateway import ROOT

RULES = ROOT / "scripts" / "check.d"
sys.path.append(str(RULES))

import imports  # noqa: E402
import includes  # noqa: E402
import lines  # noqa: E402
import package  # noqa: E402
import tree  # noqa: E402

MANIFEST = """// swift-tools-version: 6.2
import PackageDescription
let package = Package(name: "small", targets: [
    .target(name: "CLow"), .target(name: "Low", dependencies: ["CLow"]),
    .target(name: "High", dependencies: ["Low"]),
])
"""


def target(name, *dependencies, kind="regular", path=None, products=()):
    return {"name": name, "type": kind, **({"path": path} if path else {}),
            "dependencies": [{"byName": [other, None]} for other in dependencies]
            + [{"product": [product, "a-package", None, None]} for product in products]}


TARGETS = package.targets({"targets": [
    target("CLow"), target("Low", "CLow"), target("High", "Low", products=["Logging"]),
    target("CPythonBridge", "CLow"), target("COther"),
    target("an-example", "High", path="Examples/one"), target("HighTests", "High", "an-example", kind="test"),
]})


@pytest.fixture
def written(tmp_path):
    """Factory: `written({path: text})` makes these files and returns their tree."""
    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tree.Tree(tmp_path)
    return write


@pytest.mark.parametrize("path, text", [
    ("Sources/High/a.swift", "import CLow\n"),
    ("Sources/High/deep/a.swift", "// why\n@_exported public import CLow\n"),
    ("Sources/High/a.swift", "@_spi(X) internal import struct CLow.thing\n"),
    ("Sources/High/a.swift", "import PostgresNIO\n"),
    ("Sources/High/a.swift", "public import FoundationEssentials\n"),
    ("Sources/High/a.swift", "import Testing\n"),
    ("Examples/one/main.swift", "import Low\n"),
    ("Tests/HighTests/a.swift", "@testable import Low\n"),
])
def test_an_import_that_the_target_does_not_list_is_refused(written, path, text):
    found = list(imports.complaints(written({path: text}), TARGETS))
    assert len(found) == 1 and found[0].startswith(f"{path}:{1 + text.startswith('//')}: ")


def test_an_import_that_the_target_lists_passes(written):
    files = {
        "Sources/High/a.swift": "import Glibc\nimport Logging\npackage import Low\n// import CLow\n"
                                'let text = """\n    import CLow\n    """\n',
        "Sources/Low/a.swift": "internal import CLow\nimport Synchronization\n",
        "Examples/one/main.swift": "import FoundationEssentials\nimport High\n",
        "Tests/HighTests/a.swift": "import Testing\nimport an_example\nimport struct High.Thing\n",
        "Tests/Fuzz/a.swift": "import Whatever\n",  # belongs to no target
    }
    assert list(imports.complaints(written(files), TARGETS)) == []


@pytest.mark.parametrize("path, line", [
    ("Sources/COther/a.c", '#include "low.h"'),
    ("Sources/COther/a.c", "#  include <low.h>"),
    ("Sources/COther/include/other.h", '#include "../../CLow/include/low.h"'),
    ("Sources/CPythonBridge/a.c", '#include "../CLow/private.h"'),
])
def test_a_header_of_a_target_that_is_not_listed_or_not_public_is_refused(written, path, line):
    files = {"Sources/CLow/include/low.h": "", "Sources/CLow/private.h": "", path: f"/* why */\n{line}\n"}
    found = list(includes.complaints(written(files), TARGETS))
    assert len(found) == 1 and found[0].startswith(f"{path}:2: includes ")


BRIDGE = "Sources/CPythonBridge"
FOLDERS = {f"{BRIDGE}/{name}": "" for name in (
    "runtime/call.h", "wsgi/wsgi.h", "asgi/asgi.h", "gevent/gevent.h", "other/other.h", "module.h",
    "include/cpythonbridge.h", "include/evg_asgi.h", "include/evg_threads.h")}


@pytest.mark.parametrize("path, line", [
    ("asgi/a.c", '#include "../wsgi/wsgi.h"'),
    ("asgi/a.c", '#include "wsgi.h"'),
    ("asgi/a.h", '#include "../module.h"'),
    ("wsgi/a.c", '#include "evg_asgi.h"'),
    ("wsgi/a.c", '#include "../gevent/gevent.h"'),
    ("gevent/a.c", '#include "../wsgi/wsgi.h"'),
    ("gevent/a.c", '#include "evg_threads.h"'),
    ("other/a.c", '#include "../wsgi/wsgi.h"'),
    ("include/evg_asgi.h", '#include "evg_threads.h"'),
    ("runtime/a.c", '#include "../asgi/asgi.h"'),
    ("runtime/a.h", '#include "evg_asgi.h"'),
    ("include/cpythonbridge.h", '#include "evg_asgi.h"'),
])
def test_a_folder_of_the_bridge_knows_itself_and_the_runtime_alone(written, path, line):
    found = list(includes.complaints(written({**FOLDERS, f"{BRIDGE}/{path}": line}), TARGETS))
    assert len(found) == 1 and found[0].startswith(f"{BRIDGE}/{path}:1: includes a header of ")


def test_headers_that_may_be_included_pass(written):
    files = {
        **FOLDERS, "Sources/CLow/include/low.h": "",
        f"{BRIDGE}/asgi/a.c": '#include "asgi.h"\n#include "../runtime/call.h"\n'
                                '#include "evg_asgi.h"\n#include <low.h>',
        f"{BRIDGE}/asgi/asgi.h": '#include "call.h"\n#include <string.h>',
        f"{BRIDGE}/gevent/gevent.h": '#include "../runtime/call.h"\n#include "evg_runtime.h"',
        f"{BRIDGE}/other/a.c": '#include "other.h"\n#include "../runtime/call.h"',
        f"{BRIDGE}/runtime/a.c": '#include "call.h"\n#include "cpythonbridge.h"\n#include <Python.h>',
        f"{BRIDGE}/include/evg_asgi.h": '#include "cpythonbridge.h"',
        f"{BRIDGE}/module.c": '#include "module.h"\n#include "wsgi/wsgi.h"\n#include "asgi/asgi.h"',
    }
    assert list(includes.complaints(written(files), TARGETS)) == []


def test_a_bridge_without_folders_passes(written):
    files = {f"{BRIDGE}/a.c": '#include "b.h"', f"{BRIDGE}/b.h": '#include "evg_asgi.h"',
             f"{BRIDGE}/include/evg_asgi.h": ""}
    assert list(includes.complaints(written(files), TARGETS)) == []


@pytest.mark.parametrize("path, before", [
    ("Sources/Low/a.swift", "// "), ("Sources/CLow/a.c", "/* "), ("Tests/System/a.py", "x = "),
    ("scripts/a", "#!/usr/bin/env bash\n# "), (".ci/run", "#!/bin/sh\n"),
])
def test_a_line_has_120_columns_at_most(written, path, before):
    start = before.split("\n")[-1]
    fits = before + "\u00e4" * (120 - len(start))
    assert list(lines.complaints(written({path: fits}))) == []
    number = before.count("\n") + 1
    assert list(lines.complaints(written({path: fits + "x"}))) == [f"{path}:{number}: 121 columns, 120 is the most"]


def test_a_file_has_400_lines_at_most(written):
    assert list(lines.complaints(written({"Sources/Low/a.swift": "\n" * 400, "Tests/Corpus/a.json": "\n" * 500}))) == []
    assert list(lines.complaints(written({"Sources/Low/a.swift": "\n" * 401}))) == [
        "Sources/Low/a.swift: 401 lines, 400 is the most"]


def test_the_lists_come_from_the_package_and_a_break_fails_the_check(written, tmp_path):
    written({"Package.swift": MANIFEST, "Sources/CLow/include/low.h": "", "Sources/Low/a.swift": "import CLow\n",
             "Sources/High/a.swift": "import Low\n"})
    check = [sys.executable, "-B", str(RULES / "rules.py"), str(tmp_path)]
    assert subprocess.run(check, check=False).returncode == 0
    written({"Sources/High/a.swift": "import Low\nimport CLow\n"})
    failed = subprocess.run(check, check=False, stderr=subprocess.PIPE, text=True)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == \
        "check: Sources/High/a.swift:2: imports CLow, which is not a dependency of High in Package.swift"
