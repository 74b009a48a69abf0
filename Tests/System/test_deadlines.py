"""--request-timeout ends one request and not its worker: with 504, or by breaking off a response that has begun."""

import pytest

from support import wait, wire

STREAM = """
import itertools, time

def app(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    if environ['PATH_INFO'] == '/':
        return [b'fine']
    return blocks()

def blocks():
    for _ in itertools.count():
        time.sleep(0.02)
        yield b'more'
"""


def test_held_request_is_answered_504(gateway, example, tmp_path):
    access = tmp_path / "access.log"
    server = gateway(example("longpoll-chat"), "--request-timeout", 0.3, "--access-logfile", access,
                     "--access-logformat", "%(U)s %(s)s %({content-type}o)s")
    workers = server.worker_pids()
    with server.connect() as client:
        answer = client.get("/messages?since=0&wait=30")
        assert answer.status == 504 and b"Gateway Timeout" in answer.body
        assert client.get("/waiting").body == b"0", "the connection goes on, and the request has let go"
    server.wait_for_log("passed its deadline.*path=/messages")
    wait.until(lambda: "/messages 504 text/plain; charset=utf-8" in access.read_text(), "the access log has it")
    assert server.worker_pids() == workers
    assert server.stop() == 0


def test_stream_of_an_inline_app_is_broken_off(gateway, tmp_path):
    (tmp_path / "endless.py").write_text(STREAM)
    server = gateway("endless", "--pythonpath", tmp_path, "-k", "inline", "--request-timeout", 0.3)
    with server.connect() as client:
        client.request("GET", "/endless")
        assert client.read_head().status == 200
        with pytest.raises((wire.Closed, ConnectionError)):
            while client.read_chunk():
                pass
            pytest.fail("the stream has an end that looks like a good one")
    assert server.get("/").body == b"fine"


def test_request_in_time_is_left_alone(gateway, example):
    server = gateway(example("longpoll-chat"), "--request-timeout", 30)
    assert server.get("/messages?since=0&wait=0.1").status == 204
    assert "deadline" not in server.error_log()
