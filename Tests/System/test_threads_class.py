"""Worker class threads: what takes a thread and what does not, clients that leave, and the end of a pool."""

import concurrent.futures
import hashlib
import os
from signal import SIGTERM

import pytest

from support import procfs, wait
from support.load import Load
from support.wsgi import ask, settled

APP = "Tests/System/wsgi_apps/threads_app.py:app"


def start(gateway, *flags, threads=8, **more):
    return gateway(APP, "-k", "threads", "--threads", threads, *flags, **more)


def until_seen(server, name, what):
    wait.until(lambda: what in ask(server, f"/seen?id={name}").json(), f"the app has noted {what!r}")
    return ask(server, f"/seen?id={name}").json()


def until_state(server, **wanted):
    def reached():
        state = ask(server, "/state").json()
        return all(state[key] == value for key, value in wanted.items())
    wait.until(reached, lambda: f"the pool is {wanted}, not {ask(server, '/state').json()}")


# Threads


def test_as_many_requests_run_at_once_as_there_are_threads(gateway, python):
    server = start(gateway, threads=5, python=python)
    with concurrent.futures.ThreadPoolExecutor(5) as clients:
        answers = list(clients.map(lambda _: ask(server, "/meet?id=all&count=5").json(), range(5)))
    assert {answer["thread"] for answer in answers} == {f"evgateway-{number}" for number in range(1, 6)}
    assert all(answer["multithread"] for answer in answers)


def test_default_is_eight_threads(gateway):
    server = gateway(APP, "-k", "threads")
    assert ask(server, "/state").json() == {"threads": 8, "busy": 1, "queued": 0}


def test_low_load_stays_on_one_warm_thread(gateway):
    server = start(gateway)
    with server.connect() as wire:
        # A thread that starts late takes one request.
        wait.until(lambda: len({wire.get("/me").body for _ in range(50)}) == 1, "one thread serves fifty in a row")


def test_request_that_blocks_holds_up_no_other(gateway):
    """Also after requests that were so quick that one thread served them all."""
    server = start(gateway)
    with server.connect() as wire:
        for _ in range(300):
            wire.get("/me")
    with server.connect() as holder, server.connect() as other:
        holder.request("GET", "/hold?id=a")
        assert other.get("/open?id=b").status == 200
        for _ in range(20):
            assert other.get("/me").status == 200
        until_seen(server, "a", "called")
        other.get("/open?id=a")
        assert holder.read().body == b'"True"'


def test_requests_in_one_burst_are_not_kept_behind_one_that_blocks(gateway):
    server = start(gateway)
    with server.connect() as wire:
        for _ in range(300):
            wire.get("/me")
    wires = [server.connect() for _ in range(8)]
    for wire in wires[:7]:
        wire.request("GET", "/hold?id=burst")
    wires[7].request("GET", "/open?id=burst")
    assert all(wire.read().status == 200 for wire in wires)
    for wire in wires:
        wire.close()


def test_more_requests_than_threads_wait_their_turn(gateway):
    server = start(gateway, threads=3)
    with concurrent.futures.ThreadPoolExecutor(60) as clients:
        answers = list(clients.map(lambda _: ask(server, "/nap?seconds=0.01").text, range(200)))
    assert answers == ['"rested"'] * 200


def test_exceptions_cost_no_thread(gateway):
    server = gateway("Tests/System/wsgi_apps/wsgi_app.py:app", "-k", "threads", "--threads", 2)
    (worker,) = server.worker_pids()
    before = len(os.listdir(f"/proc/{worker}/task"))
    for kind in ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "MemoryError"] * 3:
        assert ask(server, f"/boom?kind={kind}&when=called").status_code == 500
    assert ask(server, "/unread").content == b"ok"
    assert len(os.listdir(f"/proc/{worker}/task")) == before


# Slow clients


def test_slow_sender_takes_no_thread(gateway):
    server = start(gateway, threads=1)
    with server.connect() as slow:
        slow.send("POST /upload?id=slow HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n12345")
        assert ask(server, "/seen?id=slow").json() == []
        slow.send("67890")
        assert slow.read().body.decode().strip('"') == hashlib.sha256(b"1234567890").hexdigest()


def test_slow_readers_below_the_mark_take_no_thread(gateway):
    server = start(gateway, threads=1)
    readers = [server.connect(receive_buffer=4096) for _ in range(5)]
    for reader in readers:
        reader.request("GET", "/size?size=60000")
    assert ask(server, "/me").status_code == 200
    for reader in readers:
        assert len(reader.read().body) == 60000
        reader.close()


