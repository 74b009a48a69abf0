"""Results as one HTML file that needs no other file: page.css and every plot are inside.

It is well-formed XML too, and every text that came from a result or a server is escaped. Not called html.py: first on
the import path, that would hide the standard library's module.
"""

import pathlib

import compare
import timelines
from plots import bars, chart, escape, linear, logarithmic, percentiles
from report import error_text, errors_of, machine_text, parameter_texts
from units import FORMS, duration, named, number, present, rate, ratio, seconds, size

STYLE = pathlib.Path(__file__).with_name("page.css")
COLOURS = 8
FEW = 8
COLUMNS = ["p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max"]


class Run:
    """One result: which of its server's rounds it is (0: the only one), and the colour that all of them share."""

    def __init__(self, result, name, nth, colour):
        self.result, self.name, self.nth, self.colour = result, name, nth, colour
        self.label = f"{self.name}, round {nth}" if nth else self.name
        self.scenarios = compare.keyed(result)


def page(results, comparison):
    """`results` are one or more runs; several runs of one server are its rounds. `comparison` is what compare.compare
    returned, or None."""
    runs = _runs(results)
    servers = list(dict.fromkeys(run.name for run in runs))
    title = "Load test: " + " beside ".join(servers)
    body = [f"<h1>{escape(title)}</h1>", _circumstances(results, comparison), _legend(runs)]
    if comparison:
        body.append(_comparison(comparison))
    for label in dict.fromkeys(label for run in runs for label in run.scenarios):
        body.append(_scenario(label, [(run, run.scenarios[label]) for run in runs if label in run.scenarios]))
    body.append(_commands(runs))
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>{escape(title)}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
            '<meta name="color-scheme" content="light dark"/>'
            f"<style>\n{STYLE.read_text(encoding='utf-8')}</style></head>\n<body><main>\n"
            + "\n".join(body) + "\n</main></body></html>\n")


def _runs(results):
    """The runs, grouped by server in the order in which the servers first appear."""
    rounds = {}
    for name, result in zip(compare.server_names(results), results):
        rounds.setdefault(name, []).append(result)
    return [Run(result, name, nth if len(group) > 1 else 0, f"s{place % COLOURS + 1}")
            for place, (name, group) in enumerate(rounds.items()) for nth, result in enumerate(group, 1)]


def _circumstances(results, comparison):
    first = results[0]
    failed = sum(bool(errors_of(scenario)) for result in results for scenario in result["scenarios"])
    total = sum(len(result["scenarios"]) for result in results)
    state = (f'<p class="state bad">Errors in {failed} of {total} measured scenarios</p>' if failed
             else '<p class="state bad">Errors in the rounds compared</p>' if comparison and _counted(comparison)
             else f'<p class="state good">No errors in {total} measured scenario{"" if total == 1 else "s"}</p>')
    machine = machine_text(first.get("machine") or {})
    return f'<p class="machine">{escape(first.get("started"))} · {escape(machine)}</p>' + state


def _counted(comparison):
    """The errors of all rounds. The page may show only the last round."""
    return sum(row[side] or 0 for row in comparison["rows"] if "errors" in row["metric"] for side in ("a", "b"))


def _legend(runs):
    return '<ul class="legend">' + "".join(
        f'<li><span class="key {run.colour}"></span>{escape(run.name)} '
        f'<small>{escape(run.result["server"].get("version") or "")}</small></li>'
        for run in runs if run.nth <= 1) + "</ul>"


def _comparison(c):
    rows, scenario = "", None
    for row in c["rows"]:
        if row["scenario"] != scenario:
            scenario = row["scenario"]
            rows += f'<tr class="group"><th colspan="5" scope="rowgroup">{escape(scenario)}</th></tr>'
        form, better = FORMS[row["unit"]], compare.verdict(row, c["rounds"])
        marks = {side: "n" + " better" * (better == side) + " worse" * bool("errors" in row["metric"] and row[side])
                 for side in ("a", "b")}
        cells = "".join(f'<td class="{mark}">{escape(form(row[side]))}</td>' for side, mark in marks.items())
        some = f" ({row['rounds']} of {c['rounds']})" if 0 < row["rounds"] < c["rounds"] else ""
        rows += (f'<tr><th scope="row">{escape(row["metric"])}</th>{cells}'
                 f'<td class="n">{escape(ratio(row["ratio"]))}</td>'
                 f'<td class="n">{escape(compare.range_text(row) + some)}</td></tr>')
    heads = "".join(f"<th>{escape(head)}</th>" for head in ("", c["a"], c["b"], "ratio", "range"))
    return (f'<section><h2>Side by side</h2><p>{_rounds(c["rounds"])}; the ratio is {escape(c["a"])} : '
            f'{escape(c["b"])} per round, its median and range. Marked: better in every round.</p>'
            f'<div class="wide"><table class="grid-table ratios"><thead><tr>{heads}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div></section>")


def _rounds(count):
    return "One round, so no range" if count == 1 else f"Medians of {count} interleaved rounds"


def _scenario(label, found):
    parameters = list(dict.fromkeys(text for _, scenario in found for text in parameter_texts(scenario)))
    parts = [f"<h2>{escape(label)}</h2>",
             '<ul class="parameters">' + "".join(f"<li>{escape(text)}</li>" for text in parameters) + "</ul>"
             if parameters else "",
             _cards(found[0][1]) if len(found) == 1 else _headlines(found), _errors(found), _latency(found)]
    parts += [f'<div class="plots">{"".join(figures)}</div>'
              for figures in (_error_bars(found), timelines.charts(found), _balance(found)) if figures]
    return "<section>" + "".join(parts) + "</section>"


def _figures(scenario):
    """Returns [(name, text)]: the main figures of one run of a scenario, with the same names for every run."""
    found = (scenario.get("latency") or {}).get("percentiles") or {}
    memory, balance = scenario.get("memory") or {}, scenario.get("balance") or {}
    switches = scenario.get("context_switches") or {}
    return [("throughput", rate(scenario.get("throughput"))),
            ("requests", number(scenario.get("requests"))),
            ("time", seconds(scenario.get("seconds"))),
            ("p50", duration(found.get("50"))), ("p99", duration(found.get("99"))),
            ("p99.9", duration(found.get("99.9"))), ("max", duration(found.get("100"))),
            ("CPU per request", duration(scenario.get("cpu_per_request_us"))),
            ("CPU in all", seconds(scenario.get("cpu_seconds"))),
            ("PSS before", size(memory.get("base_bytes"))),
            ("PSS at its peak", size(memory.get("peak_bytes"))),
            ("PSS per connection", size(memory.get("per_connection_bytes"))),
            ("switches, voluntary", number(switches.get("voluntary"))),
            ("switches, involuntary", number(switches.get("involuntary"))),
            ("balance max/min", ratio(balance.get("max_over_min"))),
            ("bytes read", size(scenario.get("bytes_read")))] + [
            named(name, value) for name, value in (scenario.get("extra") or {}).items()]


def _cards(scenario):
    return '<dl class="cards">' + "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>"
                                          for name, text in _figures(scenario) if text != "-") + "</dl>"


