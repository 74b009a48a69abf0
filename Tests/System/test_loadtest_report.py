"""The reports of scripts/loadtest: the table, the progress line, the HTML page and the comparison are complete, show
errors, and escape texts that come from a server."""

import io
import json
import math
import sys
import xml.etree.ElementTree as xml

import pytest

from support.gateway import ROOT

LOADTEST = ROOT / "scripts" / "loadtest.d"
sys.path.append(str(LOADTEST))

import compare  # noqa: E402
import html_page  # noqa: E402
import progress  # noqa: E402
import report  # noqa: E402
import timelines  # noqa: E402
import units  # noqa: E402

NOTHING = {"name": "nothing", "parameters": {}, "seconds": None, "requests": 0, "errors": {}, "throughput": None,
           "bytes_read": None, "latency": None, "series": [], "cpu_seconds": None, "cpu_per_request_us": None,
           "memory": None, "context_switches": None, "balance": None, "extra": {}}


def latency(p99):
    values = {"50": 250, "75": 300, "90": 1500, "95": 2000, "99": p99, "99.9": p99 * 2, "99.99": p99 * 3,
              "100": p99 * 400}
    return {"unit": "us", "count": 30000, "mean": 275.5, "min": 90, "max": p99 * 400, "stdev": 12.0,
            "percentiles": values, "curve": [[0, 90]] + [[float(key), value] for key, value in values.items()]
            + [[99.9999999, p99 * 400]], "corrected": True}


def scenario(name="hold", p99=12340, **changes):
    return {"name": name, "parameters": {"count": 5000, "ramp": 5.0, "release": "together"}, "seconds": 17.2,
            "requests": 5000, "errors": {}, "throughput": 12345.6, "bytes_read": 3 << 20, "latency": latency(p99),
            "series": [{"t": float(t), "open": 50 * t, "held": 40 * t, "answered": 100 * t, "errors": t // 3,
                        "cpu": 0.1 * t, "pss": (20 << 20) + t * 100000} for t in range(6)],
            "cpu_seconds": 1.23, "cpu_per_request_us": 12.3,
            "memory": {"base_bytes": 20 << 20, "peak_bytes": 27 << 20, "per_connection_bytes": 1468.0,
                       "connections": 5000},
            "context_switches": {"voluntary": 4321, "involuntary": 56},
            "balance": {"workers": {"4711": 2600, "4712": 2400}, "max_over_min": 1.0833},
            "extra": {"first_byte_ms": 1.2}, **changes}


def result(*scenarios, name="evgateway", **server):
    return {"format": 1, "started": "2026-11-21T13:00:00Z", "command": "scripts/loadtest --server evgateway",
            "machine": {"cpus": 2, "memory_bytes": 8 << 30, "kernel": "6.1.0", "descriptor_limit": 20000},
            "server": {"name": name, "version": "0.1.0", "command": "evgateway --bind 127.0.0.1:0 app:app",
                       "url": "http://127.0.0.1:41234/", "workers": 2, **server},
            "scenarios": list(scenarios)}


def lines_of(text, label):
    return [line for line in text.splitlines() if line.startswith(label)]


# The table

def test_the_table_tells_every_figure_in_units_a_person_reads():
    text = report.table(result(scenario()))
    for label, figures in [("throughput", ["12,346/s", "5,000 requests in 17.2 s", "3 MB read"]),
                           ("latency", ["p50 250 us", "p90 1.50 ms", "p99 12.3 ms", "p99.9 24.7 ms", "max 4.94 s"]),
                           ("CPU", ["12.3 us per request", "1.23 s in all"]),
                           ("PSS", ["20 MB -> 27 MB", "1.43 KB per connection", "5,000 connections"]),
                           ("switches", ["4,321 voluntary", "56 involuntary"]),
                           ("balance", ["max/min 1.08", "4711: 2,600", "4712: 2,400"]),
                           ("also", ["first byte 1.20 ms"]), ("with", ["count 5,000", "ramp 5", "release together"]),
                           ("machine", ["2 CPUs", "8 GB", "6.1.0", "20,000 descriptors"]),
                           ("served by", ["evgateway --bind 127.0.0.1:0 app:app"])]:
        (line,) = lines_of(text, label)
        assert [figure for figure in figures if figure not in line] == [], line
    assert "coordinated omission corrected" in text


