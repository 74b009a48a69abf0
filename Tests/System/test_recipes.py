"""Configuration files as the projects that observe apps document them for gunicorn, with the real packages: metrics of
several workers, traces, errors, request ids, gunicorn's own example."""

import json
import os
import re
import signal

import pytest

from conftest import PYTHON
from support import wait
from support.collector import Collector
from support.gateway import LAUNCHER
from support.program import Program

WSGI = ["inline", "threads", "gevent"]
ALL = [*WSGI, "asgi"]


@pytest.fixture
def recipe(gateway, tmp_path):
    """Factory: `recipe(worker_class, configuration, app, *flags)` serves module:wsgi, or module:asgi."""
    def start(worker_class, configuration, app, *flags, **more):
        (tmp_path / "gunicorn.conf.py").write_text(configuration)
        (tmp_path / "module.py").write_text(app)
        name = "asgi" if worker_class == "asgi" else "wsgi"
        return gateway(f"module:{name}", "-k", worker_class, *flags, cwd=tmp_path, **more)
    return start


def ask_every_worker(server, target="/"):
    """Asks on new connections until each worker has answered with its pid. Returns how often it has asked."""
    pids, seen, count = set(server.worker_pids()), set(), 0

    def asked():
        nonlocal count
        answer = server.get(target)
        assert answer.status == 200
        seen.add(int(answer.body))
        count += 1
        return seen >= pids
    wait.until(asked, lambda: f"each of {pids} has answered, not only {seen}")
    return count


# Prometheus

PROMETHEUS = """
from prometheus_client import multiprocess

def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
"""

METRICS = """
import os
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest, multiprocess

REQUESTS = Counter("shop_requests", "Requests")
LIVE = Gauge("shop_live", "Workers", multiprocess_mode="liveall")
LIVE.set(1)

def answer(path):
    if path == "/metrics":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry), CONTENT_TYPE_LATEST
    REQUESTS.inc()
    return str(os.getpid()).encode(), "text/plain"

def wsgi(environ, start_response):
    body, kind = answer(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", kind)])
    return [body]

async def asgi(scope, receive, send):
    body, kind = answer(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.parametrize("worker_class", ALL)
def test_prometheus_adds_up_what_workers_count(recipe, tmp_path, worker_class):
    folder = tmp_path / "metrics"
    folder.mkdir()
    server = recipe(worker_class, PROMETHEUS, METRICS, "--workers", 2, env={"PROMETHEUS_MULTIPROC_DIR": str(folder)})

    def metrics():
        text = server.get("/metrics").body.decode()
        live = {int(pid) for pid in re.findall(r'^shop_live{pid="(\d+)"} 1\.0$', text, re.M)}
        return float(re.search(r"^shop_requests_total (\S+)$", text, re.M)[1]), live

    def settles(count):
        wait.until(lambda: metrics() == (count, set(server.worker_pids())), lambda: f"{count}, not {metrics()}")

    count = ask_every_worker(server)
    settles(count)
    before = server.worker_pids()
    server.signal(signal.SIGHUP)
    server.wait_for_workers(2, besides=before)
    settles(count)
    count += ask_every_worker(server)
    settles(count)
    killed = server.worker_pids()[0]
    ready = server.log_position()
    os.kill(killed, signal.SIGKILL)
    server.wait_for_log("Worker ready", start=ready)
    assert killed not in server.worker_pids()
    settles(count)


# OpenTelemetry

TRACES = """
import json, os, urllib.request
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

class Exporter(SpanExporter):
    def export(self, spans):
        told = [[os.getpid(), span.name, span.resource.attributes["worker"]] for span in spans]
        urllib.request.urlopen(os.environ["COLLECTOR"], json.dumps(told).encode()).read()
        return SpanExportResult.SUCCESS

def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)
    resource = Resource.create(attributes={"service.name": "api-service", "worker": worker.pid})
    trace.set_tracer_provider(TracerProvider(resource=resource))
    trace.get_tracer_provider().add_span_processor(BatchSpanProcessor(Exporter()))
"""

SPANS = """
import os
from opentelemetry import trace

tracer = trace.get_tracer(__name__)

