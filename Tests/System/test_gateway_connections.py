"""Connections on which a web server speaks uwsgi, FastCGI or SCGI, byte by byte: their frames, how they go on and how
they end, and the addresses at which they begin."""

import hashlib
import os
import signal
import socket
import threading
import time

import pytest

from conftest import APPS, PYTHON
from support import gateway_wires as wires
from support import procfs, wait
from support.gateway_wires import KEEP, MESSAGES, PROTOCOLS, Front, environ, variables
from support.wire import Closed, Truncated, Wire

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


# The frames


@each_protocol
def test_request_in_pieces(fronted, protocol):
    server = fronted(protocol, app="contract:app")
    data = MESSAGES[protocol](variables("POST", "/echo", body=b"abc"), b"abc")
    with server.front() as front:
        for byte in data:
            front.send(bytes([byte]))
        assert environ(front.read())["body"] == "abc"
    for cut in range(1, len(data), 7):
        with server.front() as front:
            front.send(data[:cut])
            time.sleep(0.001)
            assert environ(front.send(data[cut:]).read())["body"] == "abc"


@each_protocol
def test_slow_variables_are_cut(fronted, protocol):
    server = fronted(protocol, "--header-timeout", "0.3")
    with server.front() as front:
        front.send(MESSAGES[protocol](variables())[:20])
        assert front.read().status == 408
    with server.front() as silent:
        silent.expect_close()


@each_protocol
@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", bytes(range(256)) * 4, b"\xff" * 100, b"99999:"])
def test_other_bytes_are_refused(fronted, protocol, data):
    server = fronted(protocol)
    with server.front() as front:
        answer = front.send(data).read()
    assert answer.status in (400, 431)
    server.wait_for_log(f"Refused a request by {protocol}")


@each_protocol
def test_bytes_behind_a_request_are_none(fronted, protocol):
    server = fronted(protocol, app="contract:app")
    message = MESSAGES[protocol](variables())
    with server.front() as front:
        front.send(message + message)
        if protocol != "fastcgi":
            assert front.read().status == 200
        # There, a second request with the id of one that runs breaks the first one off.
        with pytest.raises((Closed, Truncated, ConnectionResetError)):
            front.read()


@pytest.mark.parametrize("one, two", [(1, 0), (5, 0), (0, 1), (255, 255)])
def test_modifier_other_than_pythons_is_refused(fronted, one, two):
    server = fronted("uwsgi")
    for _ in range(2):
        with server.front() as front:
            assert front.send(wires.uwsgi(variables(), b"", one, two)).read().status == 400
    server.wait_for_log("only modifier1 0 is served")
    assert len(server.log.matches("modifier1")) == 1


def test_scgi_begins_with_the_length(fronted):
    server = fronted("scgi")
    length, version = b"CONTENT_LENGTH\x000\0", b"SCGI\x001\0"
    for block in (version + length, length + b"SCGI\x002\0", length, b""):
        with server.front() as front:
            assert front.send(b"%d:%s," % (len(block), block)).read().status == 400


# Connections of FastCGI


def test_connection_is_kept(fronted):
    server = fronted("fastcgi", app="contract:app")
    with server.front() as front:
        for number in range(5):
            answer = front.ask("POST", f"/echo?n={number}", body=b"x" * number, keep=True).read()
            assert environ(answer)["length"] == number
        assert front.ask("GET", "/status/304", keep=True).read().status == 304
        assert front.ask("HEAD", "/", keep=True).read("HEAD").status == 200
        assert front.ask("GET", "/unread", keep=True, body=bytes(60_000)).read().body == b"not read"
        assert front.ask("GET", "/", keep=False).read().status == 200
        front.expect_close()


def test_body_that_nobody_reads_is_swallowed_up_to_a_limit(fronted):
    server = fronted("fastcgi", app="fronted:asgi")
    with server.front() as front:
        front.send(wires.begin(1, KEEP) + wires.stream(wires.PARAMS, wires.params(
            variables("POST", "/", CONTENT_LENGTH="1000000"))))
        assert front.read().status == 200
        front.send(wires.record(wires.STDIN, bytes(60_000)))
        try:
            for _ in range(20):
                front.send(wires.record(wires.STDIN, bytes(60_000)))
            front.expect_close()
        except (BrokenPipeError, ConnectionResetError):
            pass


def test_body_without_a_length(fronted):
    server = fronted("fastcgi", app="contract:app")
    with server.front() as front:
        for body in (b"", b"x", os.urandom(200_000)):
            answer = front.ask("POST", "/echo", body=body, CONTENT_LENGTH="", keep=True).read()
            seen = environ(answer)
            assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert "TRANSFER_ENCODING" not in environ(server.ask("GET", "/echo"))["fields"]


