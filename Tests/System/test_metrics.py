"""/metrics: every family is driven from outside, as users would, and read by Prometheus' own parsers."""

import json
import os
import pathlib
import re
import select
import signal
import socket

import pytest

from support import frames, procfs, wait
from support.classes import CLASSES
from support.gateway import ROOT
from support.metrics import OPEN, PLAIN, Metrics
from support.wire import Wire

DASHBOARD = ROOT / "Examples" / "deploy" / "grafana-dashboard.json"
PAGE = ROOT / "Sources" / "EvGateway" / "EvGateway.docc" / "Metrics.md"


@pytest.fixture
def measured(gateway, tmp_path):
    """Factory: as `gateway`, with an admin socket; returns the server and its `Metrics`."""
    def start(*flags, **more):
        path = tmp_path / "admin.sock"
        server = gateway(*flags, "--admin-bind", f"unix:{path}", **more)
        metrics = Metrics(path)
        # A worker that is ready has told so before the admin process sees it.
        wait.until(lambda: metrics.value("evgateway_workers", state="ready") > 0, "a worker is seen")
        return server, metrics
    return start


def workers(server, metrics):
    """The pids of the workers."""
    return [worker["pid"] for worker in json.loads(metrics.answer(target="/status").body)["workers"]]


# What is counted of requests, in each class


def test_requests_of_each_class_are_counted_and_timed(measured, called_by):
    server, metrics = measured(*CLASSES[called_by])
    name = metrics.value("evgateway_build_info")
    assert name == 1
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
    asked = metrics.value("process_start_time_seconds", process="master")
    assert metrics.value("evgateway_request_duration_seconds_count") == 0
    # It has lasted so long when the gate is opened.
    wait.until(lambda: now() - asked > 0.3, "some time has passed")
    since = now()
    wait.until(lambda: now() - since > 0.15, "it has run for a while")
    gate.touch()
    assert client.read().status == 200
    metrics.wait_for(1, "evgateway_request_duration_seconds_count")
    assert metrics.value("evgateway_request_duration_seconds_bucket", le="0.1") == 0
    assert metrics.value("evgateway_request_duration_seconds_sum") > 0.15


def now():
    import time
    return time.time()


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
    for client in held:
        client.close()


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
    with server.connect() as blocking:
        client = server.connect()
        assert client.get("/me").status == blocking.get("/me").status == 200
        gate = tmp_path / "gate"
        blocking.request("GET", f"/block?file={gate}")
        server.log.wait_for("blocking")
        client.request("GET", "/me")
        client.reset()
        gate.touch()
        assert blocking.read().status == 200
        metrics.wait_for(1, "evgateway_requests_dropped_total")


def test_websockets(measured, example):
    server, metrics = measured(example("websocket-echo"))
    socket_ = server.connect().send(frames.opening("/"))
    assert socket_.read_head().status == 101
    metrics.wait_for(1, "evgateway_requests_total", code="1xx")
    metrics.wait_for(1, "evgateway_connections", state="websocket")
    for _ in range(3):
        socket_.send(frames.masked(0x81, b"hello"))
        assert socket_.read_exactly(7)
    assert metrics.labelled("evgateway_websocket_messages_total", "direction") == {"received": 3, "sent": 3}
    socket_.reset()
    metrics.wait_for(1, "evgateway_disconnects_total", phase="websocket")
    assert metrics.value("evgateway_request_duration_seconds_count") == 0


# Workers


def test_counters_outlive_a_worker_that_is_killed(measured):
    server, metrics = measured("contract:app", "-k", "inline")
    for _ in range(5):
        assert server.get("/").status == 200
    metrics.wait_for(5, "evgateway_requests_total", code="2xx")
    (worker,) = workers(server, metrics)
    assert metrics.value("evgateway_worker_boots_total") == 1
    kept = server.connect()
    assert kept.get("/").status == 200
    metrics.wait_for(1, "evgateway_open_connections")
    os.kill(worker, signal.SIGKILL)
    metrics.wait_for(1, "evgateway_worker_restarts_total", cause="died")
    metrics.wait_for(2, "evgateway_worker_boots_total")
    wait.until(lambda: metrics.value("evgateway_workers", state="ready") == 1, "the next one is there")
    # Counters are kept, gauges go with the worker.
    assert metrics.value("evgateway_requests_total", code="2xx") == 6
    assert metrics.value("evgateway_open_connections") == 0
    assert server.get("/").status == 200
    metrics.wait_for(7, "evgateway_requests_total", code="2xx")
    assert metrics.value("evgateway_request_duration_seconds_count") == 7


