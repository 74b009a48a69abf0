"""/metrics: what is told of workers and processes; the two forms, read by Prometheus' own parsers; and that the page
of the documentation and the dashboard have the names that there are."""

import contextlib
import json
import os
import re
import signal
import socket
from time import time as now

import pytest

from support import accounts, wait
from support.gateway import ROOT
from support.metrics import OPEN, PLAIN, Metrics
from support.wire import Wire

DASHBOARD = ROOT / "Examples" / "deploy" / "grafana-dashboard.json"
PAGE = ROOT / "Sources" / "EvGateway" / "EvGateway.docc" / "Metrics.md"


# Workers


def test_counters_outlive_a_worker_that_is_killed(measured):
    server, metrics = measured("contract:app", "-k", "inline")
    for _ in range(5):
        assert server.get("/").status == 200
    metrics.wait_for(5, "evgateway_requests_total", code="2xx")
    (worker,) = metrics.workers()
    assert metrics.value("evgateway_worker_boots_total") == 1
    kept = server.connect()
    assert kept.get("/").status == 200
    metrics.wait_for(1, "evgateway_open_connections")
    os.kill(worker, signal.SIGKILL)
    metrics.wait_for(1, "evgateway_worker_restarts_total", cause="signal")
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
    os.kill(metrics.workers()[0], signal.SIGTERM)
    metrics.wait_for(1, "evgateway_worker_restarts_total", cause="exit")
    assert metrics.value("evgateway_worker_restarts_total", cause="signal") == 0


def test_worker_that_hangs_and_one_that_does_not_boot(measured, tmp_path):
    (tmp_path / "app.py").write_text("from contract import app\n")
    server, metrics = measured("app:app", "-k", "inline", "--timeout", 1, cwd=tmp_path)
    client = server.connect().request("GET", "/spin")
    metrics.wait_for(1, "evgateway_worker_restarts_total", cause="hang")
    client.close()
    metrics.wait_for(1, "evgateway_workers", state="ready")
    (tmp_path / "app.py").write_text("raise SystemError('no')\n")
    server.signal(signal.SIGHUP)
    metrics.wait_for(1, "evgateway_reloads_total", result="failed")
    metrics.wait_for_more("evgateway_worker_restarts_total", cause="boot_failure")
    assert metrics.value("evgateway_reloads_total", result="succeeded") == 0


def test_worker_that_has_lived_long_enough(measured):
    server, metrics = measured("contract:app", "-k", "threads", "--max-worker-lifetime", 0.5)
    metrics.wait_for(lambda value: value >= 1, "evgateway_worker_restarts_total", cause="lifetime")
    metrics.assert_restarts_only("lifetime")


def test_worker_that_has_grown(measured, tmp_path):
    (tmp_path / "grows.py").write_text(
        "from contract import app as contract\n\nkept = []\n\n\ndef app(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/grow':\n        kept.append(b'x' * 200_000_000)\n"
        "    return contract(environ, start_response)\n")
    server, metrics = measured("grows:app", "-k", "threads", "--max-worker-rss", "150M", cwd=tmp_path)
    assert metrics.value("process_resident_memory_bytes", process="worker") < 150e6
    server.get("/grow")
    metrics.wait_for(1, "evgateway_worker_restarts_total", cause="rss")
    metrics.assert_restarts_only("rss")


def test_worker_whose_threads_do_not_come_back(measured, tmp_path):
    server, metrics = measured("both:wsgi", "-k", "threads", "--threads", 1, "--timeout", 1, "--graceful-timeout", 1)
    with server.connect() as held, server.connect() as waiting:
        held.request("GET", f"/hold?file={tmp_path / 'never'}")
        server.log.wait_for("holding")
        waiting.request("GET", "/me")
        metrics.wait_for(1, "evgateway_worker_restarts_total", cause="stuck_threads")
    metrics.assert_restarts_only("stuck_threads")


