"""Plots as HTML: an inline SVG that is scaled to its box, and the texts as HTML, which is not scaled, so that texts
have the same size on every screen. The style sheet sets the colours: class s1, s2, … per server."""

import html
import math

from units import number, plain, present


def escape(text):
    return html.escape(plain(text), quote=True)


class Axis:
    """`place(value)` is 0 to 1 along the axis; `ticks` are [(place, label)]."""

    def __init__(self, place, ticks, label=""):
        self.place, self.ticks, self.label = place, ticks, label


def linear(most, form=number, label="", base=10):
    """From zero to at least `most`, about four ticks; `base` 1024 puts them at round numbers of KB or MB."""
    unit = 1
    while base == 1024 and most / unit >= 1024:
        unit *= 1024
    step = _round_step((most or 1) / unit / 4) * unit
    count = max(1, math.ceil((most or 1) / step - 1e-9))
    top = step * count
    return Axis(lambda value: min(max(value / top, 0), 1),
                [(place / count, form(step * place)) for place in range(count + 1)], label)


def span(most, form, label=""):
    """From zero to exactly `most`, without empty space at the right; for time."""
    most = most or 1
    step = _round_step(most / 5)
    return Axis(lambda value: min(max(value / most, 0), 1),
                [(step * place / most, form(step * place)) for place in range(int(most / step + 1e-9) + 1)], label)


def logarithmic(least, most, form, label=""):
    """Whole decades, or 1, 2, 5 of each where there are few of them. `least` is above zero."""
    low, high = math.log10(least), math.log10(max(most, least * 2))
    marks = (1, 2, 5) if high - low < 3 else (1,)
    values = [mark * 10 ** decade for decade in range(math.floor(low), math.ceil(high) + 1) for mark in marks]
    bottom = max([value for value in values if value <= least * 1.001], default=least)
    top = min([value for value in values if value >= most * 0.999], default=most)
    low, high = math.log10(bottom), math.log10(top)
    return Axis(lambda value: min(max((math.log10(max(value, bottom)) - low) / (high - low), 0), 1),
                [((math.log10(value) - low) / (high - low), form(value)) for value in values if bottom <= value <= top],
                label)


def percentiles(count):
    """HdrHistogram's axis: 90 %, 99 %, 99.9 % ... at equal distances; the right end is the slowest of `count`."""
    end = math.log10(max(count, 20))
    values = [0, 50, 90, 99, 99.9, 99.99, 99.999, 99.9999]

    def place(percentile):
        return 1.0 if percentile >= 100 else min(-math.log10(1 - max(percentile, 0) / 100) / end, 1.0)

    # No label so close to the right end that it overlaps "max".
    return Axis(place, [(place(value), f"{value:g}%") for value in values if place(value) < 0.93] + [(1.0, "max")],
                "percentile")


def _round_step(rough):
    decade = 10 ** math.floor(math.log10(rough))
    return next(mark * decade for mark in (1, 2, 5, 10) if rough <= mark * decade * 1.0001)


def chart(title, lines, x, y, note="", tall=False):
    """`lines` are [(name, classes, [(x, y), …])]; a point whose y is None makes a gap in the line."""
    drawn = "".join(f'<line class="grid" x1="0" x2="1000" y1="{_down(place)}" y2="{_down(place)}"/>'
                    for place, _ in y.ticks)
    drawn += "".join(f'<line class="grid" y1="0" y2="1000" x1="{place * 1000:.1f}" x2="{place * 1000:.1f}"/>'
                     for place, _ in x.ticks)
    for name, classes, points in lines:
        if path := _path(points, x, y):
            drawn += f'<path class="line {classes}" d="{path}"><title>{escape(name)}</title></path>'
    marks = "".join(f'<span class="y" style="top:{100 - place * 100:.2f}%">{escape(label)}</span>'
                    for place, label in y.ticks)
    crowded = _crowded([place for place, _ in x.ticks])
    marks += "".join(f'<span class="x{" last" if place > 0.97 else ""}{" crowded" if place in crowded else ""}" '
                     f'style="left:{place * 100:.2f}%">{escape(label)}</span>' for place, label in x.ticks)
    return (f'<figure class="plot{" tall" if tall else ""}">{_caption(title, note)}'
            f'<div class="area"><svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" '
            f'aria-label="{escape(title)}">{drawn}</svg>{marks}</div>'
            f'<p class="axis">{escape(x.label)}</p></figure>')


def bars(title, note, colour, rows, most):
    """Horizontal bars from zero to `most`; `rows` are [(label, count)]."""
    drawn = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td><svg viewBox="0 0 1000 10" preserveAspectRatio="none">'
        f'<rect class="{colour}" width="{1000 * count / (most or 1):.1f}" height="10"/></svg></td>'
        f'<td class="n">{escape(number(count))}</td></tr>' for label, count in rows)
    return (f'<figure class="bars">{_caption(title, note)}<table><colgroup><col class="label"/><col/>'
            f'<col class="count"/></colgroup>{drawn}</table></figure>')


def _caption(title, note):
    aside = f' <span class="note">{escape(note)}</span>' if note else ""
    return f"<figcaption>{escape(title)}{aside}</figcaption>"


def _down(place):
    return f"{1000 - place * 1000:.1f}"


def _crowded(places):
    """The places whose labels would overlap a neighbour's on a narrow screen. The style sheet hides them there."""
    kept, left_out = -1.0, set()
    for place in places[:-1]:
        if place - kept < 0.14 or places[-1] - place < 0.17:
            left_out.add(place)
        else:
            kept = place
    return left_out


def _path(points, x, y):
    """The SVG path of each part between gaps. A single point becomes a dot, because lines have round ends."""
    path, joined = "", False
    for across, up in points:
        if present(across) is None or present(up) is None:
            joined = False
        else:
            spot = f"{x.place(across) * 1000:.1f} {_down(y.place(up))}"
            path += f"L{spot}" if joined else f"M{spot}L{spot}"
            joined = True
    return path
