"""/metrics: what is counted of requests and of clients, each driven from outside as users would."""

from signal import SIGCONT, SIGSTOP, SIGTERM
from time import time as now

import pytest

from support import frames, wait
from support.classes import CLASSES
from support.gateway_wires import PROTOCOLS, uwsgi, variables
from support.wire import Wire

# What is counted of requests, in each class


def test_requests_of_each_class_are_counted_and_timed(measured, called_by):
    server, metrics = measured(*CLASSES[called_by])
    with server.connect() as client:
        for _ in range(7):
            assert client.get("/me").status == 200
        assert client.request("GET", "/me?" + "x" * 100).read().status == 200
        metrics.wait_for(8, "evgateway_requests_total", code="2xx")
        assert metrics.value("evgateway_request_duration_seconds_count") == 8
        assert metrics.value("evgateway_request_duration_seconds_bucket", le="+Inf") == 8
        assert 0 < metrics.value("evgateway_request_duration_seconds_sum") < 60
        metrics.wait_for(8, "evgateway_request_queue_seconds_count")
        assert metrics.value("evgateway_open_connections") == 1
        assert metrics.value("evgateway_connections_accepted_total") == 1
        assert metrics.value("evgateway_received_bytes_total") > 8 * 30
        assert metrics.value("evgateway_sent_bytes_total") > 8 * 60
        metrics.wait_for(1, "evgateway_connections", state="idle")
    metrics.wait_for(1, "evgateway_disconnects_total", phase="idle")
    assert metrics.value("evgateway_open_connections") == 0
    assert metrics.value("evgateway_requests_in_flight") == 0


def test_request_in_flight_and_how_long_it_took(measured, called_by, tmp_path):
    server, metrics = measured(*CLASSES[called_by])
    gate = tmp_path / "gate"
    client = server.connect().request("GET", f"/hold?file={gate}")
    server.log.wait_for("holding")
    metrics.wait_for(1, "evgateway_requests_in_flight")
    assert metrics.value("evgateway_request_duration_seconds_count") == 0
    since = now()
    wait.until(lambda: now() - since > 0.15, "it has run for a while")
    gate.touch()
    assert client.read().status == 200
    metrics.wait_for(1, "evgateway_request_duration_seconds_count")
    assert metrics.value("evgateway_request_duration_seconds_bucket", le="0.1") == 0
    assert metrics.value("evgateway_request_duration_seconds_sum") > 0.15


def test_statuses(measured):
    server, metrics = measured("contract:app", "-k", "inline")
    for status, code in ((204, "2xx"), (304, "3xx"), (404, "4xx"), (500, "5xx"), (503, "5xx")):
        assert server.get(f"/status/{status}").status == status
    metrics.wait_for(2, "evgateway_requests_total", code="5xx")
    assert metrics.labelled("evgateway_requests_total", "code") == {
        "none": 0, "1xx": 0, "2xx": 1, "3xx": 1, "4xx": 1, "5xx": 2}
    assert {sample.labels["worker_class"] for sample in metrics.samples()
            if sample.name == "evgateway_requests_total"} == {"inline"}


def test_requests_that_wait_for_a_blocked_loop(measured, tmp_path):
    """The loop of class inline is blocked by a request; another one has waited for it when it ends."""
    server, metrics = measured("both:wsgi", "-k", "inline")
    gate = tmp_path / "gate"
    other = server.connect()
    assert other.get("/me").status == 200
    blocking = server.connect().request("GET", f"/block?file={gate}")
    server.log.wait_for("blocking")
    other.request("GET", "/me")
    # The metrics are there while the only worker is stuck, and say so.
    metrics.wait_for(lambda value: value > 1.2, "evgateway_worker_silence_seconds", worker="0")
    assert metrics.value("evgateway_requests_in_flight") == 1
    gate.touch()
    assert blocking.read().status == other.read().status == 200
    metrics.wait_for(lambda value: value > 1, "evgateway_loop_lag_longest_seconds", worker="0")
    assert metrics.value("evgateway_loop_lag_seconds_sum") > 0.2
    assert metrics.value("evgateway_loop_busy_seconds_total") > 1
    metrics.wait_for(3, "evgateway_request_duration_seconds_count")
    assert metrics.value("evgateway_request_duration_seconds_bucket", le="1.0") <= 2


