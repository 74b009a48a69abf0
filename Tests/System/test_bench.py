"""scripts/bench with programs in the place of valgrind and wrk that only note or say something: what it starts them on,
and what it makes of what they say."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from support.gateway import ROOT

BENCH = [sys.executable, "-B", str(ROOT / "scripts" / "bench.d" / "bench.py")]
# Refuses a program with debug information, which valgrind 3.19 cannot read when Swift wrote it.
VALGRIND = """\
#!/bin/sh
while case "$1" in --*) true ;; *) false ;; esac; do shift; done
if readelf -S "$1" | grep -q debug_info; then echo "$1 has debug information"; exit 1; fi
exec "$@"
"""
# Counts 320,000 instructions of a process that has the 32 connections, and knows no other.
VGDB = """\
#!/bin/sh
prefix=${1#--vgdb-prefix=} pid=${2#--pid=}
[ "$(ls -l "/proc/$pid/fd" | grep -c 'socket:')" -ge 32 ] || exit 1
[ "$3" = dump ] || exit 0
number=1
while [ -e "${prefix%/vgdb}/out.$pid.$number" ]; do number=$((number + 1)); done
printf 'events: Ir\\nsummary: 320000\\ntotals: 320004\\n' >"${prefix%/vgdb}/out.$pid.$number"
"""
WRK = """\
#!/bin/sh
echo "$@" >>"$WRK_NOTES"
echo '  2000 requests in 1.00s, 1.50MB read'
"""


def run(folder, programs, *arguments):
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return subprocess.run([*BENCH, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "TMPDIR": str(folder),
                               "WRK_NOTES": str(folder / "notes")})


def test_instructions_of_the_worker_are_counted_per_request(tmp_path):
    profiles = tmp_path / "profiles"
    done = run(tmp_path, {"valgrind": VALGRIND, "vgdb": VGDB}, "--instructions", "--only", "evgateway-swift",
               "--profiles", str(profiles))
    assert done.returncode == 0, done.stderr
    rows = [re.split(r"  +", line) for line in done.stdout.splitlines() if line.startswith("evgateway-swift, ")]
    assert rows == [["evgateway-swift, 32 at once", "1,000", "<= 9,000 met", "1,000", "<= 11,500 met"],
                    ["evgateway-swift, one at a time", "1,000", "-", "1,000", "-"]]
    assert len(list(profiles.iterdir())) == 4
    assert not list(tmp_path.glob("bench-*")), "the copies stay behind"


def test_a_workload_has_its_fields_on_every_request(tmp_path):
    done = run(tmp_path, {"wrk": WRK}, "--only", "browser,evgateway-swift", "--rounds", "1", "--duration", "1")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^evgateway-swift +\d+\.\d\d +\d+ +786$", done.stdout, re.MULTILINE), done.stdout
    warm_up, measured = (tmp_path / "notes").read_text().splitlines()
    for line in (warm_up, measured):
        assert "-c64" in line and "-H User-Agent: Mozilla/5.0" in line and "-H Cookie: session=" in line


def test_websockets_have_tables_of_their_own(tmp_path):
    done = run(tmp_path, {}, "--only", "websocket-echo,websocket-broadcast,bare-c-websocket", "--rounds", "1",
               "--duration", "1", "--held", "50")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^bare-c-websocket(?: +\d+(?:\.\d+)?){2,3}$", done.stdout, re.MULTILINE)) == 2, done.stdout


def test_a_message_to_everyone_has_a_table(tmp_path):
    done = run(tmp_path, {}, "--only", "holds-fanout,bare-c-holds", "--rounds", "1", "--duration", "1", "--held", "50")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^bare-c-holds(?: +\d+\.\d+){3}$", done.stdout, re.MULTILINE), done.stdout


def test_the_bus_has_tables(tmp_path):
    done = run(tmp_path, {}, "--only", "bus", "--rounds", "1", "--duration", "1")
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^evgateway-bus-threads +(\d+\.\d\d|\d{4,}) ", done.stdout, re.MULTILINE)
    assert len(rows) == 2, done.stdout


def test_a_plot_has_a_bar_for_each_contestant(tmp_path):
    picture = tmp_path / "cpu.svg"
    done = run(tmp_path, {"wrk": WRK}, "--only", "speed,evgateway-swift", "--rounds", "1", "--duration", "1",
               "--plot", str(picture))
    assert done.returncode == 0, done.stderr
    drawn = xml.etree.ElementTree.parse(picture)
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "evgateway swift" in texts
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}rect"))) == 1


@pytest.mark.parametrize("arguments, words", [
    (["--only", "nosuch"], "nothing is called nosuch"),
    (["--instructions", "--only", "memory"], "counts no memory"),
])
def test_bad_options_are_refused(tmp_path, arguments, words):
    done = run(tmp_path, {}, *arguments)
    assert done.returncode == 2 and words in done.stderr, done.stderr
