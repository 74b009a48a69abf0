"""Worker class gevent: a request that waits lets others run, a client is answered however its greenlet ends, and no
greenlet, object or descriptor is left over."""

import json
import re
import threading
from signal import SIGQUIT

import pytest

from conftest import OTHER_PYTHON
from support import elsewhere, load, procfs, wait
from support.gateway import ROOT
from support.wsgi import APP, ask, chunked

GEVENT = "Tests/System/wsgi_apps/gevent_app.py:app"
OLDEST = ROOT / ".venv-gevent-oldest"
REQUIREMENTS = ROOT / "Tests" / "System" / "requirements-gevent-oldest.txt"


@pytest.fixture
def start(gateway):
    return lambda *flags, **more: gateway(GEVENT, "-k", "gevent", *flags, **more)


VARIETIES = {
    "libev": {}, "libuv": {"env": {"GEVENT_LOOP": "libuv-cffi"}}, "oldest": {"python": OLDEST / "bin" / "python3"},
    **({"other": {"python": OTHER_PYTHON}} if OTHER_PYTHON.exists() else {}),
}
if elsewhere.FOLDER:
    VARIETIES = {name: VARIETIES[name] for name in ("libev", "libuv")}     # there is one gevent


@pytest.fixture(params=VARIETIES)
def variety(request):
    """Each gevent in turn, as arguments of `start`: the newest on both loops and on another CPython, and the oldest."""
    assert request.param != "oldest" or OLDEST.exists(), f"{OLDEST} is not there: run scripts/setup tests first"
    return VARIETIES[request.param]


def seen(server, name):
    return ask(server, f"/seen?id={name}").json()


def wait_until_seen(server, name, value):
    wait.until(lambda: seen(server, name) == value, lambda: f"{name} is {value}, not {seen(server, name)}")


def together(server, targets):
    """Sends all requests at once, each on its own connection."""
    wires = [server.connect() for _ in targets]
    for wire, target in zip(wires, targets):
        wire.request("GET", target)
    answers = [wire.read() for wire in wires]
    for wire in wires:
        wire.close()
    return answers


def test_waits_let_others_run(start, variety):
    server = start("--graceful-timeout", 1, **variety)
    version, loop = re.search(r"gevent (\S+) on (lib\w+)", server.error_log()).groups()
    assert loop == ("libuv" if "env" in variety else "libev")
    assert (f"gevent=={version};" in REQUIREMENTS.read_text()) == (variety is VARIETIES.get("oldest"))
    with server.connect() as wire:
        wire.request("GET", "/sleep?for=600")
        answers = together(server, ["/kinds"] * 3 + ["/hello"] * 3 + ["/sleep?for=0.1"] * 30)
    assert [answer.status for answer in answers] == [200] * 36
    assert json.loads(answers[0].body) == ["through a socket", "127.0.0.1", "child"]


def test_frames_are_a_greenlets_own(start, variety):
    """Greenlets with shallow and deep stacks wait together, several times, so that memory of frames is used again."""
    server = start(**variety)
    for turn in range(3):
        answers = together(server, [f"/deep?id={turn}-{number}&levels={number * 3}" for number in range(100)])
        assert [json.loads(answer.body) for answer in answers] == [True] * 100


def test_wsgi_behaviour_is_the_same_on_libuv(gateway):
    server = gateway(APP, "-k", "gevent", env={"GEVENT_LOOP": "libuv-cffi"})
    for target in ["/", "/generator", "/empty-blocks", "/many?size=100000&count=100", "/written", "/file?size=3000000"]:
        assert ask(server, target).status_code == 200, target
    data = bytes(1_000_000)
    for body in (data, chunked(data, 70_000)):
        assert ask(server, "/read-blocks", "POST", data=body).json()["length"] == 1_000_000


def test_no_monkey_patch_leaves_the_library_alone(start):
    assert ask(start(), "/patched").json() is True
    assert ask(start("--no-monkey-patch"), "/patched").json() is False