def test_causes_of_restarts(measured, tmp_path):
    server, metrics = measured("contract:app", "-k", "threads", "--max-requests", 3, "--workers", 2)
    for _ in range(12):
        assert server.get("/").status == 200
    metrics.wait_for_more("evgateway_worker_restarts_total", cause="max_requests")
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"\[INFO\] Reloaded")
    metrics.wait_for(1, "evgateway_reloads_total", result="succeeded")
    metrics.wait_for(lambda value: value >= 2, "evgateway_worker_restarts_total", cause="reload")
    server.signal(signal.SIGTTIN)
    metrics.wait_for(3, "evgateway_workers_target")
    server.signal(signal.SIGTTOU)
    metrics.wait_for(2, "evgateway_workers_target")
    metrics.wait_for(1, "evgateway_worker_restarts_total", cause="scale")
    metrics.wait_for(lambda value: value == 2, "evgateway_workers", state="ready")
    os.kill(workers(server, metrics)[0], signal.SIGTERM)
    metrics.wait_for(1, "evgateway_worker_restarts_total", cause="told")
    assert metrics.value("evgateway_worker_restarts_total", cause="died") == 0


def test_worker_that_hangs_and_one_that_does_not_boot(measured, tmp_path):
    (tmp_path / "app.py").write_text("from contract import app\n")
    server, metrics = measured("app:app", "-k", "inline", "--timeout", 1, cwd=tmp_path)
    client = server.connect().request("GET", "/spin")
    metrics.wait_for(1, "evgateway_worker_restarts_total", cause="hung")
    client.close()
    metrics.wait_for(1, "evgateway_workers", state="ready")
    (tmp_path / "app.py").write_text("raise SystemError('no')\n")
    server.signal(signal.SIGHUP)
    metrics.wait_for(1, "evgateway_reloads_total", result="failed")
    metrics.wait_for_more("evgateway_worker_restarts_total", cause="boot_failed")
    assert metrics.value("evgateway_reloads_total", result="succeeded") == 0


def test_series_stay_unique_while_workers_are_replaced(measured, tmp_path):
    server, metrics = measured("both:asgi", "-k", "asgi", "--workers", 2)
    held = server.connect().request("GET", f"/hold?file={tmp_path / 'gate'}")
    server.log.wait_for("holding")
    server.signal(signal.SIGHUP)
    metrics.wait_for(1, "evgateway_workers", state="draining")
    server.log.wait_for(r"\[INFO\] Reloaded")
    labels = metrics.labelled("evgateway_open_connections", "worker")
    assert labels == {"0": 0, "1": 0, "other": 1}
    series = [(sample.name, *sorted(sample.labels.items())) for sample in metrics.samples()]
    assert len(series) == len(set(series))
    (tmp_path / "gate").touch()
    assert held.read().status == 200
    wait.until(lambda: set(metrics.labelled("evgateway_open_connections", "worker")) == {"0", "1"}, "the old have gone")


def test_accept_queue(measured):
    """The only worker is stopped: connections wait, and more than there is room for."""
    server, metrics = measured("contract:app", "-k", "inline", "--backlog", 3, "--timeout", 0)
    assert metrics.value("evgateway_accept_queue_limit") == 3
    overflows = metrics.value("evgateway_listen_overflows_total")
    (worker,) = workers(server, metrics)
    os.kill(worker, signal.SIGSTOP)
    try:
        waiting = []
        for _ in range(8):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(server.address)
            waiting.append(client)
        metrics.wait_for(lambda value: value >= 3, "evgateway_accept_queue")
        metrics.wait_for_more("evgateway_listen_overflows_total", than=overflows)
        assert metrics.value("evgateway_listen_drops_total") >= overflows
    finally:
        os.kill(worker, signal.SIGCONT)
        for client in waiting:
            client.close()
    metrics.wait_for(0, "evgateway_accept_queue")