def _headlines(found):
    """A table with a row per figure and a column per run."""
    columns = [dict(_figures(scenario)) for _, scenario in found]
    rows = "".join(f'<tr><th scope="row">{escape(name)}</th>'
                   + "".join(f'<td class="n">{escape(column.get(name, "-"))}</td>' for column in columns) + "</tr>"
                   for name in dict.fromkeys(name for column in columns for name in column)
                   if any(column.get(name, "-") != "-" for column in columns))
    heads = "".join(f'<th><span class="key {run.colour}"></span>{escape(run.name)}'
                    + (f"<br/>round {run.nth}" if run.nth else "") + "</th>" for run, _ in found)
    return (f'<div class="wide"><table class="grid-table"><thead><tr><th></th>{heads}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>")


def _errors(found):
    failed = [(run, scenario) for run, scenario in found if errors_of(scenario)]
    return "".join(f'<p class="state bad">{escape(run.label)}: {escape(error_text(scenario))}</p>'
                   for run, scenario in failed) or '<p class="state good">No errors.</p>'


def _error_bars(found):
    return _bars("Errors by kind", [(run, errors_of(scenario)) for run, scenario in found])


def _latency(found):
    measured = [(run, scenario["latency"]) for run, scenario in found if scenario.get("latency")]
    curves = [(run, [(at, value) for at, value in histogram.get("curve") or [] if present(value) is not None])
              for run, histogram in measured]
    values = [value for _, curve in curves for _, value in curve]
    if not measured:
        return ""
    heads = "".join(f"<th>{name}</th>" for name in ["", *COLUMNS, "mean", "measured"])
    rows = "".join(
        f'<tr><th scope="row"><span class="key {run.colour}"></span>{escape(run.label)}</th>'
        + "".join(f'<td class="n">{escape(text)}</td>' for text in [
            *(duration(histogram["percentiles"].get("100" if name == "max" else name[1:])) for name in COLUMNS),
            duration(histogram.get("mean")), number(histogram.get("count"))]) + "</tr>"
        for run, histogram in measured)
    table = (f'<div class="wide"><table class="grid-table"><thead><tr>{heads}</tr></thead>'
             f"<tbody>{rows}</tbody></table></div>")
    if not values:
        return table
    least, most = max(min(values), 1), max(max(values), 1)
    far = most / least > 20
    x = percentiles(max(histogram.get("count") or 1 for _, histogram in measured))
    y = logarithmic(least, most, duration) if far else linear(most, duration)
    corrected = any(histogram.get("corrected") for _, histogram in measured)
    few = min(len(curve) for _, curve in curves if curve) < FEW
    note = "; ".join(["log scale"] * far + ["corrected for coordinated omission"] * corrected
                     + ["lines join the few percentiles that are known"] * few)
    return chart("Latency by percentile", [(run.label, run.colour, curve) for run, curve in curves], x, y, note,
                 tall=True) + table


def _balance(found):
    workers = [(run, scenario["balance"]["workers"]) for run, scenario in found if scenario.get("balance")]
    return _bars("Connections by worker", [(run, [(f"worker {pid}", count) for pid, count in by_pid.items()])
                                           for run, by_pid in workers])


def _bars(title, groups):
    """A figure for each run that has bars, all with the same scale."""
    most = max((count for _, rows in groups for _, count in rows), default=0)
    return [bars(title, run.label if len(groups) > 1 else "", run.colour, rows, most) for run, rows in groups if rows]


def _commands(runs):
    shown = list(dict.fromkeys(run.result.get("command") for run in runs if run.result.get("command")))
    parts = "".join(f"<pre>{escape(command)}</pre>" for command in shown)
    for run in runs:
        server = run.result["server"]
        workers = f", workers: {number(server['workers'])}" if server.get("workers") else ""
        parts += (f'<h3><span class="key {run.colour}"></span>{escape(run.label)}</h3>'
                  f'<p>{escape(server.get("version") or "version unknown")}{workers}, at {escape(server.get("url"))}, '
                  f'{escape(run.result.get("started"))}</p>'
                  + (f"<pre>{escape(server['command'])}</pre>" if server.get("command") else ""))
    return f"<section><h2>How it was run</h2>{parts}</section>"