def test_no_errors_is_said_plainly():
    text = report.table(result(scenario(errors={"timeout": 0})))
    assert lines_of(text, "errors") == ["errors        none"]
    assert text.splitlines()[-1] == "No errors in 1 scenario."


def test_errors_are_told_by_kind_and_again_at_the_end():
    text = report.table(result(scenario("calm"), scenario("storm", errors={"refused": 2, "status 503": 3, "short": 0})))
    assert lines_of(text, "errors")[0].split(maxsplit=1)[1] == "none"
    assert lines_of(text, "errors")[1].split(maxsplit=1)[1] \
        == "3 status 503, 2 refused: 5 errors on 5,000 requests (0.10 %)"
    assert text.splitlines()[-1].split() == ["ERRORS", "in", "1", "of", "2", "scenarios:", "storm"]


def test_one_error_in_a_million_does_not_round_to_none():
    assert "(0.0001 %)" in report.table(result(scenario(errors={"reset": 1}, requests=1_000_000)))


def test_more_errors_than_requests_are_no_share_of_them():
    assert "7 refused: 7 errors on 0 requests\n" in report.table(result(scenario(errors={"refused": 7}, requests=0)))
    assert "7 refused: 7 errors on 2 requests\n" in report.table(result(scenario(errors={"refused": 7}, requests=2)))


def test_the_table_fits_a_hundred_columns():
    long = "x" * 150
    text = report.table(result(scenario(long, errors={f"status {code}": 1 for code in range(500, 540)},
                                        balance={"workers": {str(pid): 250 for pid in range(4000, 4064)},
                                                 "max_over_min": 1.0}),
                               name=long, command=f"{long} {long}"))
    wide = [line for line in text.splitlines() if len(line) > 100]
    assert [line for line in wide if line.strip("X")] == []
    assert text.count(": 250") == 64 and text.count("status 5") == 40


def test_what_a_server_sent_moves_no_cursor():
    text = report.table(result(scenario("a\x1b[2Jb", errors={"status \x1b]0;x\x07\r\n\u202e": 1})))
    assert not [letter for letter in text if letter != "\n" and not letter.isprintable()]


def test_a_scenario_that_measured_nothing_is_told_too():
    text = report.table(result(NOTHING))
    assert lines_of(text, "latency") == ["latency       not measured"]
    assert "None" not in text and "nan" not in text


def test_the_json_holds_the_result_and_only_what_json_has(tmp_path):
    given = result(scenario(throughput=math.nan, cpu_seconds=math.inf))
    report.write_json(given, tmp_path / "result.json")
    found = json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)
    assert found == result(scenario(throughput=None, cpu_seconds=None))


@pytest.mark.parametrize("text, expected", [
    (units.duration(0), "0 us"), (units.duration(999.4), "999 us"), (units.duration(1000), "1 ms"),
    (units.duration(2_500_000), "2.50 s"), (units.duration(None), "-"), (units.duration(math.nan), "-"),
    (units.size(512), "512 bytes"), (units.size(1536), "1.50 KB"), (units.size(-2048), "-2 KB"),
    (units.number(0.00012), "0.00012"), (units.number(1234567.8), "1,234,568"), (units.ratio(0.0042), "0.004"),
    (units.named("last_byte_ms", 88.0), ("last byte", "88 ms")), (units.named("rate", None), ("rate", "-")),
])
def test_units(text, expected):
    assert text == expected


# The progress line