def answer(path):
    with tracer.start_as_current_span(path):
        return str(os.getpid()).encode()

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [answer(environ["PATH_INFO"])]

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer(scope["path"])})
"""


@pytest.mark.parametrize("worker_class", ALL)
def test_opentelemetry_flushes_when_workers_leave(recipe, worker_class):
    """A batch is sent every five seconds, so what arrives was flushed by the provider's exit handler."""
    with Collector() as collector:
        server = recipe(worker_class, TRACES, SPANS, "--workers", 2, env={"COLLECTOR": collector.url})
        first = server.worker_pids()
        count = ask_every_worker(server, "/first")
        server.signal(signal.SIGHUP)
        second = server.wait_for_workers(2, besides=first)
        later = ask_every_worker(server, "/second")
        assert server.stop() == 0
        spans = [span for body in collector.bodies() for span in json.loads(body)]
    assert len(server.log.matches("Worker spawned")) == 4
    assert {pid for pid, name, _ in spans if name == "/first"} == set(first)
    assert {pid for pid, name, _ in spans if name == "/second"} == set(second)
    assert [name for _, name, _ in spans].count("/first") == count and len(spans) == count + later
    assert all(pid == worker for pid, _, worker in spans)


@pytest.mark.parametrize("worker_class", ALL)
def test_opentelemetry_sends_while_the_worker_serves(recipe, worker_class):
    with Collector() as collector:
        server = recipe(worker_class, TRACES, SPANS,
                        env={"COLLECTOR": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "10"})
        server.get("/early")
        collector.wait_for(lambda bodies: b"/early" in b"".join(bodies), "the span arrives")


# Sentry

SENTRY = """
import os
import sentry_sdk

def post_fork(server, worker):
    sentry_sdk.init(dsn=os.environ["DSN"], traces_sample_rate=1.0, environment="of the file")
"""

ERRORS = """
import os
import sentry_sdk

if os.environ.get("AT_IMPORT"):
    sentry_sdk.init(dsn=os.environ["DSN"], environment="of the file")

if os.environ["KIND"] == "asgi":
    from fastapi import FastAPI
    asgi = FastAPI()

    @asgi.get("/cart/{number}")
    async def cart(number: int):
        raise ValueError(f"cart {number} is broken")
else:
    import flask
    wsgi = flask.Flask(__name__)

    @wsgi.get("/cart/<int:number>")
    def cart(number):
        raise ValueError(f"cart {number} is broken")
"""


# Sentry imports Django where it is installed. Settings that nobody has configured do not stand gevent's patching after
# that, under gunicorn neither.
DJANGO = {"DJANGO_SETTINGS_MODULE": "django.conf.global_settings"}


@pytest.mark.parametrize("worker_class, at_import", [
    ("inline", ""), ("threads", ""), ("gevent", ""), ("threads", "1"), ("gevent", "1"), ("asgi", "1")])
def test_sentry_is_told_of_an_exception_with_its_request(recipe, worker_class, at_import):
    with Collector() as collector:
        server = recipe(worker_class, "" if at_import else SENTRY, ERRORS, "--workers", 2,
                        env={"DSN": f"http://key@127.0.0.1:{collector.port}/1", "AT_IMPORT": at_import,
                             "KIND": worker_class, "NO_PROXY": "*", **DJANGO})
        assert server.get("/cart/7?x=1").status == 500
        event = collector.wait_for(errors, "the error arrives while the worker serves")
        assert server.stop() == 0
    value = event["exception"]["values"][-1]
    assert (value["type"], value["value"]) == ("ValueError", "cart 7 is broken")
    assert event["request"]["url"].endswith("/cart/7") and event["request"]["query_string"] == "x=1"
    assert event["environment"] == "of the file"


def errors(envelopes):
    for envelope in envelopes:
        for line in envelope.splitlines():
            item = json.loads(line)
            if "exception" in item:
                return item
    return None


# ddtrace

DDTRACE = """
def post_worker_init(worker):
    import ddtrace.auto
"""

TRACED = """
import flask

wsgi = flask.Flask(__name__)

@wsgi.get("/traced")
def traced():
    return "served"
"""


def environment_of_ddtrace(url):
    return {"DD_TRACE_AGENT_URL": url, "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
            "DD_REMOTE_CONFIGURATION_ENABLED": "false"}


def test_ddtrace_with_its_agent(recipe):
    with Collector() as collector:
        server = recipe("threads", DDTRACE, TRACED, env=environment_of_ddtrace(collector.url))
        assert server.get("/traced").body == b"served"
        collector.wait_for(lambda bodies: b"GET /traced" in b"".join(bodies), "the span arrives")
        assert server.stop() == 0


