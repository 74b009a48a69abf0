"""Makes the wheel of the built extension: names its tag by what the extension needs, and packs it with the package.

usage: pack.py ROOT EXTENSION LICENSES OUTPUT

Prints the wheel's path, its size and its tag. The same input gives the same bytes.
"""

import base64
import csv
import hashlib
import io
import os
import pathlib
import platform
import re
import subprocess
import sys
import tomllib
import zipfile

# What the policies of manylinux allow: any other library would have to be in the wheel.
SYSTEM = {"libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libgcc_s.so.1", "libc.so.6",
          "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
ALIASES = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
MOST_BYTES = 7_000_000


def main(root, extension, licenses, output):
    project = tomllib.loads((root / "Sources/CPythonBridge/python/pyproject.toml").read_text("utf-8"))["project"]
    version = re.search(r'string = "([^"]+)"', (root / "Sources/EvHost/Version.swift").read_text("utf-8"))[1]
    check_libraries(extension)
    tags = [f"cp39-abi3-{name}" for name in platforms(extension)]
    stem = f"{project['name']}-{version}"
    texts = {f"{stem}.dist-info/licenses/{path.relative_to(licenses)}": path.read_bytes()
             for path in sorted(licenses.rglob("*")) if path.is_file()}
    notices = [name.partition("/licenses/")[2] for name in texts]
    files = {f"evgateway/{path.name}": path.read_bytes()
             for path in sorted((root / "Sources/CPythonBridge/python/evgateway").iterdir()) if path.is_file()}
    files["evgateway/_evgateway.abi3.so"] = extension.read_bytes()
    files |= texts
    files[f"{stem}.dist-info/METADATA"] = metadata(project, version, notices, (root / "README.md").read_text("utf-8"))
    files[f"{stem}.dist-info/entry_points.txt"] = entry_points(project)
    files[f"{stem}.dist-info/WHEEL"] = "".join(
        f"{line}\n" for line in ("Wheel-Version: 1.0", "Generator: evgateway scripts/wheel",
                                 "Root-Is-Purelib: false", *(f"Tag: {tag}" for tag in tags))).encode()
    name = f"{stem}-cp39-abi3-{'.'.join(tag.rpartition('-')[2] for tag in tags)}.whl"
    output.mkdir(parents=True, exist_ok=True)
    write(output / name, files, f"{stem}.dist-info/RECORD")
    size = (output / name).stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"wheel: {name} has {size} bytes, {MOST_BYTES} is the most")
    print(f"{output / name}\n{size / 1e6:.2f} MB, {' '.join(tags)}")


def objdump(*arguments):
    return subprocess.run(["objdump", *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout


def check_libraries(extension):
    strange = set(re.findall(r"NEEDED +(\S+)", objdump("-p", extension))) - SYSTEM
    if strange:
        raise SystemExit(f"wheel: the extension needs {', '.join(sorted(strange))}, which not every machine has")


def platforms(extension):
    """The platform tags, newest last: the newest version of glibc that a symbol is bound to decides."""
    versions = re.findall(r"\(?GLIBC_(\d+)\.(\d+)", objdump("-T", extension))
    newest = max((int(major), int(minor)) for major, minor in versions)
    machine = platform.machine()
    tags = [f"manylinux_{newest[0]}_{newest[1]}_{machine}"]
    return ([f"{ALIASES[newest]}_{machine}"] if newest in ALIASES else []) + tags


def metadata(project, version, notices, readme):
    fields = [("Metadata-Version", "2.4"), ("Name", project["name"]), ("Version", version),
              ("Summary", project["description"]), ("Keywords", ",".join(project["keywords"])),
              *(("Classifier", text) for text in project["classifiers"]),
              *(("License-File", name) for name in notices),
              ("Requires-Python", project["requires-python"])]
    for extra, requirements in project["optional-dependencies"].items():
        fields.append(("Provides-Extra", extra))
        fields += [("Requires-Dist", f"{requirement}; extra == '{extra}'") for requirement in requirements]
    fields.append(("Description-Content-Type", "text/markdown; charset=UTF-8"))
    return ("".join(f"{name}: {value}\n" for name, value in fields) + "\n" + readme).encode()


def entry_points(project):
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    return "\n".join(f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
                     for group, entries in groups.items()).encode()


def write(wheel, files, record):
    """The archive's parts stand in the order of their names, and RECORD is the last (PEP 427)."""
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    part = wheel.with_name(wheel.name + ".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files, key=lambda name: (".dist-info/" in name, name)):
            add(archive, name, files[name])
            digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
            writer.writerow((name, f"sha256={digest}", len(files[name])))
        writer.writerow((record, "", ""))
        add(archive, record, rows.getvalue().encode())
    os.replace(part, wheel)


def add(archive, name, data):
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o100755 if name.endswith(".so") else 0o100644) << 16
    archive.writestr(entry, data)


if __name__ == "__main__":
    main(*(pathlib.Path(argument) for argument in sys.argv[1:]))