class Terminal(io.StringIO):
    def isatty(self):
        return True

    def line(self):
        """What the terminal shows in the end: text after a carriage return overwrites the line."""
        shown = ""
        for piece in self.getvalue().split("\r"):
            shown = piece + shown[len(piece):]
        return shown.rstrip()


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_the_live_line_is_rewritten_and_leaves_no_trace(clock):
    terminal = Terminal()
    live = progress.Progress(terminal, total_seconds_hint=60)
    live.update("hold", {"t": 1.0, "open": 50, "held": 49, "answered": 0, "errors": 3, "cpu": 0.21, "pss": 1 << 20})
    assert terminal.line() == "hold 1 s [0/60 s]  50 open  49 held  0 answered  3 errors  0.21 CPU  1 MB"
    clock.now += 1
    live.update("hold", {"t": 2.0, "open": 1}, "releasing")
    assert terminal.line() == "hold 2 s [1/60 s]  1 open  - held  - answered  no errors  releasing"
    live.finish()
    live.finish()
    assert terminal.line() == "" and "\n" not in terminal.getvalue()


def test_the_live_line_is_drawn_five_times_a_second_at_most(clock):
    terminal = Terminal()
    live = progress.Progress(terminal)
    for hundredth in range(200):
        clock.now = 100 + hundredth / 100
        live.update("hold", {"t": hundredth / 100})
    assert 9 <= terminal.getvalue().count("\r") <= 10


def test_the_live_line_never_wraps(clock, monkeypatch):
    monkeypatch.setattr(progress.Progress, "_columns", lambda self: 40)
    terminal = Terminal()
    progress.Progress(terminal).update("name\n" * 30, {"t": 1.0}, "note\x1b[2J")
    assert len(terminal.line()) == 39 and terminal.line().isprintable()


def test_without_a_terminal_a_scenario_is_two_lines():
    stream = io.StringIO()
    live = progress.Progress(stream)
    for name in ("hold", "hold", "burst"):
        for t in range(3):
            live.update(name, {"t": float(t), "open": 1, "held": 1, "answered": t, "errors": t})
    live.finish()
    live.finish()
    ended = "ended after 2 s, 1 open, 1 held, 2 answered, 2 errors"
    assert stream.getvalue().splitlines() == ["hold: started", f"hold: {ended}", "hold: started", f"hold: {ended}",
                                              "burst: started", f"burst: {ended}"]


def test_without_a_stream_nothing_is_said():
    live = progress.Progress(None)
    live.update("hold", {"t": 0.0})
    live.finish()


# The comparison

def rounds(name, *p99s, **changes):
    return [result(scenario(p99=p99, **changes), name=name) for p99 in p99s]


def row_of(found, metric, scenario_name="hold"):
    (row,) = [row for row in found["rows"] if (row["scenario"], row["metric"]) == (scenario_name, metric)]
    return row


def test_ratios_are_taken_per_round():
    """The rounds' ratios are 1/2, 3/1 and 8/10. The median of these is not the ratio of the medians, 3/2."""
    found = compare.compare(rounds("one", 1, 3, 8), rounds("two", 2, 1, 10))
    row = row_of(found, "latency p99")
    assert (found["a"], found["b"], row["a"], row["b"]) == ("one", "two", 3, 2)
    assert (row["ratio"], row["low"], row["high"], row["rounds"]) == (0.8, 0.5, 3.0, 3)
    assert compare.verdict(row, 3) == ""


def test_better_means_better_in_every_round():
    found = compare.compare(rounds("one", 1, 3, throughput=10), rounds("two", 2, 6, throughput=20))
    assert compare.verdict(row_of(found, "latency p99"), 2) == "a"
    assert compare.verdict(row_of(found, "throughput"), 2) == "b"
    assert compare.verdict(row_of(found, "CPU per request"), 2) == ""
    found = compare.compare(rounds("one", 1, throughput=1000), rounds("two", 2, throughput=1004))
    assert compare.verdict(row_of(found, "throughput"), 1) == ""


@pytest.mark.parametrize("a, b, ratio", [(5, 0, None), (0, 0, None), (0, 4, 0), (5, None, None), (None, 5, None),
                                         (math.nan, 5, None)])
