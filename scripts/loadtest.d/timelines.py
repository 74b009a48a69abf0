"""Plots of a scenario's series over time; series without values are left out.

`answered` and `errors` of a series count from the scenario's start; answers are plotted per second.
"""

from plots import chart, linear, span
from units import number, present, seconds, size


def charts(found):
    """`found` is [(run, scenario)]; a run has `label` and `colour`. Returns HTML figures."""
    lines = [(run, scenario.get("series") or []) for run, scenario in found]
    end = max((present(sample.get("t")) or 0 for _, series in lines for sample in series), default=0)
    if not end:
        return []
    x = span(end, seconds, "time since the start")

    def of(key):
        return [(run.label, run.colour, [(sample.get("t"), sample.get(key)) for sample in series])
                for run, series in lines]

    held, opened = of("held"), [(label + ", open", colour + " dashed", points) for label, colour, points in of("open")]
    wanted = [("Connections held and open" if _most(held) else "Open connections",
               held + opened if _most(held) else _solid(opened),
               number, 10, "dashed: open" if _most(held) else ""),
              ("Answers per second", [(label, colour, per_second(points)) for label, colour, points in of("answered")],
               number, 10, ""),
              ("Errors so far", of("errors"), number, 10, ""),
              ("CPUs in use", of("cpu"), number, 10, ""),
              ("PSS of all workers", of("pss"), size, 1024, "")]
    return [chart(title, drawn, x, linear(_most(drawn), form, base=base), note)
            for title, drawn, form, base, note in wanted if _most(drawn)]


def per_second(points):
    """The increase per second, at the end of each interval; a gap if the count falls or no time has passed."""
    found, last = [], None
    for at, count in points:
        if present(at) is None or present(count) is None:
            continue
        if last is not None:
            passed, more = at - last[0], count - last[1]
            found.append((at, more / passed if passed > 0 and more >= 0 else None))
        last = (at, count)
    return found


def _solid(lines):
    return [(label, colour.replace(" dashed", ""), points) for label, colour, points in lines]


def _most(lines):
    return max((value for _, _, points in lines for _, value in points if present(value) is not None), default=0)
