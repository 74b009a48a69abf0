"""A result as text: the table at the end of a run, at most 100 columns wide, and the JSON with all values.

The number of errors is shown for every scenario, also if it is zero.
"""

import json
import math
import textwrap

from units import duration, named, number, plain, present, rate, ratio, seconds, share, size

WIDTH = 100
MARGIN = 14
PERCENTILES = ("50", "90", "99", "99.9", "100")


def table(result):
    """`result` is one run of one server."""
    scenarios = result["scenarios"]
    lines = _heading(result)
    for scenario in scenarios:
        lines += ["", *_block(scenario)]
    failed = [scenario["name"] for scenario in scenarios if errors_of(scenario)]
    if failed:
        lines += ["", *_row("ERRORS", [f"in {len(failed)} of {len(scenarios)} scenarios:", *map(plain, failed)])]
    else:
        lines += ["", f"No errors in {len(scenarios)} scenario{'' if len(scenarios) == 1 else 's'}."]
    return "\n".join(lines)


def write_json(result, path):
    """Writes a result, or a list of them; NaN and infinities, which JSON does not have, become null."""
    text = json.dumps(_finite(result), indent=1, ensure_ascii=True, allow_nan=False)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")


def errors_of(scenario):
    """Returns [(kind, count)] of the errors that occurred, the most frequent kind first."""
    seen = [(plain(kind), count) for kind, count in (scenario.get("errors") or {}).items() if count]
    return sorted(seen, key=lambda error: (-error[1], error[0]))


def error_text(scenario):
    """Returns "none", or "3 refused, 2 status 503: 5 errors on 5,000 requests (0.10 %)". Refused connections are no
    requests, so there may be more errors than requests; then the percentage is left out."""
    errors = errors_of(scenario)
    if not errors:
        return "none"
    total, requests = sum(count for _, count in errors), scenario.get("requests")
    kinds = ", ".join(f"{number(count)} {kind}" for kind, count in errors)
    part = f" ({share(total, requests)})" if requests and total <= requests else ""
    return f"{kinds}: {number(total)} error{'' if total == 1 else 's'} on {number(requests)} requests{part}"


def machine_text(machine):
    return (f"{number(machine.get('cpus'))} CPUs, {size(machine.get('memory_bytes'))} of memory, "
            f"Linux {plain(machine.get('kernel'))}, {number(machine.get('descriptor_limit'))} descriptors")


def parameter_texts(scenario):
    """["count 5,000", "release together"]"""
    return [" ".join(named(name, value)) for name, value in (scenario.get("parameters") or {}).items()]


def _heading(result):
    server = result["server"]
    workers = server.get("workers")
    lines = _row("server", [plain(server["name"]), plain(server.get("version") or "of unknown version")]
                 + ([f"{workers} worker{'' if workers == 1 else 's'}"] if workers else []) + [plain(server.get("url"))])
    lines += _row("machine", [machine_text(result.get("machine") or {}), plain(result.get("started"))])
    if server.get("command"):
        lines += _text("served by", server["command"])
    return lines + _text("run by", result.get("command"))


def _block(scenario):
    lines = [plain(scenario["name"]).upper()]
    if scenario.get("parameters"):
        lines += _row("with", parameter_texts(scenario))
    speed = present(scenario.get("throughput"))
    lines += _row("requests" if speed is None else "throughput", ([] if speed is None else [rate(speed)])
                  + [f"{number(scenario.get('requests'))} requests in {seconds(scenario.get('seconds'))}"]
                  + ([f"{size(scenario['bytes_read'])} read"] if present(scenario.get("bytes_read")) else []))
    lines += _row("latency", _latency(scenario.get("latency")))
    lines += _text("errors", error_text(scenario))
    lines += _row("CPU", [f"{duration(scenario.get('cpu_per_request_us'))} per request",
                          f"{seconds(scenario.get('cpu_seconds'))} in all"])
    if memory := scenario.get("memory"):
        lines += _row("PSS", [f"{size(memory.get('base_bytes'))} -> {size(memory.get('peak_bytes'))}",
                              f"{number(memory.get('connections'))} connections"]
                      + ([f"{size(memory['per_connection_bytes'])} per connection"]
                         if present(memory.get("per_connection_bytes")) is not None else []))
    if switches := scenario.get("context_switches"):
        lines += _row("switches", [f"{number(switches.get('voluntary'))} voluntary",
                                   f"{number(switches.get('involuntary'))} involuntary"])
    if balance := scenario.get("balance"):
        lines += _row("balance", [f"max/min {ratio(balance.get('max_over_min'))}"]
                      + [f"{plain(pid)}: {number(count)}" for pid, count in balance["workers"].items()])
    if scenario.get("extra"):
        lines += _row("also", [" ".join(named(name, value)) for name, value in scenario["extra"].items()])
    return lines


def _latency(histogram):
    if not histogram:
        return ["not measured"]
    found = histogram["percentiles"]
    named_max = [("max" if percentile == "100" else "p" + percentile, found.get(percentile))
                 for percentile in PERCENTILES]
    corrected = ", coordinated omission corrected" if histogram.get("corrected") else ""
    return ([f"{name} {duration(value)}" for name, value in named_max]
            + [f"({number(histogram.get('count'))} measured{corrected})"])


def _row(label, items):
    """Puts the items on as many lines as they need. Only an item that is wider than a line is broken."""
    lines = [""]
    for item in items:
        for piece in textwrap.wrap(item, WIDTH - MARGIN, break_on_hyphens=False) or [""]:
            joined = f"{lines[-1]}   {piece}" if lines[-1] else piece
            if len(joined) <= WIDTH - MARGIN:
                lines[-1] = joined
            else:
                lines.append(piece)
    return [f"{label if place == 0 else '':{MARGIN - 2}}  {line}" for place, line in enumerate(lines)]


def _text(label, text):
    lines = textwrap.wrap(plain(text), WIDTH - MARGIN, break_on_hyphens=False) or ["-"]
    return [f"{label if place == 0 else '':{MARGIN - 2}}  {line}" for place, line in enumerate(lines)]


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