def test_processes(measured):
    server, metrics = measured("contract:app", "-k", "inline", "--workers", 2)
    kinds = {(sample.labels["process"], sample.labels.get("worker")) for sample in metrics.samples()
             if sample.name == "process_resident_memory_bytes"}
    assert kinds == {("master", None), ("admin", None), ("worker", "0"), ("worker", "1")}
    for name in ("process_resident_memory_bytes", "process_proportional_memory_bytes", "process_open_fds",
                 "process_max_fds", "process_cpu_seconds_total", "process_start_time_seconds"):
        assert all(sample.value > 0 for sample in metrics.samples() if sample.name == name), name
        assert sum(sample.name == name for sample in metrics.samples()) == 4, name
    assert metrics.value("process_open_fds", process="master") == len(os.listdir(f"/proc/{server.pid}/fd"))
    assert abs(now() - metrics.value("process_start_time_seconds", process="master")) < 600
    assert metrics.value("evgateway_admin_starts_total") == 1


def test_lost_lines(measured, tmp_path):
    """Nobody reads the access log's pipe, which fills."""
    pipe = tmp_path / "access"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    server, metrics = measured("contract:app", "-k", "inline", "--access-logfile", pipe, "--access-logformat",
                               "%(r)s" * 40)
    with server.connect() as client:
        def lost():
            for _ in range(100):
                client.get("/?" + "x" * 3000)
            return metrics.value("evgateway_log_lines_lost_total")
        wait.until(lost, "lines are lost")
    os.close(reader)


# The two forms, and what is written about them


def test_forms(measured):
    server, metrics = measured("contract:app", "-k", "inline")
    assert server.get("/").status == 200
    metrics.wait_for(1, "evgateway_requests_total", code="2xx")
    scrape = ("application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
              "text/plain;version=0.0.4;q=0.3,*/*;q=0.2")
    for accept, form in ((None, PLAIN), ("*/*", PLAIN), ("text/plain", PLAIN), (scrape, OPEN),
                         ("application/openmetrics-text", OPEN), ("application/openmetrics-text;q=0", PLAIN),
                         ("application/openmetrics-text;q=0.2, text/plain;q=0.8", PLAIN),
                         ("application/openmetrics-text; version=2.0.0", PLAIN)):
        answer = metrics.answer(accept)
        assert (answer.status, answer.get("content-type")) == (200, form), accept
        assert answer.body.endswith(b"# EOF\n") == (form == OPEN)
    with Wire(metrics.path) as wire:
        assert wire.request("POST", "/metrics").read().status == 405
    plain, opened = metrics.families(), metrics.open_families()
    assert all(family.documentation for family in plain)
    assert {family.name: family.type for family in opened if family.type != "info"} == {
        family.name: family.type for family in plain if family.name != "evgateway_build_info"}
    names = {sample.name for family in opened for sample in family.samples}
    assert names == {sample.name for family in plain for sample in family.samples}
    assert {family.unit for family in opened if family.name.endswith("_bytes")} == {"bytes"}
    assert {family.unit for family in opened if family.name.endswith("_seconds")} == {"seconds"}
    counts = [sample.value for family in opened for sample in family.samples
              if sample.name == "evgateway_request_duration_seconds_bucket"]
    assert counts == sorted(counts) and counts[-1] == 1


def test_names_in_the_page_and_the_dashboard_are_those_that_there_are(measured):
    server, metrics = measured("contract:app", "-k", "inline")
    names = {sample.name for sample in metrics.samples()}
    bases = {re.sub("_(bucket|sum|count)$", "", name) if "_seconds_" in name else name for name in names}
    described = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.M))
    assert described == bases
    labels = {(re.sub("_(bucket|sum|count)$", "", sample.name), label) for sample in metrics.samples()
              for label in sample.labels}
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(expressions) > 10
    for expression in expressions:
        used = set(re.findall(r"\b((?:evgateway|process)_\w+)", expression))
        assert used and used <= names, expression
        for label in re.findall(r"[{,]\s*(\w+)=~?\"", expression):
            assert label == "instance" or any(
                (re.sub("_(bucket|sum|count)$", "", name), label) in labels for name in used), expression
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel.get("targets", [])} == {
        "${datasource}"}


def test_scrape_configuration():
    text = (ROOT / "Examples" / "deploy" / "prometheus.yml").read_text()
    assert "metrics_path" not in text and "127.0.0.1:9100" in text.replace("localhost", "127.0.0.1")
