"""Numbers as text for people. A missing value is "-"; a value above zero is never rounded to zero.

KB and MB are 1024 and 1024 * 1024 bytes, as in the README's memory figures.
"""

import math


def present(value):
    """`value` if it is a finite number, else None."""
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return value if known else None


def number(value):
    """12345.678 -> "12,346", 1.5 -> "1.50", 3 and 3.0 -> "3", 0.00012 -> "0.00012"."""
    if present(value) is None:
        return "-"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def _scaled(value, names, base):
    if present(value) is None:
        return "-"
    for name in names[:-1]:
        if abs(value) < base:
            return f"{number(value)} {name}"
        value /= base
    return f"{number(value)} {names[-1]}"


def duration(microseconds):
    return _scaled(microseconds, ("us", "ms", "s"), 1000)


def size(count):
    return _scaled(count, ("bytes", "KB", "MB", "GB"), 1024)


def seconds(value):
    return "-" if present(value) is None else f"{number(value)} s"


def rate(value):
    return "-" if present(value) is None else f"{number(value)}/s"


def ratio(value):
    """A ratio of two figures that are not negative, with two or three digits."""
    if present(value) is None:
        return "-"
    if value >= 100 or value == 0:
        return number(value) if value < 10000 else f"{value:.1e}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def share(part, whole):
    return f"{number(100 * part / whole)} %"


FORMS = {"us": duration, "bytes": size, "/s": rate, "s": seconds, "ratio": ratio, "": number}


def named(name, value):
    """A name of the result's that ends in its unit: ("first_byte_ms", 88.0) -> ("first byte", "88 ms")."""
    for suffix, form, factor in (("_us", duration, 1), ("_ms", duration, 1000), ("_seconds", seconds, 1),
                                 ("_bytes", size, 1), ("_per_second", rate, 1)):
        if name.endswith(suffix) and present(value) is not None:
            return plain(name[:-len(suffix)].replace("_", " ")), form(value * factor)
    return plain(name.replace("_", " ")), number(value) if present(value) is not None else plain(value)


def plain(text):
    """Returns text without control characters and lone surrogates; an error's kind may contain a server's bytes."""
    return "".join(letter if letter.isprintable() else "?" for letter in str("-" if text is None else text))