def test_a_ratio_that_cannot_be_had_is_none(a, b, ratio):
    found = compare.compare(rounds("one", 1, throughput=a), rounds("two", 1, throughput=b))
    row = row_of(found, "throughput")
    assert (row["ratio"], row["low"], row["high"]) == (ratio, ratio, ratio)
    assert "nan" not in compare.comparison_table(found)
    assert "nan" not in html_page.page(rounds("one", 1), found)


def test_a_round_without_a_ratio_is_not_counted_and_that_is_told():
    found = compare.compare(rounds("one", 1, 2), rounds("two", 2, 0))
    row = row_of(found, "latency p99")
    assert (row["rounds"], row["high"], compare.verdict(row, 2)) == (1, 0.5, "")
    (line,) = lines_of(compare.comparison_table(found), "  latency p99  ")
    assert line.endswith("1 of 2 rounds")
    assert "(1 of 2)" in html_page.page(rounds("one", 1), found)


def test_errors_of_a_single_round_show_in_a_comparison():
    bad = result(scenario(errors={"refused": 7}), name="two")
    good = rounds("one", 1, 1) + [result(scenario(errors={"reset": 2}), name="one")]
    found = compare.compare(good, [*rounds("two", 1), bad, *rounds("two", 1)])
    row = row_of(found, "errors in all rounds")
    assert (row["a"], row["b"], compare.verdict(row, 3)) == (2, 7, "a")
    (line,) = lines_of(compare.comparison_table(found), "  errors in all rounds")
    assert line.split() == ["errors", "in", "all", "rounds", "2", "7", "-", "-", "one"]
    page = html_page.page(rounds("one", 1) + rounds("two", 1), found)
    assert '<td class="n worse">7</td>' in page and "Errors in the rounds compared" in page


def test_a_scenario_that_only_one_side_ran_stays_in_the_table():
    found = compare.compare([result(scenario("hold"), scenario("hold"))], [result(scenario("hold"), name="two")])
    assert row_of(found, "throughput", "hold #2")["a"] == 12345.6
    assert row_of(found, "throughput", "hold #2")["b"] is None
    assert row_of(found, "errors in all rounds", "hold #2")["b"] is None


def test_servers_of_one_name_are_told_apart():
    pair = [result(scenario()), result(scenario(), url="http://127.0.0.1:2/")]
    found = compare.compare(pair[:1], pair[1:])
    assert (found["a"], found["b"]) == ("evgateway #1", "evgateway #2")
    page = html_page.page(pair, found)
    assert 'class="key s2"' in page and "round 1" not in page


def test_rounds_that_make_no_pairs_are_refused():
    for a, b in ([], []), (rounds("one", 1, 2), rounds("two", 1)):
        with pytest.raises(ValueError, match="pairs"):
            compare.compare(a, b)


def test_the_comparison_fits_a_hundred_columns():
    for name in "evgateway-inline", "x" * 200:
        found = compare.compare(rounds(name, 1, 1, throughput=1e9), rounds("y" * 16, 10 ** 9, 0, throughput=1e-9))
        text = compare.comparison_table(found)
        assert max(map(len, text.splitlines())) <= 100, text


# The page

def tree(page):
    doctype, _, rest = page.partition("\n")
    assert doctype == "<!DOCTYPE html>"
    return xml.fromstring(rest)


def words(page):
    return " ".join(text.strip() for text in tree(page).itertext())


def test_names_are_text_in_the_page_and_never_markup():
    evil = "</title><script>alert('1')</script>\"&<b>\x00\u202e"
    given = result(scenario(evil, errors={evil: 1}, parameters={evil: evil}, extra={evil: 1},
                            balance={"workers": {evil: 1}, "max_over_min": 1.0}),
                   name=evil, version=evil, command=evil, url=evil)
    given.update(command=evil, started=evil)
    given["machine"]["kernel"] = evil
    other = result(scenario(evil), name="other")
    page = html_page.page([given, other], compare.compare([given], [other]))
    assert not {element.tag for element in tree(page).iter()} & {"script", "b"}
    assert words(page).count("<script>alert('1')</script>") >= 10


