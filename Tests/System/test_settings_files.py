"""Configuration files as people have them for gunicorn: each starts and serves, and no name of theirs is taken for a
misspelt setting."""

import json

import pytest

from conftest import PYTHON
from support import wait
from support.settings import run

WSGI = """
import os
import threading


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"wsgi"]


app = application


def create_app():
    return application
"""

ASGI = """
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def root():
    return {"framework": "fastapi"}
"""

DJANGO = """
\"\"\"Gunicorn *production* config file\"\"\"
import multiprocessing
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve(strict=True).parent
name = "mysite"
env = os.environ.get("DJANGO_ENV", "production")
# Django WSGI application path in pattern MODULE_NAME:VARIABLE_NAME
wsgi_app = "mysite.wsgi:application"
loglevel = "debug" if env == "development" else "info"
workers = min(multiprocessing.cpu_count() * 2 + 1, int(os.environ.get("MAX_WORKERS", 2)))
bind = "127.0.0.1:0"
# Restart workers when code changes (development only!)
reload = env == "development"
(BASE_DIR / "log").mkdir(exist_ok=True)
accesslog = str(BASE_DIR / "log" / "access.log")
errorlog = "-"
capture_output = True
pidfile = str(BASE_DIR / "mysite.pid")
daemon = False
worker_tmp_dir = "/dev/shm"
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
max_requests, max_requests_jitter = 1000, 50
timeout = 120
graceful_timeout = 30
keepalive = 5
preload_app = True
raw_env = ["DJANGO_SETTINGS_MODULE=mysite.settings", f"SITE={name}"]


def on_starting(server):
    server.log.info("Starting %s", name)


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
    import sys
    import threading
    import traceback
    id2name = {th.ident: th.name for th in threading.enumerate()}
    for thread_id, stack in sys._current_frames().items():
        worker.log.debug("%s %s", id2name.get(thread_id, ""), traceback.extract_stack(stack))


def worker_abort(worker):
    worker.log.info("worker received SIGABRT signal")
"""

FASTAPI = """
import json
import multiprocessing
import os

workers_per_core_str = os.getenv("WORKERS_PER_CORE", "1")
max_workers_str = os.getenv("MAX_WORKERS")
use_max_workers = None
if max_workers_str:
    use_max_workers = int(max_workers_str)
web_concurrency_str = os.getenv("WEB_CONCURRENCY", None)

host = os.getenv("HOST", "0.0.0.0")
port = os.getenv("PORT", "80")
bind_env = os.getenv("BIND", None)
use_loglevel = os.getenv("LOG_LEVEL", "info")
if bind_env:
    use_bind = bind_env
else:
    use_bind = f"{host}:{port}"

cores = multiprocessing.cpu_count()
workers_per_core = float(workers_per_core_str)
default_web_concurrency = workers_per_core * cores
if web_concurrency_str:
    web_concurrency = int(web_concurrency_str)
    assert web_concurrency > 0
else:
    web_concurrency = max(int(default_web_concurrency), 2)
    if use_max_workers:
        web_concurrency = min(web_concurrency, use_max_workers)
accesslog_var = os.getenv("ACCESS_LOG", "-")
use_accesslog = accesslog_var or None
errorlog_var = os.getenv("ERROR_LOG", "-")
use_errorlog = errorlog_var or None
graceful_timeout_str = os.getenv("GRACEFUL_TIMEOUT", "120")
timeout_str = os.getenv("TIMEOUT", "120")
keepalive_str = os.getenv("KEEP_ALIVE", "5")

# Gunicorn config variables
loglevel = use_loglevel
workers = web_concurrency
bind = use_bind
errorlog = use_errorlog
worker_tmp_dir = "/dev/shm"
accesslog = use_accesslog
graceful_timeout = int(graceful_timeout_str)
timeout = int(timeout_str)
keepalive = int(keepalive_str)

# For debugging and testing
log_data = {
    "loglevel": loglevel,
    "workers": workers,
    "bind": bind,
    "graceful_timeout": graceful_timeout,
    "timeout": timeout,
    "keepalive": keepalive,
    "errorlog": errorlog,
    "accesslog": accesslog,
    # Additional, non-gunicorn variables
    "workers_per_core": workers_per_core,
    "use_max_workers": use_max_workers,
    "host": host,
    "port": port,
}
print(json.dumps(log_data))
"""