def test_queue_for_a_thread(measured, tmp_path):
    server, metrics = measured("both:wsgi", "-k", "threads", "--threads", 2)
    gate = tmp_path / "gate"
    assert metrics.value("evgateway_pool_threads_busy") == 0
    held = [server.connect().request("GET", f"/hold?file={gate}") for _ in range(3)]
    metrics.wait_for(2, "evgateway_pool_threads_busy")
    metrics.wait_for(1, "evgateway_pool_queue")
    assert metrics.value("evgateway_pool_threads") == 2
    since = now()
    wait.until(lambda: now() - since > 0.3, "the third has waited")
    gate.touch()
    assert [client.read().status for client in held] == [200] * 3
    metrics.wait_for(0, "evgateway_pool_threads_busy")
    metrics.wait_for(3, "evgateway_request_queue_seconds_count")
    assert metrics.value("evgateway_request_queue_seconds_bucket", le="0.25") == 2


def test_requests_of_an_app_in_swift(measured, example):
    server, metrics = measured(example("longpoll-chat"))
    held = server.connect().request("GET", "/messages?since=0")
    metrics.wait_for(1, "evgateway_requests_parked")
    assert metrics.value("evgateway_requests_in_flight") == 1
    assert server.connect().request("POST", "/messages", body=b"hello").read().status < 300
    assert held.read().status == 200
    metrics.wait_for(0, "evgateway_requests_parked")
    left = server.connect().request("GET", "/messages?since=1")
    metrics.wait_for(1, "evgateway_requests_parked")
    left.reset()
    metrics.wait_for(0, "evgateway_requests_parked")
    metrics.wait_for(1, "evgateway_requests_total", code="none")
    assert metrics.value("evgateway_disconnects_total", phase="app") == 1


# What is refused


REFUSED = {
    "malformed": "GET / HTTP/1.1\r\nHost: a\r\nbad name: x\r\n\r\n",
    "target_too_long": "GET /" + "x" * 5000 + " HTTP/1.1\r\nHost: a\r\n\r\n",
    "head_too_large": "GET / HTTP/1.1\r\nHost: a\r\n" + "A: b\r\n" * 200 + "\r\n",
    "version": "GET / HTTP/9.0\r\nHost: a\r\n\r\n",
    "not_implemented": "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    "expectation": "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n",
    "body_too_large": "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n",
    "body_malformed": "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "head_timeout": "GET / HTTP/1.1\r\nHost:",
    "body_timeout": "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nx",
    "websocket": "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
}


def test_refused_requests_by_reason(measured):
    server, metrics = measured("both:wsgi", "-k", "threads", "--limit-request-body", 1000, "--header-timeout", 1,
                               "--body-timeout", 1, "--limit-request-fields", 100)
    clients = [server.connect().send(request) for request in REFUSED.values()]
    statuses = dict(zip(REFUSED, (client.read().status for client in clients)))
    assert all(status >= 400 for status in statuses.values()), statuses
    assert metrics.labelled("evgateway_requests_refused_total", "reason") == {
        **{reason: 1 for reason in REFUSED}, "forwarded": 0, "proxy_header": 0, "full": 0, "leaving": 0}
    four = sum(400 <= status < 500 for status in statuses.values())
    assert metrics.value("evgateway_requests_total", code="4xx") == four
    assert metrics.value("evgateway_requests_total", code="5xx") == len(REFUSED) - four


def test_refused_for_what_proxies_say(measured):
    server, metrics = measured("contract:app", "-k", "inline", "--proxy-protocol", "v1", "--proxy-allow-from", "*")
    wire = server.connect().send("PROXY TCP4 what\r\n")
    assert wire.read().status == 400
    metrics.wait_for(1, "evgateway_requests_refused_total", reason="proxy_header")