def test_the_page_refers_to_nothing_outside_of_itself():
    page = html_page.page([result(scenario())], None)
    elements = list(tree(page).iter())
    assert not {element.tag for element in elements} & {"link", "img", "iframe", "object", "embed", "base", "use"}
    assert not {name.rpartition("}")[2] for element in elements for name in element.keys()} \
        & {"src", "href", "srcset", "action", "data", "poster", "background"}
    assert "url(" not in page and "@import" not in page
    assert "prefers-color-scheme: dark" in page and 'name="viewport"' in page


def test_the_page_holds_figures_commands_versions_and_machine():
    text = words(html_page.page([result(scenario())], None))
    for expected in ("12,346/s", "12.3 ms", "27 MB", "1.43 KB", "scripts/loadtest --server evgateway",
                     "evgateway --bind 127.0.0.1:0 app:app", "0.1.0", "8 GB", "2026-11-21T13:00:00Z", "count 5,000",
                     "No errors."):
        assert expected in text, expected


def test_errors_stand_at_the_top_and_in_their_scenario():
    text = words(html_page.page([result(scenario("calm"), scenario("storm", errors={"refused": 2})),
                                 result(scenario("calm"), scenario("storm"), name="other")], None))
    assert "Errors in 1 of 4 measured scenarios" in text
    assert "evgateway: 2 refused: 2 errors on 5,000 requests (0.04 %)" in text


def test_every_plot_shows_every_server_inside_of_its_frame():
    """The end of the curve, 100 %, is infinitely far on a logarithmic axis; a gap or a single point is still a path."""
    servers = [result(scenario(p99=p99), name=f"server {p99}") for p99 in (2, 2000, 2_000_000)]
    servers[0]["scenarios"][0]["series"][2]["cpu"] = None
    plots = [figure for figure in tree(html_page.page(servers, None)).iter("figure") if figure.get("class") != "bars"]
    titles = [figure.find("figcaption").text.strip() for figure in plots]
    assert titles == ["Latency by percentile", "Connections held and open", "Answers per second", "Errors so far",
                      "CPUs in use", "PSS of all workers"]
    for figure in plots:
        paths = list(figure.iter("path"))
        assert {path.get("class").split()[1] for path in paths} == {"s1", "s2", "s3"}
        for path in paths:
            spots = [float(place) for place in path.get("d").replace("M", " ").replace("L", " ").split()]
            assert len(spots) >= 8 and 0 <= min(spots) and max(spots) <= 1000, path.get("d")
    assert [path.get("d").count("M") for path in plots[4].iter("path")] == [2, 1, 1]


def test_a_curve_of_few_points_says_so():
    rough = {**latency(2000), "curve": [[50, 250], [99, 2000], [100, 800000]]}
    assert "few percentiles" in words(html_page.page([result(scenario(latency=rough))], None))
    assert "few percentiles" not in words(html_page.page([result(scenario())], None))


def test_rounds_of_a_server_share_its_colour_and_are_told_apart():
    text = words(html_page.page(rounds("one", 1) + rounds("two", 2) + rounds("one", 3), None))
    assert "one round 2" in text and "one, round 1" in text and "one, round 2" in text and "two, round" not in text


def test_a_page_of_nothing_but_gaps():
    text = words(html_page.page([result(NOTHING, version=None, command=None, workers=None)], None))
    assert "No errors." in text and "None" not in text


def test_answers_per_second_are_the_differences_of_a_count():
    assert timelines.per_second([(0.0, 0), (1.0, 10), (None, 3), (3.0, 50), (4.0, 20), (4.0, 30)]) \
        == [(1.0, 10), (3.0, 20), (4.0, None), (4.0, None)]


def test_no_module_hides_one_of_the_standard_library():
    """The harness's directory is first on its import path, so an html.py there would hide the standard library's."""
    names = {path.stem for path in LOADTEST.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert names & set(sys.stdlib_module_names) == set()