def test_preloaded_app_is_patched_and_served(start, variety):
    server = start("--preload", "-w", 2, **variety)
    assert ask(server, "/patched").json() is True
    assert {answer.status for answer in together(server, ["/sleep?for=0.1"] * 20)} == {200}


def test_missing_gevent_is_one_line(start, tmp_path):
    (tmp_path / "gevent.py").write_text("raise ModuleNotFoundError(\"No module named 'gevent'\", name='gevent')")
    server = start(env={"PYTHONPATH": str(tmp_path)}, wait=False)
    assert server.wait() == 3
    server.log.thread.join(10)
    assert "needs gevent: install it" in server.error_log() and "Traceback" not in server.error_log()


@pytest.mark.parametrize("version", ["1.4.0", "22.10.0", "22.10"])
def test_old_gevent_is_one_line(start, tmp_path, version):
    """The oldest gevent that the server accepts is also tested."""
    oldest = re.search(r"^gevent==(\S+);", REQUIREMENTS.read_text(), re.MULTILINE)[1]
    (tmp_path / "gevent.py").write_text(f"__version__ = '{version}'")
    server = start(env={"PYTHONPATH": str(tmp_path)}, wait=False)
    assert server.wait() == 3
    server.log.thread.join(10)
    assert f"needs gevent {oldest} or newer, this is {version}" in server.error_log()
    assert "Traceback" not in server.error_log()


def test_contexts_do_not_mix(start, variety):
    answers = together(start(**variety), [f"/context?id={number}" for number in range(30)])
    assert [json.loads(answer.body) for answer in answers] == [["unset", str(number)] for number in range(30)]


def test_heads_do_not_mix(start, variety):
    answers = together(start(**variety), [f"/late-head?id={number}" for number in range(30)])
    assert [(answer.get("X-Id"), answer.body.decode()) for answer in answers] == [
        (str(number), str(number) * 2) for number in range(30)]


# Bodies


def send_head(wire, target, framing, size):
    field = f"Content-Length: {size}" if framing == "length" else "Transfer-Encoding: chunked"
    wire.send(f"POST {target} HTTP/1.1\r\nHost: h\r\n{field}\r\n\r\n")


def send_piece(wire, framing, piece):
    wire.send(piece if framing == "length" else b"%x\r\n%s\r\n" % (len(piece), piece))