FLASK = """
import logging
import os
import pathlib
from gunicorn import glogging

here = pathlib.Path(__file__).parent
debug = os.environ.get("FLASK_DEBUG") == "1"
log_level = os.environ.get("LOG_LEVEL", "INFO")
loglevel = log_level.lower()


class HealthFilter(logging.Filter):
    def filter(self, record):
        return "GET /health" not in record.getMessage()


class Logger(glogging.Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self.access_log.addFilter(HealthFilter())


logger_class = Logger
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": log_level, "handlers": ["console"]},
    "formatters": {"generic": {"format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"}},
    "loggers": {
        "gunicorn.error": {"level": log_level, "handlers": ["console"], "propagate": False, "qualname": "error"},
    },
}
bind = [f"unix:{here / 'flask.sock'}", "127.0.0.1:0"]
umask = 0o007
worker_class = "gthread"
workers, threads = 1, 4
access_log_format = '{"remote": "%(h)s", "request": "%(r)s", "status": "%(s)s", "agent": "%(a)s"}'
accesslog = here / "access.json"
statsd_host = None
reload_extra_files = [str(path) for path in here.glob("templates/*")]
proc_name = "flask"
"""

AIRFLOW = """
from __future__ import annotations

try:
    import setproctitle
except ImportError:
    setproctitle = None

from mysite import settings


def post_worker_init(_):
    \"\"\"Set process title.\"\"\"
    if setproctitle is not None:
        setproctitle.setproctitle(settings.GUNICORN_WORKER_READY_PREFIX + setproctitle.getproctitle())
    print("initialised", settings.GUNICORN_WORKER_READY_PREFIX, flush=True)


def on_starting(server):
    from mysite.providers import ProvidersManager
    ProvidersManager().connection_form_widgets


bind = "127.0.0.1:0"
worker_class = settings.WORKER_CLASS
"""

PROMETHEUS = """
import os

from prometheus_client import multiprocess

bind = "127.0.0.1:0"
workers = int(os.environ.get("GUNICORN_PROCESSES", "2"))
threads = int(os.environ.get("GUNICORN_THREADS", "4"))
forwarded_allow_ips = "*"


def child_exit(server, worker):
    multiprocess.mark_process_dead(worker.pid)
    server.log.info("marked %d", worker.pid)
"""

FROM_ENVIRONMENT = """
import os

for k, v in os.environ.items():
    if k.startswith("GUNICORN_"):
        key = k.split("_", 1)[1].lower()
        locals()[key] = v
"""


@pytest.fixture
def site(tmp_path):
    """A package like those of the cookiecutters, and an app of each kind."""
    package = tmp_path / "mysite"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "wsgi.py").write_text(WSGI)
    (package / "main.py").write_text(ASGI)
    (package / "settings.py").write_text("GUNICORN_WORKER_READY_PREFIX = '[ready] '\nWORKER_CLASS = 'sync'\n")
    (package / "providers.py").write_text("class ProvidersManager:\n    connection_form_widgets = {}\n")
    return tmp_path


@pytest.fixture
def configured(gateway, site):
    def start(text, *words, workers=1, logs_to_output=False, **more):
        (site / "gunicorn.conf.py").write_text(text)
        server = gateway(None, "--python", PYTHON, *words, cwd=site, bare=True, wait=False, **more)
        if logs_to_output:
            server.log, server.output = server.output, server.log
        server.wait_until_ready(workers)
        assert not server.log.matches("no setting"), server.error_log()
        return server
    return start


def told(server):
    """What has no effect, without the place."""
    return sorted(match[1] for match in server.log.matches(r"gunicorn\.conf\.py:\d+: (\w+) has no effect"))


def test_django(configured, site):
    server = configured(DJANGO, workers=2)
    assert server.get("/").body == b"wsgi"
    assert told(server) == ["worker_tmp_dir"]
    for line in ("Starting mysite", "Server is ready", r"Worker spawned \(pid: \d+\)"):
        assert server.log.matches(rf"\[INFO\] {line}"), line
    wait.until(lambda: "GET / HTTP/1.1" in (site / "log" / "access.log").read_text(), "it is logged")
    assert (site / "mysite.pid").read_text().strip() == str(server.pid)
    assert server.stop() == 0


