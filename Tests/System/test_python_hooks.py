"""gunicorn's hooks by the package alone: the objects that they get, failures, the app with hooks around it."""

import asyncio
import inspect
import logging
import os
import sys

import pytest

from support.package import Package


@pytest.fixture
def package(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    package = Package(monkeypatch)
    yield package
    for name in ("gunicorn.error", "gunicorn.access"):
        logging.getLogger(name).handlers.clear()


def define(package, **hooks):
    package.state.file_was_read({name: package.config.as_hook(name, hook) for name, hook in hooks.items()}, {})


def test_the_server_object(package):
    seen = []
    define(package, when_ready=seen.append)
    package.configured({"workers": 3, "timeout": 30, "proc_name": None, "raw_env": ["A=1", "B=2=3"], "threads": 2,
                        "worker_class": "sync", "loglevel": "warning"},
                       ["127.0.0.1:80", "[::1]:81", "unix:/s", "fd://4", "localhost"])
    assert package.hook("when_ready") is None
    server, = seen
    assert server.pid == os.getpid() and server.num_workers == 3 and server.proc_name == "m:app"
    assert server.address == [("127.0.0.1", 80), ("::1", 81), "/s", 4, ("localhost", 8000)]
    listeners = [str(listener) for listener in server.LISTENERS]
    assert listeners[::2] == ["http://127.0.0.1:80", "unix:/s", "http://localhost"]
    cfg = server.cfg
    assert cfg.env == {"A": "1", "B": "2=3"} and cfg.worker_class_str == "gthread"
    assert cfg.settings["timeout"].get() == 30
    assert cfg.pre_fork(1, 2) is None and cfg.when_ready == seen.append
    with pytest.raises(AttributeError, match="No configuration setting for: nothing"):
        cfg.nothing
    assert server.log.error_log.level == logging.WARNING
    package.configured({"workers": 5, "loglevel": "debug"})
    assert server.cfg.workers == 5 and cfg.workers == 3 and server.log.error_log.level == logging.DEBUG


def test_values_are_as_the_file_has_them(package):
    package.state.file_was_read({}, {"bind": ("a", "b"), "workers": 1})
    package.configured({"bind": ["a", "b"], "workers": 2})
    cfg = package.cfg.Config()
    assert cfg.bind == ("a", "b") and cfg.workers == 2


def test_every_setting_of_gunicorn_has_a_value(package):
    """Of gunicorn's type, also for those that are not served: as the file has it, else the default."""
    gunicorn = pytest.importorskip("gunicorn.config")
    package.state.file_was_read({}, {"statsd_host": "h:1", "workers": 7})
    package.configured({"workers": 2, "threads": None, "worker_class": "gthread", "chdir": None, "keepalive": 75.0,
                        "timeout": 0.5, "pythonpath": ["a", "b"]})
    cfg = package.cfg.Config()
    assert (cfg.statsd_host, cfg.workers, cfg.threads, cfg.chdir) == ("h:1", 2, 8, os.getcwd())
    assert (cfg.keepalive, type(cfg.keepalive), cfg.timeout, cfg.pythonpath) == (75, int, 0.5, "a,b")
    assert (cfg.uid, cfg.gid, cfg.proc_name, cfg.is_ssl) == (os.geteuid(), os.getegid(), "m:app", False)
    theirs = gunicorn.Config()
    for name, value in package.cfg.DEFAULTS.items():
        if name not in ("logger_class", "control_socket", "statsd_host"):
            assert value == getattr(theirs, name) == cfg.settings[name].get(), name
    served = ("access_log_format accesslog asgi_lifespan asgi_loop backlog capture_output check_config config daemon "
              "forwarded_allow_ips forwarder_headers header_map http2_cleartext http2_initial_window_size "
              "http2_max_concurrent_streams http2_max_frame_size http2_max_header_list_size "
              "logconfig logconfig_dict logconfig_json "
              "proxy_allow_ips proxy_protocol secure_scheme_headers "
              "enable_stdio_inheritance errorlog graceful_timeout initgroups limit_request_field_size "
              "limit_request_fields limit_request_line loglevel max_requests max_requests_jitter paste pidfile "
              "preload_app print_config raw_env raw_paste_global_conf reload reload_engine reload_extra_files "
              "reuse_port root_path tmp_upload_dir umask websocket_max_message_size "
              "worker_connections wsgi_app")
    assert {name for name in theirs.settings if not hasattr(cfg, name)} == set(served.split())


def test_what_a_worker_tells_of_itself(package):
    seen = []

    def look(*arguments):
        worker = next(each for each in arguments if hasattr(each, "nr"))
        seen.append((worker.booted, worker.nr, worker.aborted, hasattr(worker, "wsgi"), worker.max_requests))

    package.told["worker"] = [0, 1, 1, 3]
    me = [0, 1, os.getpid()]
    define(package, pre_fork=look, post_worker_init=look, worker_int=look, pre_request=look)
    package.configured({"max_requests": 0})
    package.hook("pre_fork", [0, 1, 0])
    package.host.app = print
    package.hook("post_worker_init", me)
    package.hook("worker_int", me)
    application, _ = package.requests.wrap(lambda environ, start_response: [], False)
    package.told["worker"] = [0, 1, 1, 4]
    application(ENVIRON, None)
    package.hook("worker_int", [0, 2, os.getpid()])
    assert seen == [(False, 0, False, False, sys.maxsize), (False, 3, False, True, sys.maxsize),
                    (True, 3, False, True, sys.maxsize), (True, 3, False, True, sys.maxsize),
                    (True, 4, False, True, sys.maxsize)]


def test_variable_without_a_value_is_removed(package, monkeypatch):
    monkeypatch.setenv("ALIKE_A", "shell")
    set_environment = package.state.set_environment
    set_environment(package.values.encode([["ALIKE_A", None], ["ALIKE_B", "2"]]))
    assert ("ALIKE_A" in os.environ, os.environ["ALIKE_B"]) == (False, "2")
    set_environment(package.values.encode([["ALIKE_B", None]]))
    assert "ALIKE_B" not in os.environ


def test_one_worker_object_from_fork_to_exit(package):
    workers = []

    def pre_fork(server, worker):
        assert worker.pid == "[booting]" and worker.alive and server.WORKERS == {}
        worker.mine = 1
        workers.append(worker)

    define(package, pre_fork=pre_fork, child_exit=lambda server, worker: workers.append(worker))
    package.hook("pre_fork", [0, 1, 0])
    package.told["workers"] = [[0, 1, 77]]
    server = package.arbiter.server
    assert server.WORKERS == {77: workers[0]} and server.worker_age == 1
    package.told["workers"] = []
    package.hook("child_exit", [0, 1, 77])
    assert workers[0] is workers[1] and not workers[0].alive and server.WORKERS == {}


def test_workers_are_known_without_a_hook_of_theirs(package):
    define(package, when_ready=lambda server: None)
    assert set(package.values.decode(package.state.defined_hooks(b"n"))) == {
        "when_ready", "pre_fork", "child_exit", "nworkers_changed"}
    package.hook("nworkers_changed", None, 4, 2)
    assert package.arbiter.server.num_workers == 4
    define(package, pre_request=lambda worker, request: None)
    assert package.values.decode(package.state.defined_hooks(b"n")) == ["pre_request"]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(7), KeyboardInterrupt()])