@pytest.mark.parametrize("framing, size", [("length", 10), ("length", 65_536), ("chunked", 10), ("chunked", 3_000_000)])
def test_body_takes_no_greenlet_until_it_is_whole(start, framing, size):
    server, half = start(), b"x" * (size // 2)
    alone = ask(server, "/census").json()[0]
    with server.connect() as wire:
        send_head(wire, "/echo", framing, size)
        send_piece(wire, framing, half)
        assert ask(server, "/census").json()[0] <= alone
        send_piece(wire, framing, half)
        wire.send("0\r\n\r\n" if framing == "chunked" else "")
        assert json.loads(wire.read().body) == size
    assert seen(server, "announced") == str(size)


@pytest.mark.parametrize("framing, flag, size, announced", [
    ("length", None, 70_000, "210000"), ("length", "--stream-request-body", 5, "15"),
    ("chunked", "--stream-request-body", 70_000, None), ("chunked", "--stream-request-body", 5, None)])
def test_body_is_read_as_it_arrives(start, variety, framing, flag, size, announced):
    server = start(*([flag] if flag else []), **variety)
    with server.connect() as wire:
        send_head(wire, "/echo?id=large&size=5", framing, 3 * size)
        for turn in range(3):
            send_piece(wire, framing, b"x" * size)
            wait.until(lambda: seen(server, "large") == size * (turn + 1), "the app has read what was sent")
        if framing == "chunked":
            wire.send("0\r\n\r\n")
        assert json.loads(wire.read().body) == 3 * size
    assert seen(server, "announced") == announced


def test_lines_of_a_large_body(start, variety):
    data = b"first\nsecond\n" + b"line\n" * 50_000
    assert ask(start(**variety), "/lines", "POST", data=data).json() == ["first\n", "sec", 3, 250_000 - 10]


def test_body_that_stops_is_408_and_one_cut_short_ends_the_read(start):
    server = start("--body-timeout", "0.5")
    with server.connect() as wire:
        wire.send("POST /echo?id=stops HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n" + "x" * 70_000)
        assert wire.read().status == 408
    with server.connect() as wire:
        wire.send("POST /echo?id=cut HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\n\r\n" + "x" * 70_000)
    wait.until(lambda: ask(server, "/census").json()[0] <= 4, "the greenlets are gone")
    assert "Traceback" not in server.error_log()


# The client


@pytest.mark.parametrize("reset", [False, True])
def test_departure_is_told(start, variety, reset):
    server = start(**variety)
    wire = server.connect()
    wire.request("GET", "/waits-for-client?id=w")
    wait_until_seen(server, "w", ["waiting"])
    wire.reset() if reset else wire.close()
    wait.until(lambda: len(seen(server, "w")) == 4, "all is told")
    assert sorted(map(str, seen(server, "w"))) == ["True", "True", "called back", "waiting"]


def test_objects_of_a_request_outlive_it(start):
    server = start("--request-timeout", 60)
    ask(server, "/keeps-environ")
    assert ask(server, "/kept").json() == [False, False, None]


def test_cancel_on_disconnect_raises_in_the_greenlet(start, variety):
    server = start("--cancel-on-disconnect", **variety)
    with server.connect() as wire:
        wire.request("GET", "/notes-its-end?id=c")
        wait_until_seen(server, "c", ["waiting"])
    wait_until_seen(server, "c", ["waiting", "ClientDisconnected"])
    assert "Traceback" not in server.error_log()


def test_write_ends_when_the_client_has_left(start, variety):
    server = start(**variety)
    wire = server.connect(receive_buffer=8192)
    wire.request("GET", "/writes-for-ever?id=e").read_head()
    wire.close()
    wait_until_seen(server, "e", "BrokenPipeError")
    assert "Traceback" not in server.error_log()


@pytest.mark.parametrize("by", ["iterable", "write"])
def test_stream_of_small_blocks_lets_others_run(start, variety, by):
    server = start(**variety)
    with server.connect() as wire:
        wire.request("GET", f"/writes-until-asked?by={by}").read_head()
        assert ask(server, "/asked").json() == "asked"
        while wire.read_chunk():
            pass


# Deadlines


def test_deadline_ends_the_greenlet_with_504(start, variety):
    server = start("--request-timeout", "0.3", **variety)
    assert ask(server, "/notes-its-end?id=d").status_code == 504
    wait_until_seen(server, "d", ["waiting", "DeadlineExceeded"])
    assert "Traceback" not in server.error_log()
    with server.connect() as wire:
        wire.request("GET", "/notes-its-end?id=b&begin=1").read_head()
        assert not wire.read_until_close().endswith(b"0\r\n\r\n")


def test_app_that_catches_everything_cannot_keep_its_client(start):
    server = start("--request-timeout", "0.3")
    assert ask(server, "/notes-its-end?id=a&catch=0.2").status_code == 504
    wait_until_seen(server, "a", ["waiting", "DeadlineExceeded", "went on"])
    assert ask(server, "/hello").json() == "hello"


def test_app_moves_its_deadline(start):
    server = start("--request-timeout", "0.5")
    before, left = ask(server, "/deadline?extend=60&sleep=0.8").json()
    assert 0 < before <= 0.5 and 0 < left < 60
    assert ask(server, "/deadline?set=none&sleep=0.8").json()[1] is None
    assert ask(server, "/deadline?set=0.1&sleep=600").status_code == 504
    server = start()
    assert ask(server, "/deadline?sleep=0").json() == [None, None]
    assert ask(server, "/deadline?set=0.1&sleep=600").status_code == 504


# Ends of greenlets


@pytest.mark.parametrize("how, status", [
    ("kill", 500), ("kill-later", 500), ("exit", 500), ("timeout", 500), ("child-exits", 200)])
def test_greenlet_that_is_ended_answers(start, variety, how, status):
    server = start(**variety)
    with server.connect() as wire:
        assert wire.get(f"/ends?how={how}").status == status
        assert wire.get("/hello").status == 200
    assert ("Traceback" in server.error_log()) == (how in ("timeout", "child-exits"))


def test_blocked_hub_is_seen_by_the_master(start):
    server = start("--timeout", 1)
    with server.connect() as wire:
        wire.request("GET", "/blocks?for=600")
        server.wait_for_log("Worker ready", count=2)
    assert ask(server, "/hello").json() == "hello"


# The end of a worker


def test_drain_lets_greenlets_finish(start, variety):
    server = start(**variety)
    with server.connect() as wire:
        wire.request("GET", "/late-head?id=1")
        wire.request("GET", "/sleep?for=0.5")
        wire.read_head()
        server.signal(15)
        while wire.read_chunk():
            pass
        assert wire.read().body == b'"slept"'
    assert server.wait() == 0


def test_recycled_worker_finishes_what_waits(start):
    server = start("-w", 2, "--max-requests", 20)
    with load.Load(server.address, clients=8, target="/late-head?id={id}", expect="{id}", one_shot=8) as traffic:
        for _ in range(3):
            before = set(server.worker_pids())
            traffic.wait_for_more(100)
            wait.until(lambda: not before & set(server.worker_pids()), "none of these workers is left")
    assert not traffic.failures


@pytest.mark.parametrize("how", ["quit", "graceful timeout"])
def test_end_does_not_wait_for_greenlets_for_ever(start, how):
    server = start("--graceful-timeout", "0.5")
    wires = [server.connect() for _ in range(20)]
    for wire in wires:
        wire.request("GET", "/notes-its-end?id=q")
    wait.until(lambda: len(seen(server, "q") or []) == 20, "all run")
    assert server.stop(SIGQUIT if how == "quit" else 15) == 0
    for wire in wires:
        wire.close()


def test_nothing_stays_behind_after_load(start, variety):
    server = start("--cancel-on-disconnect", **variety)
    with load.Load(server.address, clients=8, target="/context?id={id}", expect='"{id}"', one_shot=2) as traffic:
        traffic.wait_for_more(200)
        wires = [server.connect() for _ in range(50)]
        for wire in wires:
            wire.request("GET", "/notes-its-end?id=n")
        wait.until(lambda: len(seen(server, "n") or []) >= 50, "all run")
        before = ask(server, "/census").json()
        for wire in wires:
            wire.close()
        traffic.wait_for_more(200)
    assert not traffic.failures
    wait.until(lambda: ask(server, "/census").json()[0] < before[0] - 40, "the greenlets are gone")
    threads, descriptors = ask(server, "/census").json()[1:]
    assert threads <= before[1] and descriptors < before[2] - 40


def test_five_thousand_sleepers_are_answered_together(start):
    """If the greenlets slept one after another, this would take more than an hour. No time is asserted."""
    server = start("--connections", 6000)
    answers = []
    wires = [server.connect() for _ in range(5000)]
    for wire in wires:
        wire.request("GET", "/sleep?for=1")
    reader = threading.Thread(target=lambda: answers.extend(wire.read().body for wire in wires), daemon=True)
    reader.start()
    assert ask(server, "/hello").json() == "hello"
    reader.join(120)
    assert answers == [b'"slept"'] * 5000
    for wire in wires:
        wire.close()
    assert procfs.alive(server.worker_pids()[0])