def test_refused_for_fields_that_contradict_each_other(measured):
    server, metrics = measured("contract:app", "-k", "inline", "--forwarded-allow-ips", "*")
    assert server.get("/", fields=[("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off")]).status == 400
    metrics.wait_for(1, "evgateway_requests_refused_total", reason="forwarded")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_refused_of_a_web_server(measured, protocol):
    server, metrics = measured("fronted:wsgi", "-k", "threads", "--protocol", protocol)
    malformed = {"uwsgi": uwsgi(variables(REQUEST_METHOD="G T")), "scgi": b"x:", "fastcgi": b"\7" * 8}
    with server.connect() as front:
        front.send(malformed[protocol]).read_until_close()
        metrics.wait_for(1, "evgateway_requests_refused_total", reason="malformed")
    assert metrics.value("evgateway_requests_total", code="4xx") == 1


def test_refused_when_the_time_of_a_worker_is_over(measured, tmp_path):
    """The master stands still meanwhile: the admin process would end with it, and with what it tells."""
    server, metrics = measured("both:wsgi", "-k", "threads", "--threads", 1, "--connections", 1,
                               "--graceful-timeout", 2)
    held = server.connect().request("GET", f"/hold?file={tmp_path / 'never'}")
    server.log.wait_for("holding")
    waiting = [server.connect().request("GET", "/me") for _ in range(3)]
    server.signal(SIGTERM)
    metrics.wait_for(1, "evgateway_workers", state="draining")
    server.signal(SIGSTOP)
    try:
        assert [client.read().status for client in [held, *waiting]] == [503] * 4
        metrics.wait_for(3, "evgateway_requests_refused_total", reason="leaving")
        # The app was called for the one that it had.
        assert metrics.value("evgateway_requests_total", code="5xx") == 4
        assert sum(metrics.labelled("evgateway_requests_refused_total", "reason").values()) == 3
    finally:
        server.signal(SIGCONT)
        for client in [held, *waiting]:
            client.close()


def test_places_and_health(measured):
    server, metrics = measured("contract:app", "-k", "threads", "--threads", 1, "--connections", 2,
                               "--health-path", "/healthz")
    held = [server.connect().send("GET / HTTP/1.1\r\nHost: a\r\n") for _ in range(2)]
    assert server.get("/healthz").status == 200
    assert server.connect().request("GET", "/").read().status == 503
    metrics.wait_for(1, "evgateway_requests_refused_total", reason="full")
    assert metrics.value("evgateway_health_checks_total") == 1
    # A check of health is no request.
    assert metrics.value("evgateway_requests_total") == metrics.value("evgateway_requests_total", code="5xx") == 1
    metrics.wait_for(2, "evgateway_connections", state="reading")
    # The places beyond are few, and whoever holds them is no request either.
    spare = [server.connect().send("GET /healthz HTTP/1.1\r\n") for _ in range(4)]
    metrics.wait_for(6, "evgateway_open_connections")
    with server.connect() as last:
        last.request("GET", "/healthz")
        assert spare[0].send("Host: a\r\n\r\n").read().status == 200
        spare[0].close()
        assert last.read().status == 200
    metrics.wait_for(3, "evgateway_health_checks_total")
    for client in held + spare[1:]:
        client.close()


def test_connections_by_what_they_do(measured, tmp_path):
    server, metrics = measured("both:asgi", "-k", "asgi", "--keep-alive", 60)
    assert metrics.labelled("evgateway_connections", "state") == {
        "reading": 0, "body": 0, "idle": 0, "active": 0, "websocket": 0, "closing": 0}
    clients = {
        "reading": server.connect().send("GET / HTTP/1.1\r\nHo"),
        "body": server.connect().send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"),
        "idle": server.connect(), "active": server.connect().request("GET", f"/hold?file={tmp_path / 'never'}")}
    assert clients["idle"].get("/me").status == 200
    for state in clients:
        metrics.wait_for(1, "evgateway_connections", state=state)
    # What it has announced does not come, so the server waits for a while after its answer.
    with server.connect() as closing:
        closing.send("POST /me HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\nx")
        assert closing.read().closes
        metrics.wait_for(1, "evgateway_connections", state="closing")
    for client in clients.values():
        client.close()
    metrics.wait_for(0, "evgateway_connections")