@pytest.mark.parametrize("name, words", [
    ("on_starting", "Exception in on_starting hook"), ("post_fork", "Exception in worker process")])
def test_failures(package, name, words, error):
    def fail(*arguments):
        raise error

    define(package, **{name: fail})
    answer = package.hook(name, [0, 1, 5])
    assert answer["reason"].startswith(f"the hook {name} failed: {type(error).__name__}")
    assert package.log == [(logging.ERROR, words)]
    assert "in fail" in package.text[0] and package.text[0].endswith("\n")


def test_worker_int_is_called_once(package):
    seen = []
    define(package, worker_int=seen.append)
    package.hook("worker_int", [0, 1, 5])
    package.hook("worker_int", [0, 1, 5])
    assert len(seen) == 1


def test_the_heartbeat_file_is_explained(package):
    seen = []
    define(package, worker_int=seen.append)
    package.hook("worker_int", [0, 1, 5])
    with pytest.raises(RuntimeError, match="there is nothing to call"):
        seen[0].tmp.notify()


def test_logging_of_gunicorn_reaches_the_error_log(package):
    package.configured({"loglevel": "info"})
    package.loggers.prepare()
    log = logging.getLogger("gunicorn.error")
    log.debug("hidden")
    log.info("a %s", "b")
    logging.getLogger("gunicorn.access").info("c")
    assert package.log == [(20, "a b"), (20, "c")] and not log.propagate
    package.loggers.prepare()
    assert len([handler for handler in log.handlers if isinstance(handler, package.errorlog.Handler)]) == 1


def test_loggers_wait_for_logging(package, monkeypatch):
    monkeypatch.delitem(sys.modules, "logging")
    package.loggers.prepare()
    assert sys.meta_path[0] is package.loggers.Finder and "evgateway.errorlog" not in sys.modules
    import logging as fresh
    assert package.loggers.Finder not in sys.meta_path
    fresh.getLogger("gunicorn.error").warning("here")
    assert package.log == [(30, "here")] and type(fresh.__loader__).__module__ != "evgateway.loggers"


ENVIRON = {"REQUEST_METHOD": "GET", "RAW_URI": "/a%20b?c", "QUERY_STRING": "c", "SERVER_PROTOCOL": "HTTP/1.1",
           "REMOTE_ADDR": "1.2.3.4", "REMOTE_PORT": "5", "wsgi.url_scheme": "https", "HTTP_X_A": "1",
           "CONTENT_TYPE": "", "CONTENT_LENGTH": "3", "wsgi.input": object()}


SCOPE = {"type": "http", "method": "GET", "path": "/é", "raw_path": b"/%C3%A9", "query_string": b"q=1",
         "http_version": "1.0", "client": None, "scheme": "http", "headers": [(b"x-a", b"1")]}