@pytest.mark.parametrize("end", ["close", "reset"])
def test_slow_reader_above_the_spool_limit_holds_its_thread_and_no_memory(gateway, end):
    server = start(gateway, "--spool-limit", 1_000_000, threads=2)
    reader = server.connect(receive_buffer=4096)
    reader.request("GET", "/blocks?id=slow").read_head()
    counts = []

    def settled():
        counts.append(len(ask(server, "/seen?id=slow").json()))
        return len(counts) > 20 and len(set(counts[-20:])) == 1
    wait.until(settled, "the generator is held")
    assert counts[-1] < 200 and ask(server, "/state").json()["busy"] == 2
    getattr(reader, end)()
    until_seen(server, "slow", "closed")
    until_state(server, busy=1)


def test_large_answers_arrive_whole_at_slow_readers(gateway):
    server = start(gateway, threads=2)
    with server.connect(receive_buffer=4096) as reader:
        answer = reader.get("/size?size=5000000")
        assert answer.body == b"y" * 5_000_000 and answer.get("Content-Length") == "5000000"


@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("limit", [0, 1_000_000, 100_000_000])
def test_large_block_that_nobody_reads_gives_its_thread_back(gateway, limit, end):
    """Its thread waits for the client only where nothing more may be spooled, and not for one that has left."""
    server = start(gateway, "--spool-limit", limit, threads=1)
    with server.connect(receive_buffer=4096) as reader:
        reader.request("GET", "/size?size=50000000").read_head()
        if limit < 50_000_000:
            getattr(reader, end)()
        assert ask(server, "/me").status_code == 200


# Clients that leave


def test_app_learns_that_its_client_has_left(gateway, python):
    server = start(gateway, python=python)
    with server.connect() as wire:
        wire.request("GET", "/leaves?id=x")
        assert until_seen(server, "x", "waiting") == [False, False, False, "waiting"]
        wire.reset()
    notes = until_seen(server, "x", "done")
    at_once = [note for note in notes if str(note).startswith("at once")]
    assert notes[:4] == [False, False, False, "waiting"]
    assert "callback on evgateway-disconnect" in notes
    assert at_once and at_once[0].startswith("at once on evgateway-") and "disconnect" not in at_once[0]
    assert [note for note in notes[4:] if isinstance(note, bool)] == [True, True, True, True]


def test_callbacks_are_forgotten_with_their_request(gateway):
    server = start(gateway)
    with server.connect() as wire:
        assert wire.get("/stays?id=x").status == 200
        assert until_seen(server, "x", False) == [False], "a wait without an end ends with the request"
        wire.reset()
    assert ask(server, "/kept").json() == [False, False]
    assert ask(server, "/seen?id=x").json() == [False]


def test_request_whose_client_left_before_the_app_was_called_is_dropped_and_counted(gateway, tmp_path):
    access = tmp_path / "access.log"
    server = start(gateway, "--log-level", "debug", "--half-close-grace", 0.1, "--access-logfile", access,
                   "--access-logformat", "%(q)s %(s)s", threads=2)
    with server.connect() as one, server.connect() as two:
        one.request("GET", "/hold?id=one&seconds=2")
        two.request("GET", "/hold?id=two&seconds=2")
        server.wait_for_log("holding", count=2)
        leaving = [server.connect().request("GET", "/hold?id=dropped") for _ in range(3)]
        for wire in leaving:
            wire.close()        # a reset might overtake the request
        server.wait_for_log("Dropped a request whose client left", count=3)
        assert one.read().status == two.read().status == 200
    assert ask(server, "/state").json()["queued"] == 0
    assert ask(server, "/seen?id=dropped").json() == []
    assert server.stop() == 0
    server.wait_for_log("before the app was called requests=3")
    assert access.read_text().splitlines().count("id=dropped 499") == 3


def test_request_deadline_answers_the_client_and_leaves_the_thread(gateway):
    server = start(gateway, "--request-timeout", 0.3, threads=2)
    with server.connect() as wire:
        assert wire.get("/hold?id=late").status == 504
    assert ask(server, "/state").json()["busy"] == 2
    ask(server, "/open?id=late")
    until_seen(server, "late", "opened")
    until_state(server, busy=1)


# Bodies that stream


