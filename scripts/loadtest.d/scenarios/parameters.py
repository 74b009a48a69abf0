"""Reads NAME[:key=value,...] on the command line. A value that a scenario does not allow gives an error of one line."""

import re

from kinds import Refused

_SIZES = {"": 1, "k": 1024, "m": 1024 ** 2, "g": 1024 ** 3}


class Parameter:
    """`allowed` reads the text of a value; `help` is one line."""

    def __init__(self, default, allowed, help):
        self.default, self.allowed, self.help = default, allowed, help


class Allowed:
    """`read` converts a text to a value, or raises ValueError; `holds` returns whether the value is allowed; `says`
    describes the allowed values in an error."""

    def __init__(self, says, read, holds=lambda value: True):
        self.says, self.read, self.holds = says, read, holds

    def value(self, text):
        value = self.read(text)
        if not self.holds(value):
            raise ValueError
        return value


def whole(least=1, most=10_000_000):
    return Allowed(f"a whole number from {least} to {most}", int, lambda value: least <= value <= most)


def seconds(least=0.0, most=86400.0):
    return Allowed(f"a number from {least:g} to {most:g}", float, lambda value: least <= value <= most)


def one_of(*names):
    return Allowed("one of " + ", ".join(names), str, lambda value: value in names)


def _bytes(text):
    found = re.fullmatch(r"(\d{1,10})([kmg]?)", text.lower())
    if not found:
        raise ValueError
    return int(found[1]) * _SIZES[found[2]]


rate = Allowed("a number per second from 0 to 10000000", float, lambda value: 0 <= value <= 10_000_000)
size = Allowed("bytes up to 1g, as in 4096, 64k or 1m", _bytes, lambda value: 1 <= value <= 1 << 30)


def parsed(name, parameters, text, defaults):
    """Returns {key: value}: from `text`, else from `defaults` (of the command line), else the parameter's default."""
    said = {}
    for entry in filter(None, text.split(",")):
        key, equals, value = entry.partition("=")
        if not equals:
            raise Refused(f"scenario {name}: '{entry}' is not key=value")
        if key not in parameters:
            raise Refused(f"scenario {name} has no '{key}'; it has {', '.join(parameters)}")
        said[key] = value
    values = {}
    for key, parameter in parameters.items():
        value = said.get(key, defaults.get(key))
        try:
            values[key] = parameter.default if value is None else parameter.allowed.value(str(value))
        except ValueError:
            raise Refused(f"scenario {name}: {key} is {parameter.allowed.says}, not '{value}'") from None
    return values