@pytest.mark.parametrize("class_", ["uvicorn.workers.UvicornWorker", "uvicorn_worker.UvicornWorker"])
def test_fastapi(configured, class_):
    """As the images for FastAPI start it."""
    server = configured(FASTAPI, "-k", class_, "-c", "gunicorn.conf.py", "mysite.main:app", workers=2,
                        env={"BIND": "127.0.0.1:0", "WEB_CONCURRENCY": "2", "MAX_WORKERS": "1", "TIMEOUT": "60"})
    assert json.loads(server.get("/").body) == {"framework": "fastapi"} and len(server.worker_pids()) == 2
    printed = [json.loads(line) for line in server.output.text().splitlines() if line.startswith("{")]
    assert len(printed) == 1 and printed[0]["workers"] == 2 and printed[0]["timeout"] == 60
    server.output.wait_for('"GET / HTTP/1.1" 200')
    assert told(server) == ["worker_tmp_dir"]


def test_flask(configured, site):
    server = configured(FLASK, "mysite.wsgi:create_app()", logs_to_output=True)
    assert server.get("/", fields=[("User-Agent", "me")]).body == b"wsgi"
    assert (site / "flask.sock").is_socket()
    assert told(server) == []
    assert server.log.matches(r"Worker ready .*4 threads")
    log = site / "access.json"
    wait.until(lambda: log.exists() and log.read_text(), "it is logged")
    assert json.loads(log.read_text())["agent"] == "me"
    assert server.get("/health").status == 200 and server.stop() == 0
    assert len(log.read_text().splitlines()) == 1   # the filter of the class has held the other one back


def test_airflow(configured):
    """The file imports the package of the app."""
    server = configured(AIRFLOW, "--workers", 2, "--timeout", 120, "--name", "airflow-webserver", "--config",
                        "gunicorn.conf.py", "mysite.wsgi:create_app()", workers=2)
    assert server.get("/").body == b"wsgi"
    server.output.wait_for(r"initialised \[ready\]", count=2)


def test_superset(configured):
    """All on the command line, and nothing in a file."""
    server = configured(
        "", "--bind", "127.0.0.1:0", "--access-logfile", "-", "--error-logfile", "-", "--workers", 1, "--worker-class",
        "gthread", "--threads", 20, "--log-level", "info", "--timeout", 60, "--keep-alive", 2, "--max-requests", 0,
        "--max-requests-jitter", 0, "--limit-request-line", 0, "--limit-request-field_size", 0,
        "mysite.wsgi:create_app()")
    assert server.get("/?" + "x" * 9000).body == b"wsgi"
    assert server.log.matches(r"Worker ready .*20 threads")
    assert not server.log.matches(r"\[WARNING\]"), server.error_log()


def test_prometheus(configured, site):
    metrics = site / "metrics"
    metrics.mkdir()
    server = configured(PROMETHEUS, "mysite.wsgi", workers=2, env={"PROMETHEUS_MULTIPROC_DIR": str(metrics)})
    pids = server.worker_pids()
    for pid in pids:
        (metrics / f"gauge_livesum_{pid}.db").touch()
    assert server.get("/").body == b"wsgi" and server.stop() == 0
    assert sorted(int(match[1]) for match in server.log.matches(r"marked (\d+)")) == pids
    assert not list(metrics.glob("gauge_live*"))


def test_settings_from_variables(configured):
    """What people write to have every setting in the environment: all values are texts."""
    server = configured(FROM_ENVIRONMENT, "mysite.wsgi", workers=2, env={
        "GUNICORN_BIND": "127.0.0.1:0", "GUNICORN_WORKERS": "2", "GUNICORN_TIMEOUT": "90", "GUNICORN_PRELOAD_APP": "1",
        "GUNICORN_RELOAD": "False", "GUNICORN_WORKER_CLASS": "gevent"})
    assert server.get("/").body == b"wsgi" and len(server.worker_pids()) == 2
    assert server.log.matches("Using worker: gevent") and told(server) == []


NAMES = ("cpu_count cores worker_count num_workers max_workers log_level log_file log_dir pid_file app application "
         "debug name env environment host port addr address socket_path user_name base_dir root project path "
         "threads_per_worker worker timeouts key value k v i").split()


def test_helpers_are_left_alone(site):
    """Usual names of variables, beside the settings that some resemble."""
    text = "".join(f"{name} = 'production'\n" for name in NAMES)
    (site / "gunicorn.conf.py").write_text(
        text + "loglevel = 'info'\nerrorlog = '-'\nworkers = 2\ntimeout = 3\npidfile = None\n")
    result = run("--check-config", "--python", PYTHON, "mysite.wsgi", cwd=site)
    assert result.returncode == 0, result.stderr