def test_states_of_workers(measured, tmp_path):
    (tmp_path / "boots.py").write_text(
        "import os\nimport time\n\nfrom both import wsgi\n\nwhile os.path.exists('closed'):\n    time.sleep(0.01)\n")
    server, metrics = measured("boots:wsgi", "-k", "gevent", "--shutdown-delay", 60, cwd=tmp_path)

    def are(**expected):
        expected = {**dict.fromkeys(("booting", "ready", "leaving", "draining"), 0), **expected}
        wait.until(lambda: metrics.labelled("evgateway_workers", "state") == expected,
                   lambda: f"{metrics.labelled('evgateway_workers', 'state')} are {expected}")

    def labels():
        return set(metrics.labelled("evgateway_requests_in_flight", "worker"))

    are(ready=1)
    assert labels() == {"0"}
    closed = tmp_path / "closed"
    closed.touch()
    held = server.connect().request("GET", f"/hold?file={tmp_path / 'gate'}")
    server.log.wait_for("holding")
    server.signal(signal.SIGHUP)
    are(ready=1, booting=1)
    assert labels() == {"0", "other"} and metrics.value("evgateway_requests_in_flight", worker="0") == 1
    closed.unlink()
    are(ready=1, draining=1)
    server.signal(signal.SIGTERM)
    are(leaving=1, draining=1)
    (tmp_path / "gate").touch()
    assert held.read().status == 200
    held.close()
    are(leaving=1)
    assert labels() == {"0"}


def test_worker_that_cannot_be_forked(gateway, short_path):
    """Its user may have no more processes, which the kernel does not hold against root."""
    if os.geteuid():
        pytest.skip("only root has another user whose processes are counted apart")
    accounts.require()
    short_path.chmod(0o777)
    user = accounts.entry()
    server = gateway(
        "contract:app", "-k", "inline", "--admin-bind", f"unix:{short_path}/a", cwd=short_path,
        limits=f"set -- setpriv --reuid={user.pw_uid} --regid={user.pw_gid} --clear-groups -- \"$@\"")
    metrics = Metrics(short_path / "a")
    metrics.wait_for(1, "evgateway_workers", state="ready")
    assert metrics.value("evgateway_worker_fork_failures_total") == 0
    assert accounts.as_user("prlimit", f"--pid={server.pid}", "--nproc=1:").returncode == 0
    server.signal(signal.SIGTTIN)
    metrics.wait_for(lambda value: value >= 1, "evgateway_worker_fork_failures_total")
    assert server.log.matches(r"\[ERROR\] Cannot start a worker: fork: ")
    assert metrics.value("evgateway_worker_boots_total") == 1
    assert accounts.as_user("prlimit", f"--pid={server.pid}", "--nproc=4096:").returncode == 0
    metrics.wait_for(2, "evgateway_workers", state="ready")
    assert metrics.value("evgateway_worker_boots_total") == 2


def test_starts_of_the_admin_process(measured):
    server, metrics = measured("contract:app", "-k", "inline")
    assert metrics.value("evgateway_admin_starts_total") == 1
    (admin,) = set(server.worker_pids()) - set(metrics.workers())
    os.kill(admin, signal.SIGKILL)
    server.log.wait_for("The admin process .* was killed")

    def started():
        with contextlib.suppress(OSError):
            return metrics.value("evgateway_admin_starts_total")
    wait.until(lambda: started() == 2, "it has been started twice")


def test_series_stay_unique_while_workers_are_replaced(measured, tmp_path):
    server, metrics = measured("both:asgi", "-k", "asgi", "--workers", 2)
    held = server.connect().request("GET", f"/hold?file={tmp_path / 'gate'}")
    server.log.wait_for("holding")
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"\[INFO\] Reloaded")
    wait.until(lambda: metrics.labelled("evgateway_open_connections", "worker") == {"0": 0, "1": 0, "other": 1},
               "the connection is one of the old worker's")
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
    drops = metrics.value("evgateway_listen_drops_total")
    (worker,) = metrics.workers()
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
        metrics.wait_for_more("evgateway_listen_drops_total", than=drops)
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
        # The time of processors is told in hundredths of a second, and they have done little.
        assert all(sample.value > 0 or "cpu" in name for sample in metrics.samples() if sample.name == name), name
        assert sum(sample.name == name for sample in metrics.samples()) == 4, name
    assert metrics.value("process_open_fds", process="master") == len(os.listdir(f"/proc/{server.pid}/fd"))
    assert abs(now() - metrics.value("process_start_time_seconds", process="master")) < 600
    (build,) = [sample for sample in metrics.samples() if sample.name == "evgateway_build_info"]
    assert build.value == 1 and build.labels == {
        "version": json.loads(metrics.answer(target="/status").body)["version"], "worker_class": "inline"}


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
    server, metrics = measured("contract:app", "-k", "inline", "--grip", "--bus", "unix:/no/such/socket")
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