def test_streamed_body_is_read_as_it_arrives(gateway, python):
    server = start(gateway, "--stream-request-body", python=python)
    with server.connect() as wire:
        wire.send("POST /upload?id=s&piece=5 HTTP/1.1\r\nHost: t\r\nContent-Length: 12\r\n\r\n12345")
        assert until_seen(server, "s", 5) == ["called", 5]
        wire.send("6789012")
        assert wire.read().body.decode().strip('"') == hashlib.sha256(b"123456789012").hexdigest()


def test_streamed_body_is_taken_no_faster_than_it_is_read(gateway):
    body = os.urandom(8_000_000)
    server = start(gateway, "--stream-request-body")
    for piece in (1000, 1_000_000, 100_000_000):
        answer = ask(server, f"/upload?id=big{piece}&piece={piece}", "POST", data=body)
        assert answer.json() == hashlib.sha256(body).hexdigest()


def test_streamed_lines(gateway):
    server = start(gateway, "--stream-request-body")
    answer = ask(server, "/lines", "POST", data=iter([b"one\nt", b"wo\n", b"three\nfour\nfi", b"ve"]))
    assert answer.json() == ["one\n", "two\n", "|", "three\n", "four\n", "five", ""]


def test_streamed_body_asks_the_client_to_go_on_when_it_is_read(gateway):
    server = start(gateway, "--stream-request-body")
    with server.connect() as wire:
        wire.send("POST /upload?id=c HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert wire.socket.recv(100).startswith(b"HTTP/1.1 100 ")
        wire.send("12345")
        assert wire.read().status == 200


def test_streamed_body_that_breaks_off_is_an_error_in_the_app(gateway):
    server = start(gateway, "--stream-request-body")
    with server.connect() as wire:
        wire.send("POST /upload?id=cut&piece=5 HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n12345")
        until_seen(server, "cut", 5)
        wire.reset()
    wait.until(lambda: any("not received whole" in str(note) for note in ask(server, "/seen?id=cut").json()),
               "the app gets an error")
    until_state(server, busy=1)


# How it ends


def test_loop_beats_while_every_thread_is_busy(gateway):
    server = start(gateway, "--timeout", 1, threads=1)
    workers = server.worker_pids()
    assert ask(server, "/nap?seconds=2.5").json() == "rested"
    assert server.worker_pids() == workers


def test_stop_waits_for_busy_threads(gateway):
    server = start(gateway, threads=1)
    with server.connect() as wire:
        wire.request("GET", "/nap?seconds=0.5")
        wait.until(lambda: "rested" or True, "sent")
        server.signal(SIGTERM)
        answer = wire.read()
        assert answer.status == 200 and answer.closes
    assert server.wait() == 0
    assert "busy" not in server.error_log()


def test_stop_leaves_threads_behind_that_do_not_end_in_time(gateway):
    server = start(gateway, "--graceful-timeout", 0.5, threads=3)
    with server.connect() as one, server.connect() as two:
        one.request("GET", "/hold?id=never")
        two.request("GET", "/hold?id=never")
        until_state(server, busy=3)
        server.signal(SIGTERM)
        assert server.wait() == 0
    assert "still busy threads=2" in server.error_log()


def test_stop_under_load_leaves_nothing_behind(gateway):
    server = start(gateway, threads=4)
    with Load(server.address, clients=16, target="/me?id={id}", expect="evgateway-") as load:
        load.wait_for_more(2000)
        (worker,) = server.worker_pids()
        assert len(os.listdir(f"/proc/{worker}/task")) == 5
        server.signal(SIGTERM)
        assert server.wait() == 0
    assert not procfs.alive(worker)
    assert load.outcomes["wrong"] == 0 and not load.outcomes["Truncated"]


def test_descriptors_and_threads_do_not_grow(gateway):
    server = start(gateway)
    (worker,) = server.worker_pids()

    def use():
        for _ in range(30):
            ask(server, "/upload?id=n", "POST", data=b"z" * 2_000_000)
            with server.connect() as wire:
                wire.request("GET", "/size?size=3000000").read_head()
                wire.reset()
        until_state(server, busy=1, queued=0)
        wait.until(lambda: not procfs.established(server.port), "all connections are closed")

    def counts():
        ask(server, "/me")      # what a job holds is let go of at the latest with the next one
        return procfs.descriptor_count(worker), len(os.listdir(f"/proc/{worker}/task"))
    use()
    first = settled(counts)
    use()
    wait.until(lambda: counts() <= first, lambda: f"{first} descriptors and threads, not {counts()}")