def test_deadline(measured, tmp_path):
    server, metrics = measured("both:asgi", "-k", "asgi", "--request-timeout", "0.2")
    assert server.get(f"/hold?file={tmp_path / 'never'}").status == 504
    metrics.wait_for(1, "evgateway_request_timeouts_total")
    assert metrics.value("evgateway_requests_total", code="5xx") == 1


# Clients that leave


def test_clients_that_leave_in_each_phase(measured, tmp_path):
    server, metrics = measured("both:asgi", "-k", "asgi")
    before = metrics.labelled("evgateway_disconnects_total", "phase")
    assert set(before.values()) == {0}

    def leaves(phase, wire):
        wire.reset()
        metrics.wait_for(1, "evgateway_disconnects_total", phase=phase)

    leaves("idle", server.connect())
    leaves("head", server.connect().send("GET / HTTP/1.1\r\nHo"))
    waiting = server.connect().send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")
    metrics.wait_for(1, "evgateway_requests_in_flight")
    leaves("body", waiting)
    waiting = server.connect().request("GET", f"/hold?file={tmp_path / 'never'}")
    metrics.wait_for(1, "evgateway_requests_in_flight")
    leaves("app", waiting)
    waiting = Wire(server.address, receive_buffer=4096).request("GET", f"/stream?size=65536&count=1000")
    metrics.wait_for_more("evgateway_sent_bytes_total", than=65536)
    leaves("response", waiting)
    # A client that closes between two requests, or as a half-close after its request, is none that was lost.
    with server.connect() as wire:
        assert wire.get("/me").status == 200
    metrics.wait_for(2, "evgateway_disconnects_total", phase="idle")
    with server.connect() as wire:
        assert wire.request("GET", "/me", fields=[("Connection", "close")]).read().status == 200
    metrics.wait_for(0, "evgateway_open_connections")
    assert metrics.labelled("evgateway_disconnects_total", "phase") == {
        "idle": 2, "head": 1, "body": 1, "app": 1, "response": 1, "websocket": 0}


def test_slow_client_is_given_up(measured):
    server, metrics = measured("both:wsgi", "-k", "gevent", "--write-timeout", 1, "--spool-limit", 0)
    client = Wire(server.address, receive_buffer=4096).request("GET", "/stream?size=65536&count=1000")
    metrics.wait_for(1, "evgateway_write_timeouts_total")
    client.close()
    assert metrics.value("evgateway_disconnects_total", phase="response") == 0


def test_dropped_requests(measured, tmp_path):
    server, metrics = measured("both:wsgi", "-k", "gevent")
    with server.connect() as blocking, server.connect() as other:
        client = server.connect()
        assert client.get("/me").status == other.get("/me").status == 200
        blocking.request("GET", f"/block?file={tmp_path}/go")
        server.log.wait_for("blocking")
        client.request("GET", "/me").reset()
        # The loop sees all changes of one poll together, in the order in which they came.
        other.send("a change\r\n\r\n")
        (tmp_path / "go").touch()
        assert blocking.read().status == 200 and other.read().status == 400
        metrics.wait_for(1, "evgateway_requests_dropped_total")


def test_websockets(measured, example):
    server, metrics = measured(example("websocket-echo"))
    socket_ = server.connect().send(frames.opening("/echo"))
    assert socket_.read_head().status == 101
    metrics.wait_for(1, "evgateway_requests_total", code="1xx")
    metrics.wait_for(1, "evgateway_connections", state="websocket")
    for _ in range(3):
        socket_.send(frames.masked(0x81, b"hello"))
        assert socket_.read_exactly(7)
    metrics.wait_for(3, "evgateway_websocket_messages_total", direction="sent")
    assert metrics.value("evgateway_websocket_messages_total", direction="received") == 3
    socket_.reset()
    metrics.wait_for(1, "evgateway_disconnects_total", phase="websocket")
    assert metrics.value("evgateway_request_duration_seconds_count") == 0