@pytest.mark.parametrize("announced, given", [(10, 5), (5, 10)])
def test_body_that_is_not_as_long_as_announced(fronted, announced, given):
    server = fronted("fastcgi", app="contract:app")
    answer = server.ask("POST", "/echo", body=b"x" * given, CONTENT_LENGTH=str(announced))
    if given < announced:
        assert answer.status >= 400
    else:
        assert environ(answer)["body"] == "x" * announced


def test_second_request_at_a_time_is_refused_politely(fronted):
    server = fronted("fastcgi", app="contract:app")
    with server.front() as front:
        pairs = variables("POST", "/echo", body=b"x")
        front.send(wires.begin(1, KEEP) + wires.stream(wires.PARAMS, wires.params(pairs)))
        front.send(wires.begin(2, KEEP) + wires.stream(wires.PARAMS, wires.params(variables(target="/")), 2)
                   + wires.stream(wires.STDIN, b"", 2))
        assert front.read_record() == (wires.END, 2, bytes([0, 0, 0, 0, 1, 0, 0, 0]))
        front.send(wires.stream(wires.STDIN, b"x"))
        assert environ(front.read())["length"] == 1
        assert front.ask("GET", "/", keep=True).read().status == 200


def test_role_other_than_a_responder_and_questions(fronted):
    server = fronted("fastcgi", app="contract:app")
    with server.front() as front:
        front.send(wires.begin(1, KEEP, role=3))
        assert front.read_record() == (wires.END, 1, bytes([0, 0, 0, 0, 3, 0, 0, 0]))
        front.send(wires.record(wires.GET_VALUES, wires.params([("FCGI_MPXS_CONNS", ""), ("OTHER", "")]), 0))
        assert front.read_record() == (wires.VALUES, 0, wires.params([("FCGI_MPXS_CONNS", "0")]))
        front.send(wires.record(77, b"abc", 0))
        assert front.read_record() == (wires.UNKNOWN, 0, bytes([77, 0, 0, 0, 0, 0, 0, 0]))
        assert front.ask("GET", "/", keep=True).read().status == 200


def test_abort_cancels_and_the_connection_goes_on(fronted):
    server = fronted("fastcgi", app="fronted:asgi")
    with server.front() as front:
        front.ask("GET", "/wait", keep=True)
        server.wait_for_log("waiting")
        front.send(wires.record(wires.ABORT))
        server.wait_for_log("the client has left")
        with pytest.raises(Closed):
            front.read()
        assert front.ask("GET", "/", keep=True).read().status == 200


def test_idle_connection_is_closed_after_keep_alive(fronted):
    server = fronted("fastcgi", "--keep-alive", "0.3")
    with server.front() as front:
        assert front.ask("GET", "/", keep=True).read().status == 200
        front.expect_close()
    server = fronted("fastcgi", "--keep-alive", "0")
    with server.front() as front:
        assert front.ask("GET", "/", keep=True).read().status == 200
        front.expect_close()


def test_peer_that_asks_and_reads_nothing_is_dropped(fronted):
    server = fronted("fastcgi")
    with server.front(receive_buffer=4096) as front:
        question = wires.record(wires.GET_VALUES, wires.params([("FCGI_MAX_REQS", "")]), 0) * 2000
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(2000):
                front.send(question)
    assert server.ask("GET", "/").status == 200


# Who leaves


@each_protocol
@pytest.mark.parametrize("target", ["/wait", "/ticks"])
def test_app_is_told_that_the_client_has_left(fronted, protocol, target):
    """A web server closes its connection then."""
    server = fronted(protocol, "--half-close-grace", "0.1", app="fronted:asgi")
    with server.front() as front:
        front.ask("GET", target)
        server.wait_for_log("waiting") if target == "/wait" else front.read_piece()
    server.wait_for_log("the client has left")


@each_protocol
def test_half_closed_connection_gets_its_answer(fronted, protocol):
    server = fronted(protocol, app="contract:app")
    with server.front() as front:
        front.ask("POST", "/echo", body=b"abc").half_close()
        assert environ(front.read())["body"] == "abc"


@each_protocol
def test_stuck_reader_is_dropped(fronted, protocol):
    server = fronted(protocol, "--write-timeout", "0.5", app="contract:app")
    with server.front(receive_buffer=4096) as front:
        front.ask("GET", "/bytes?count=50000000")
        server.wait_for_log("Closed a connection whose peer reads nothing")


# Beside the app


@each_protocol
def test_health_and_access_log(fronted, protocol, tmp_path):
    log = tmp_path / "log"
    server = fronted(protocol, "--health-path", "/healthz", "--access-logfile", log, app="contract:app")
    assert server.ask("GET", "/healthz").body == b"ok\n"
    assert server.ask("GET", "/status/404?x", ("User-Agent", "me")).status == 404
    assert server.ask("GET", "/bad", HTTP_HOST="a b\r\n127.0.0.1 forged").status == 400
    assert server.ask("GET", "/a\r\n127.0.0.1 forged").status == 400
    with server.front() as front:
        front.send(b"\xff" * 30).read()
    server.stop()
    lines = [line for line in log.read_text().splitlines() if "healthz" not in line]
    assert len(lines) == 4 and not any(line.startswith("127.0.0.1 forged") for line in lines), lines
    assert lines[0].startswith("192.0.2.7 ") and '"GET /status/404?x HTTP/1.1" 404 7' in lines[0] and '"me"' in lines[0]
    assert '"GET /bad HTTP/1.1" 400' in lines[1] and " 400 " in lines[2] and " 400 " in lines[3]