def test_ddtrace_without_its_agent(recipe):
    server = recipe("gevent", DDTRACE, TRACED, env=environment_of_ddtrace("http://127.0.0.1:1"))
    assert [server.get("/traced").body for _ in range(3)] == [b"served"] * 3
    assert server.stop() == 0


def test_ddtrace_run(tmp_path):
    """Its sitecustomize starts threads before the server forks."""
    (tmp_path / "module.py").write_text(TRACED)
    with Collector() as collector:
        server = Program([PYTHON.parent / "ddtrace-run", LAUNCHER, "--python", PYTHON, "-k", "threads", "-w", 2,
                          "-b", "127.0.0.1:0", "module:wsgi"], tmp_path, environment_of_ddtrace(collector.url))
        try:
            assert server.wait_until_ready(2).get("/traced").body == b"served"
            collector.wait_for(lambda bodies: b"GET /traced" in b"".join(bodies), "the span arrives")
            assert server.stop() == 0
        finally:
            assert not server.clean_up()


# Hooks of a request, and of the server

REQUEST_IDS = """
import time
import uuid

def pre_request(worker, req):
    given = dict(req.headers).get("X-REQUEST-ID")
    req.request_id = given or uuid.uuid4().hex
    if not given:
        req.headers.append(("X-REQUEST-ID", req.request_id))
    req.started = time.monotonic()
    worker.log.info("[%s] %s %s", req.request_id, req.method, req.path)

def post_request(worker, req, environ, resp):
    worker.log.info("[%s] %s after %.3f s", req.request_id, resp.status, time.monotonic() - req.started)
"""

TELLS_ID = """
def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [environ["HTTP_X_REQUEST_ID"].encode()]

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": dict(scope["headers"])[b"x-request-id"]})
"""


@pytest.mark.parametrize("worker_class", ALL)
def test_request_ids(recipe, worker_class):
    server = recipe(worker_class, REQUEST_IDS, TELLS_ID)
    assert server.get("/a", fields=[("X-Request-Id", "mine")]).body == b"mine"
    made = server.get("/b").body.decode()
    assert len(made) == 32
    for name, path in [("mine", "/a"), (made, "/b")]:
        server.wait_for_log(rf"\[INFO\] \[{name}\] GET {path}$")
        server.wait_for_log(rf"\[INFO\] \[{name}\] 200 OK after 0\.\d+ s$")


EXAMPLE = """
workers = 2
loglevel = "debug"

def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)

def pre_fork(server, worker):
    pass

def pre_exec(server):
    server.log.info("Forked child, re-executing.")

def when_ready(server):
    server.log.info("Server is ready. Spawning workers")

def worker_int(worker):
    worker.log.info("worker received INT or QUIT signal")

    # get traceback info
    import threading, sys, traceback
    id2name = {th.ident: th.name for th in threading.enumerate()}
    code = []
    for threadId, stack in sys._current_frames().items():
        code.append("\\n# Thread: %s(%d)" % (id2name.get(threadId, ""), threadId))
        for filename, lineno, name, line in traceback.extract_stack(stack):
            code.append('File: "%s", line %d, in %s' % (filename, lineno, name))
            if line:
                code.append("  %s" % (line.strip()))
    worker.log.debug("\\n".join(code))

def worker_abort(worker):
    worker.log.info("worker received SIGABRT signal")

def worker_exit(server, worker):
    server.log.info("worker %s leaves", worker.pid)

def on_exit(server):
    server.log.info("the server leaves")
"""


@pytest.mark.parametrize("worker_class", ALL)
def test_the_example_of_gunicorn(recipe, worker_class):
    server = recipe(worker_class, EXAMPLE, TELLS_ID)
    server.wait_for_workers(2)
    server.log.wait_for("Worker ready", count=2)
    assert server.stop(signal.SIGQUIT) == 0
    log = server.error_log()
    assert log.count("worker received INT or QUIT signal") == len(re.findall(r"worker \d+ leaves$", log, re.M)) == 2
    assert log.count("Server is ready. Spawning workers") == 1 and log.count("Worker spawned") == 2
    assert len(re.findall(r"^# Thread: ", log, re.M)) >= 2 and "SIGABRT" not in log and "Traceback" not in log
