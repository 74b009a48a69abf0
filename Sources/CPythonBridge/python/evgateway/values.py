"""Values as bytes, in which Swift and this package tell each other settings: None, bool, int, float, str, list, and
dict with names of type str. SettingCoding.swift says what the bytes are."""
import operator
import os


def encode(value):
    parts = []
    _append(value, parts)
    return b"".join(parts)


def _append(value, parts):
    if value is None:
        parts.append(b"n")
    elif value is True or value is False:
        parts.append(b"t" if value else b"f")
    elif isinstance(value, str):
        text = _bytes(value)
        parts.append(b"s%d;%s" % (len(text), text))
    elif isinstance(value, int):
        parts.append(b"i%d;" % value)
    elif isinstance(value, float):
        parts.append(b"r%s;" % repr(float(value)).encode())
    elif isinstance(value, (list, tuple)):
        parts.append(b"l%d;" % len(value))
        for item in value:
            _append(item, parts)
    else:
        parts.append(b"d%d;" % len(value))
        for name, item in value.items():
            _append(name, parts)
            _append(item, parts)


def _bytes(text):
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def decode(data):
    return _take(data, 0)[0]


def _take(data, at):
    letter = data[at:at + 1]
    at += 1
    if letter in b"ntf":
        return {b"n": None, b"t": True, b"f": False}[letter], at
    end = data.index(b";", at)
    digits, at = data[at:end].decode("ascii"), end + 1
    if letter == b"i":
        return int(digits), at
    if letter == b"r":
        return float(digits), at
    count = int(digits)
    if letter == b"s":
        return data[at:at + count].decode("utf-8", "surrogateescape"), at + count
    items = []
    for _ in range(count if letter == b"l" else 2 * count):
        item, at = _take(data, at)
        items.append(item)
    return (items if letter == b"l" else dict(zip(items[::2], items[1::2]))), at


def of_setting(name, value):
    """Returns the value of a setting as one that can be encoded. A dictionary for dictConfig may hold any objects."""
    return plain(value, name == "logconfig_dict")


def plain(value, any_type=False):
    """Returns a value of any type as one that can be encoded. A class or a function becomes its dotted path. TypeError
    for what a setting cannot be; of any_type, the name of the type."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, any_type) for item in value]
    if isinstance(value, dict):
        return {str(name): plain(item, any_type) for name, item in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "surrogateescape")
    if isinstance(value, os.PathLike):
        return plain(os.fspath(value))
    try:
        return operator.index(value)
    except TypeError:
        pass
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if callable(value) and isinstance(module, str) and isinstance(name, str):
        return f"{module}.{name}"
    if any_type:
        return f"<{type(value).__module__}.{type(value).__qualname__}>"
    raise TypeError(f"a value of type {type(value).__name__!r} is no text, number, list or dict")


def nearest(word, names):
    """Returns the name with the fewest edits, of those with at most two and at most one for each three letters; else
    None."""
    limit = min(2, len(word) // 3)
    found = [(count, name) for name in sorted(names)
             if abs(len(name) - len(word)) <= limit and (count := edits(word, name)) <= limit]
    return min(found)[1] if found else None


def edits(one, other):
    """Returns how many letters are inserted, left out, replaced, or swapped with their neighbour."""
    before, last = [], list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, theirs in enumerate(other, 1):
            count = min(last[column] + 1, line[-1] + 1, last[column - 1] + (letter != theirs))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == theirs:
                count = min(count, before[column - 2] + 1)
            line.append(count)
        before, last = last, line
    return last[-1]
