"""Two servers, measured in turns: per metric the median of each, and the median and range of the rounds' ratios.

A round has a ratio only if both values exist and the divisor is not zero; each row tells how many rounds had one.
Errors are added up over the rounds, because a median would hide the errors of a single round.
"""

import statistics

from units import FORMS, plain, present, ratio

WIDTH = 100


def _percentile(name):
    return lambda scenario: ((scenario.get("latency") or {}).get("percentiles") or {}).get(name)


def _within(group, name):
    return lambda scenario: (scenario.get(group) or {}).get(name)


def _switches(scenario):
    found = scenario.get("context_switches")
    return found and found.get("voluntary", 0) + found.get("involuntary", 0)


# Metric, unit, which direction is better, how to find it in a scenario.
METRICS = [
    ("throughput", "/s", "higher", lambda scenario: scenario.get("throughput")),
    ("latency p50", "us", "lower", _percentile("50")),
    ("latency p90", "us", "lower", _percentile("90")),
    ("latency p99", "us", "lower", _percentile("99")),
    ("latency p99.9", "us", "lower", _percentile("99.9")),
    ("latency max", "us", "lower", _percentile("100")),
    ("CPU per request", "us", "lower", lambda scenario: scenario.get("cpu_per_request_us")),
    ("CPU in all", "s", "lower", lambda scenario: scenario.get("cpu_seconds")),
    ("PSS at its peak", "bytes", "lower", _within("memory", "peak_bytes")),
    ("PSS per connection", "bytes", "lower", _within("memory", "per_connection_bytes")),
    ("context switches", "", "lower", _switches),
    ("balance max/min", "ratio", "lower", _within("balance", "max_over_min")),
]


def compare(rounds_a, rounds_b):
    """Both are lists of results of the same length; round n of `a` is set beside round n of `b`.

    Returns {"a": name, "b": name, "rounds": n, "rows": [{"scenario", "metric", "unit", "better": "lower"|"higher",
    "a", "b": medians, "ratio": median of a/b, "low", "high": its range, "rounds": how many ratios there are}]}.
    A number that cannot be computed is None. Raises ValueError when there are no pairs.
    """
    if not rounds_a or len(rounds_a) != len(rounds_b):
        raise ValueError(f"{len(rounds_a)} rounds of one server and {len(rounds_b)} of the other do not make pairs")
    found_a, found_b = [keyed(result) for result in rounds_a], [keyed(result) for result in rounds_b]
    rows = []
    for scenario in dict.fromkeys(label for found in found_a + found_b for label in found):
        for metric, unit, better, find in METRICS:
            a, b = ([present(find(found[scenario])) if scenario in found else None for found in side]
                    for side in (found_a, found_b))
            if any(value is not None for value in a + b):
                rows.append(_row(scenario, metric, unit, better, a, b))
        a, b = ([_error_count(found[scenario]) for found in side if scenario in found] for side in (found_a, found_b))
        rows.append({"scenario": scenario, "metric": "errors in all rounds", "unit": "", "better": "lower",
                     "a": sum(a) if a else None, "b": sum(b) if b else None,
                     "ratio": None, "low": None, "high": None, "rounds": 0})
    name_a, name_b = server_names([rounds_a[0], rounds_b[0]])
    return {"a": name_a, "b": name_b, "rounds": len(rounds_a), "rows": rows}


def server_names(results):
    """Returns a name for each result's server: its own, with a number if servers at several URLs have the same."""
    urls = {}
    for result in results:
        places = urls.setdefault(result["server"]["name"], [])
        if result["server"].get("url") not in places:
            places.append(result["server"].get("url"))
    return [f"{server['name']} #{urls[server['name']].index(server.get('url')) + 1}"
            if len(urls[server["name"]]) > 1 else server["name"] for server in (result["server"] for result in results)]


def keyed(result):
    """A result's scenarios by name. The second one of a name becomes "name #2", so that two results can be matched."""
    found = {}
    for scenario in result["scenarios"]:
        name, nth = scenario["name"], 2
        label = name
        while label in found:
            label, nth = f"{name} #{nth}", nth + 1
        found[label] = scenario
    return found


def verdict(row, rounds):
    """Returns "a" or "b" if all rounds agree on which is better, and the difference is visible in the digits shown;
    else "". For errors, returns the one with fewer."""
    if row["metric"].startswith("errors"):
        first, second = row["a"], row["b"]
        if first is None or second is None or first == second:
            return ""
        return "a" if first < second else "b"
    if row["ratio"] is None or row["rounds"] < rounds or row["low"] <= 1.005 and row["high"] >= 0.995:
        return ""
    return "a" if (row["high"] < 1) == (row["better"] == "lower") else "b"


def comparison_table(c):
    a, b = plain(c["a"]), plain(c["b"])
    heads = {"a": a, "b": b} if max(len(a), len(b)) <= 16 and a != b else {"a": "a", "b": "b"}
    lines = [f"a: {a[:WIDTH - 3]}", f"b: {b[:WIDTH - 3]}",
             f"ratio a : b, the median of {c['rounds']} round{'' if c['rounds'] == 1 else 's'}, and its range"]
    scenario = None
    for row in c["rows"]:
        if row["scenario"] != scenario:
            scenario = row["scenario"]
            lines += ["", f"{plain(scenario)[:24]:24}{heads['a']:>17}{heads['b']:>17}{'ratio':>8}{'range':>16}  better"]
        form = FORMS[row["unit"]]
        lines.append(f"  {row['metric']:22}{form(row['a']):>17}{form(row['b']):>17}{ratio(row['ratio']):>8}"
                     f"{range_text(row):>16}  {_partly(row, c) or heads.get(verdict(row, c['rounds']), '')}".rstrip())
    return "\n".join(lines)


def range_text(row):
    return "-" if row["ratio"] is None else f"{ratio(row['low'])}-{ratio(row['high'])}"


def _partly(row, c):
    return f"{row['rounds']} of {c['rounds']} rounds" if 0 < row["rounds"] < c["rounds"] else ""


def _row(scenario, metric, unit, better, a, b):
    ratios = [first / second for first, second in zip(a, b) if first is not None and second]
    return {"scenario": scenario, "metric": metric, "unit": unit, "better": better, "a": _median(a), "b": _median(b),
            "ratio": _median(ratios), "low": min(ratios, default=None), "high": max(ratios, default=None),
            "rounds": len(ratios)}


def _median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _error_count(scenario):
    return sum((scenario.get("errors") or {}).values())