def wrapped(package, app, **hooks):
    package.told["worker"] = [0, 1, 1, 9]
    define(package, **hooks)
    return package.requests.wrap(app, inspect.iscoroutinefunction(app))


def test_a_wsgi_app_with_hooks(package):
    seen = []

    def app(environ, start_response):
        start_response("404 Not Found", [("A", "b")])
        return [b"ab", b"c"]

    def post(worker, request, environ, response):
        seen.append((response.status, response.status_code, response.headers, response.sent, worker.nr, environ))

    application, kind = wrapped(
        package, app, pre_request=lambda worker, request: seen.append(request), post_request=post)
    heads = []
    body = application(ENVIRON, lambda *head: heads.append(head))
    assert type(body) is kind and body.body == [b"ab", b"c"] and len(seen) == 1
    assert heads == [("404 Not Found", [("A", "b")])]
    request = seen[0]
    assert (request.method, request.path, request.query, request.uri) == ("GET", "/a%20b", "c", "/a%20b?c")
    assert request.version == (1, 1) and request.remote_addr == ("1.2.3.4", 5) and request.scheme == "https"
    assert request.headers == [("X-A", "1"), ("CONTENT-LENGTH", "3")]
    assert request.body is ENVIRON["wsgi.input"] and request.trailers == [] and request.fragment == ""
    body.close()
    assert seen[1] == ("404 Not Found", 404, [("A", "b")], 3, 9, ENVIRON)
    assert package.interface.of(application) == "wsgi" and application.__wrapped__ is app


@pytest.mark.parametrize("count", [2, 3, 4])
def test_post_request_gets_what_it_takes(package, count):
    seen = []
    names = "abcd"[:count]
    post = eval(f"lambda {', '.join(names)}: seen.append(({', '.join(names)}))", {"seen": seen})
    application, _ = wrapped(package, lambda environ, start_response: iter([b"x"]), post_request=post)
    body = application(ENVIRON, None)
    assert list(body) == [b"x"]
    body.close()
    assert len(seen[0]) == count


def test_pre_request_changes_the_headers(package):
    def pre(worker, request):
        request.headers.append(("X-REQUEST-ID", "7"))
        request.headers.append(("X-A", "2"))

    environ = dict(ENVIRON)
    application, _ = wrapped(package, lambda environ, start_response: [environ], pre_request=pre)
    changed, = application(environ, None)
    assert changed == {**ENVIRON, "HTTP_X_A": "1,2", "HTTP_X_REQUEST_ID": "7"}

    async def app(scope, receive, send):
        await send(scope["headers"])

    sent = []

    async def send(headers):
        sent.extend(headers)

    application, _ = wrapped(package, app, pre_request=pre)
    asyncio.run(application({**SCOPE, "headers": [(b"x-a", b"1")]}, None, send))
    assert sent == [(b"x-a", b"1"), (b"x-request-id", b"7"), (b"x-a", b"2")]


def test_a_message_of_several_lines(package):
    package.configured({})
    package.errorlog.Log().info("%s of\nlines\x1b\n", "report")
    assert package.log == [(20, "report of")] and package.text == ["lines\\x1b\n\n"]


def test_failures_around_a_request(package):
    def app(environ, start_response):
        raise KeyError("app")

    def refuse(*arguments):
        raise ValueError("hook")

    application, _ = wrapped(package, app, post_request=refuse)
    with pytest.raises(KeyError):
        application(ENVIRON, None)
    assert package.log == [(40, "Exception in post_request hook")]
    application, _ = wrapped(package, app, pre_request=refuse)
    with pytest.raises(ValueError):
        application(ENVIRON, None)


def test_the_body_is_closed_before_post_request(package):
    seen = []

    class Answer:
        def __iter__(self):
            return iter([b"x"])

        def close(self):
            seen.append("closed")
            raise OSError

    application, _ = wrapped(package, lambda environ, start_response: Answer(),
                             post_request=lambda worker, request: seen.append("post"))
    with pytest.raises(OSError):
        application(ENVIRON, None).close()
    assert seen == ["closed", "post"]


def test_an_asgi_app_with_hooks(package):
    seen, sent = [], []

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]})
            await send({"type": "http.response.body", "body": b"abc"})

    async def send(message):
        sent.append(message)

    application, _ = wrapped(package, app, pre_request=lambda worker, request: seen.append(request),
                             post_request=lambda *arguments: seen.append(arguments[3]))
    assert package.interface.of(application) == "asgi"
    asyncio.run(application(SCOPE, None, send))
    request, response = seen
    assert (request.uri, request.path, request.version) == ("/%C3%A9?q=1", "/é", (1, 0))
    assert request.headers == [("X-A", "1")] and request.peer_addr == ""
    assert (response.status, response.headers, response.sent) == ("201 Created", [("a", "b")], 3)
    assert len(sent) == 2
    asyncio.run(application({"type": "lifespan"}, None, send))
    assert len(seen) == 2
