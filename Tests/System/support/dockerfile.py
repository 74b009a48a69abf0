"""Dockerfiles, read by simple rules: instructions, stages, and which files a .dockerignore lets through."""

import fnmatch
import json
import pathlib
import re

KNOWN = {"FROM", "RUN", "COPY", "WORKDIR", "USER", "ENV", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD"}


def instructions(text):
    """(name, arguments) of each; comments are left out and continued lines joined."""
    text = "".join(line for line in text.splitlines(True) if not line.startswith("#"))
    lines = [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line.strip()]
    return [tuple(line.split(None, 1)) for line in lines]


def words(arguments):
    """Of CMD and HEALTHCHECK in the form without a shell."""
    return json.loads(arguments[arguments.index("["):])


def stages(text):
    """The instructions of each stage, which begins with FROM."""
    found = []
    for name, arguments in instructions(text):
        if name == "FROM":
            found.append([])
        found[-1].append((name, arguments))
    return found


def copied(stage):
    """(sources, target, stage or None) of each COPY."""
    for name, arguments in stage:
        if name == "COPY":
            flags = dict(word[2:].split("=", 1) for word in arguments.split() if word.startswith("--"))
            *sources, target = [word for word in arguments.split() if not word.startswith("--")]
            yield sources, target, flags.get("from")


def variables(stage):
    return dict(word.split("=", 1) for name, arguments in stage if name == "ENV" for word in arguments.split())


def complaints(text):
    """What is wrong with a Dockerfile, whatever it is for."""
    parts = stages(text)
    names = [arguments.split()[2] for [(_, arguments), *_] in parts if " AS " in arguments]
    for stage in parts:
        image = stage[0][1].split()[0]
        if ":" not in image or image.endswith(":latest"):
            yield f"{image} has no version"
        for name, arguments in stage:
            if name not in KNOWN:
                yield f"{name} is unknown here"
            if "apt-get install" in arguments and not all(word in arguments for word in (
                    "apt-get update &&", "-y", "--no-install-recommends", "rm -rf /var/lib/apt/lists/*")):
                yield f"apt-get wants its lists first, no questions, and nothing left: {arguments}"
            if "pip install" in arguments and "--no-cache-dir" not in arguments:
                yield f"pip leaves its cache: {arguments}"
            if name in ("CMD", "HEALTHCHECK") and "[" not in arguments:
                yield f"{name} runs a shell"
        for _, _, source in copied(stage):
            if source is not None and source not in names:
                yield f"no stage {source}"
    last = dict(parts[-1])
    if not re.fullmatch(r"[1-9]\d+", last.get("USER", "")):
        yield "it runs as root, or as a user that has no number"
    if last.get("STOPSIGNAL") != "SIGTERM":
        yield "no STOPSIGNAL"


def passes(ignore, path):
    """Whether a file is sent to the build: the last line that matches it, or a folder of it, decides."""
    included = True
    parents = [path, *(str(parent) for parent in pathlib.PurePosixPath(path).parents)]
    for line in ignore.splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        if any(fnmatch.fnmatch(parent, pattern) for parent in parents):
            included = line.startswith("!")
    return included