@each_protocol
def test_max_requests_and_reloads_lose_nothing(fronted, protocol):
    server = fronted(protocol, "--workers", "2", "--max-requests", "150", app="contract:app")
    stop, failures, count = threading.Event(), [], [0]

    def client():
        front = None
        while not stop.is_set():
            name = os.urandom(4).hex()
            kept = front is not None
            try:
                front = front or server.front()
                answer = front.ask("GET", f"/echo?id={name}", keep=protocol == "fastcgi").read()
                if environ(answer)["query"] != f"id={name}":
                    failures.append(answer)
                count[0] += 1
                if protocol != "fastcgi" or b"" == peek(front):
                    front.close()
                    front = None
            except (Closed, ConnectionResetError) as error:
                # A kept connection that the server has closed before it has seen the request: web servers ask again.
                if not kept:
                    failures.append(repr(error))
                front.close()
                front = None
            except (OSError, AssertionError) as error:
                failures.append(repr(error))
                front = None

    def peek(front):
        front.socket.setblocking(False)
        try:
            return front.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        finally:
            front.socket.settimeout(30)

    threads = [threading.Thread(target=client, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        reached = count[0] + 200
        wait.until(lambda: count[0] >= reached or failures, "200 more answers")
        before = server.worker_pids()
        server.signal(signal.SIGHUP)
        wait.until(lambda: not set(before) & set(server.worker_pids()), "none of these workers is left")
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not failures, failures[:5]


@each_protocol
def test_stopping_answers_what_runs(fronted, protocol):
    server = fronted(protocol, app="contract:app")
    with server.front() as front:
        front.ask("GET", "/sleep?seconds=1", keep=protocol == "fastcgi")
        wait.until(lambda: procfs.children(server.pid), "the worker is there")
        time.sleep(0.2)
        server.signal(signal.SIGTERM)
        assert front.read().body == b"slept"
        front.expect_close()
    assert server.wait() == 0


# Addresses


def test_each_address_has_its_protocol(gateway, short_path, tmp_path):
    file = tmp_path / "gunicorn.conf.py"
    binds = [f"{name}://unix:{short_path}/{name}" for name in ("http", *PROTOCOLS)]
    file.write_text(f"bind = {binds!r}\nwsgi_app = 'fronted:wsgi'\n")
    server = gateway(None, "-c", file, "--python", PYTHON, "--pythonpath", APPS, bare=True)

    def answers(name, spoken):
        address = f"{short_path}/{name}"
        if spoken == "http":
            with Wire(address) as wire:
                return wire.get("/").status == 200
        with Front(address, spoken) as front:
            return environ(front.ask("GET", "/").read())["REMOTE_ADDR"] == "192.0.2.7"
    for name in ("http", *PROTOCOLS):
        assert answers(name, name)
        shown = f"Listening at: {name + '://' if name != 'http' else ''}unix:{short_path}/{name} "
        assert shown in server.error_log()
    # Another one at the same address, after a reload; the socket stays.
    file.write_text(file.read_text().replace("uwsgi://", "scgi://").replace("fastcgi://", "http://"))
    before = server.worker_pids()
    server.signal(signal.SIGHUP)
    server.wait_for_workers(1, besides=before)
    server.wait_for_log(f"Listening at: scgi://unix:{short_path}/uwsgi ")
    for name, spoken in {"uwsgi": "scgi", "fastcgi": "http", "scgi": "scgi", "http": "http"}.items():
        assert answers(name, spoken)
    # A new master reads the same file.
    server.signal(signal.SIGUSR2)
    server.wait_for_log(f"Listening at: scgi://unix:{short_path}/uwsgi ", count=2)
    server.wait_for_log(r"Worker ready \(pid: (\d+)\)", count=3)
    server.signal(signal.SIGQUIT)
    server.wait()
    for name, spoken in {"uwsgi": "scgi", "fastcgi": "http"}.items():
        assert answers(name, spoken)
    (new,) = [pid for pid in procfs.session_members(server.pid) if procfs.children(pid)]
    os.kill(new, signal.SIGTERM)
    wait.until(lambda: not procfs.session_members(server.pid), "the new master has left")


def test_two_protocols_at_one_address_are_refused(gateway):
    server = gateway("contract:app", "-b", "127.0.0.1:1,uwsgi://127.0.0.1:1", wait=False)
    assert server.wait() != 0 and "cannot have two protocols" in server.error_log()
