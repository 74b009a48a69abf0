"""The Dockerfiles of Examples/deploy, as text: the rules that they follow, and what they copy."""

import pytest

from support import dockerfile
from support.fronts import FOLDER, replaced
from support.gateway import ROOT

DOCKERFILES = ["Dockerfile", "Dockerfile.from-source"]


def text(name):
    return (FOLDER / name).read_text()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_dockerfile_follows_the_rules(name):
    assert list(dockerfile.complaints(text(name))) == []


@pytest.mark.parametrize("change, complaint", [
    (("python:3.13-slim-bookworm", "python"), "python has no version"),
    (("USER 10001", "USER hello"), "it runs as root, or as a user that has no number"),
    (('CMD ["evgateway"]', "CMD evgateway"), "CMD runs a shell"),
    (("--no-cache-dir ", ""), "pip leaves its cache"), (("--from=wheel", "--from=built"), "no stage built"),
    (("apt-get update \\\n    && ", ""), "apt-get wants"), (("EXPOSE", "EXPOSES"), "EXPOSES is unknown here"),
])
def test_rules_for_dockerfiles_find_what_is_wrong(change, complaint):
    found = list(dockerfile.complaints(replaced(text("Dockerfile.from-source"), *change)))
    assert len(found) == 1 and found[0].startswith(complaint)


def test_both_images_are_the_same_in_the_end():
    ends = [text(name)[text(name).index("\nUSER "):] for name in DOCKERFILES]
    assert [line for line in ends[0].splitlines() if not line.startswith("#")] == ends[1].splitlines()


def test_what_the_images_copy_is_there_and_is_sent_to_the_build():
    ignore = text("Dockerfile.from-source.dockerignore")
    for sources, _, stage in dockerfile.copied(dockerfile.stages(text("Dockerfile.from-source"))[-1]):
        for source in sources if stage is None else []:
            assert (ROOT / source).exists() and dockerfile.passes(ignore, source)
    needed = [path.relative_to(ROOT).as_posix() for top in ("Sources", "scripts/wheel.d")
              for path in (ROOT / top).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    needed += ["Package.swift", "README.md", "scripts/wheel"]  # the wheel's description is the README
    assert len(needed) > 100 and [path for path in needed if not dockerfile.passes(ignore, path)] == []
    others = [".build/x", ".venv/bin/python3", ".git/HEAD", "scripts/test"]
    assert not any(dockerfile.passes(ignore, path) for path in others)
