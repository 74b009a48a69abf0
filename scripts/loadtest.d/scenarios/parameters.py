"""NAME[:key=value,...] on the command line, and what a scenario's values may be. A bad one is refused in one line."""

import re

from servers import Refused

_SIZES = {"": 1, "k": 1024, "m": 1024 ** 2, "g": 1024 ** 3}


class Parameter:
    """`parse` takes the text and returns the value or raises ValueError; `help` is one line."""

    def __init__(self, default, parse, help):
        self.default, self.parse, self.help = default, parse, help


def whole(least=1, most=10_000_000):
    def parse(text):
        value = int(text)
        if not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value
    return parse


def seconds(least=0.0, most=86400.0):
    def parse(text):
        value = float(text)
        if not least <= value <= most:
            raise ValueError(f"seconds from {least:g} to {most:g}")
        return value
    return parse


def rate(text):
    value = float(text)
    if not 0 <= value <= 10_000_000:
        raise ValueError("requests per second, or 0 for as fast as answers come")
    return value


def size(text):
    found = re.fullmatch(r"(\d{1,12})([kmg]?)", text.lower())
    if not found:
        raise ValueError("bytes, as in 4096, 64k or 1m")
    return int(found[1]) * _SIZES[found[2]]


def one_of(*names):
    def parse(text):
        if text not in names:
            raise ValueError("one of " + ", ".join(names))
        return text
    return parse


def parsed(name, parameters, text, defaults):
    """{parameter: value}: what `text` says, else `defaults` (of the command line), else the parameter's default."""
    said = {}
    for entry in filter(None, text.split(",")):
        key, equals, value = entry.partition("=")
        if not equals:
            raise Refused(f"scenario {name}: '{entry}' is not key=value")
        if key not in parameters:
            raise Refused(f"scenario {name} has no '{key}'; it has {', '.join(parameters) or 'no parameters'}")
        said[key] = value
    values = {}
    for key, parameter in parameters.items():
        value = said.get(key, defaults.get(key))
        if value is None:
            values[key] = parameter.default
            continue
        try:
            values[key] = parameter.parse(str(value))
        except ValueError as error:
            why = str(error) if " " in str(error) and "literal" not in str(error) else "a number"
            why = "a number" if "convert" in why else why
            raise Refused(f"scenario {name}: {key} is {why}, not '{value}'") from None
    return values
