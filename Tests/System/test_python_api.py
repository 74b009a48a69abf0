"""evgateway.serve() and evgateway.run() in programs: what is served, where, with what; how it ends; what it leaves."""

import contextlib
import json
import os
import signal

import pytest
import websocket

from support.wire import Wire

HEAD = """
import os, signal, sys, threading
import evgateway

def app(environ, start_response):
    start_response("200 OK", [])
    return [f"{environ['PATH_INFO']} {environ['wsgi.multiprocess']} {sys.argv[1:]}".encode()]

"""

MODULE = """
import sys

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]

def create_app(word="made"):
    def made(environ, start_response):
        start_response("200 OK", [])
        return [word.encode()]
    return made

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"asgi"})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_wsgi_callable(program, number):
    """The code after serve() runs, in the program alone, and without a KeyboardInterrupt."""
    server = program(HEAD + """
if __name__ == "__main__":
    print("before", evgateway.worker)
    try:
        print("returns", evgateway.serve(app, port=0, workers=2, threads=3))
    finally:
        print("after", evgateway.worker)
""", "word", workers=2)
    assert server.get("/p").body == b"/p True ['word']"
    assert len(server.log.matches(r"WSGI app __main__:app, on 3 threads")) == 2
    assert server.stop(number) == 0
    assert server.said() == ["before None", "returns None", "after None"]


def test_ctrl_c_of_a_terminal_reaches_the_whole_group(program):
    server = program(HEAD + "evgateway.serve(app, port=0, workers=2)\nprint('after')\n", workers=2)
    os.killpg(server.pid, signal.SIGINT)
    assert server.wait() == 0
    assert server.said() == ["after"] and "Traceback" not in server.error_log()


def test_a_fastapi_app(program):
    server = program("""
import evgateway, fastapi
app = fastapi.FastAPI()

@app.get("/items/{number}")
async def item(number: int):
    return {"number": number}

evgateway.serve(app, port=0, workers=2)
""", workers=2)
    assert json.loads(server.get("/items/7").body) == {"number": 7}
    assert "ASGI app __main__:app" in server.error_log()


@pytest.mark.parametrize("call, body", [
    ("serve('module:app', port=0)", b"wsgi"), ("serve('module:create_app(\"x\")', port=0)", b"x"),
    ("serve('module:create_app', factory=True, port=0)", b"made"), ("serve('module:asgi', port=0)", b"asgi"),
    ("run('module:create_app', port=0, factory=True, log_level='trace', access_log=False)", b"made"),
    ("run(module.create_app, port=0, factory=True)", b"made"),
])
def test_apps(program, tmp_path, call, body):
    (tmp_path / "module.py").write_text(MODULE)
    server = program(f"import evgateway, module\nif __name__ == '__main__':\n    evgateway.{call}\n")
    assert server.get().body == body


def test_a_program_that_serves_itself_by_name(program):
    server = program(HEAD + "if __name__ == '__main__':\n    evgateway.serve('program:app', port=0, workers=2)\n",
                     workers=2)
    assert server.get("/").status == 200 and server.stop() == 0


@pytest.mark.parametrize("arguments, count", [
    ("host='127.0.0.1', port=0", 1), ("bind='127.0.0.1:0'", 1), ("listen='127.0.0.1:0 127.0.0.1:0'", 2),
    ("bind=('127.0.0.1:0', 'unix:s'), listen=['127.0.0.1:0']", 3), ("unix_socket='s', listen='127.0.0.1:0'", 2),
])
def test_addresses(program, tmp_path, arguments, count):
    server = program(HEAD + f"evgateway.serve(app, {arguments})\n")
    assert len(server.log.matches("Listening at")) == count
    if "s'" in arguments.replace("bind='", ""):
        descriptor = os.open(tmp_path, os.O_RDONLY)     # the name of the folder may be too long
        try:
            with Wire(f"/proc/self/fd/{descriptor}/s") as wire:
                assert wire.get().status == 200
        finally:
            os.close(descriptor)
    assert server.get().status == 200


def test_uvicorn_lets_a_socket_win_over_host_and_port(program):
    server = program(HEAD + "evgateway.run(app, host='127.0.0.1', port=1, uds='s', log_level='info')\n")
    assert [match[1] for match in server.log.matches(r"Listening at: (\S+)")] == ["unix:s"]


def test_every_keyword_of_uvicorn(program, tmp_path):
    (tmp_path / "variables").write_text("OF_THE_FILE=told\n")
    server = program("""
import os
import evgateway

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})
        return
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": f"{scope['root_path']} {os.environ['OF_THE_FILE']}".encode()})

evgateway.run(
    app, host="127.0.0.1", port=0, uds=None, fd=None, loop="asyncio", http="auto", ws="auto", ws_max_size=1,
    ws_max_queue=1, ws_ping_interval=None, ws_ping_timeout=1.0, ws_per_message_deflate=True, lifespan="on",
    interface="auto", reload=False, reload_dirs=None, reload_includes=None, reload_excludes=None, reload_delay=0.25,
    workers=2, env_file="variables", log_config=None, log_level="debug", access_log=True, proxy_headers=True,
    server_header=False, date_header=True, forwarded_allow_ips=None, root_path="/api", limit_concurrency=10,
    limit_max_requests=None, backlog=2048, timeout_keep_alive=5, timeout_notify=30, timeout_graceful_shutdown=None,
    timeout_worker_healthcheck=5, callback_notify=None, ssl_keyfile=None, ssl_certfile=None, ssl_keyfile_password=None,
    ssl_version=17, ssl_cert_reqs=0, ssl_ca_certs=None, ssl_ciphers="TLSv1", headers=[], use_colors=None, app_dir=None,
    factory=False, h11_max_incomplete_event_size=None)
""", workers=2)
    answer = server.get("/x")
    assert answer.body == b"/api told" and answer.get("server") is None
    server.output.wait_for("GET /x")
    with contextlib.closing(websocket.create_connection(f"ws://127.0.0.1:{server.port}/", timeout=30)) as client:
        client.send("too long")
        assert client.recv_data()[1][:2] == (1009).to_bytes(2, "big")
    assert "no effect" not in server.error_log()


def test_settings_and_hooks_as_keywords(program):
    server = program(HEAD + """
evgateway.serve(app, port=0, accesslog="-", access_log_format="%(m)s %(U)s", worker_class="gthread", timeout=7.5,
                when_ready=lambda server: print("ready", server.cfg.timeout, server.cfg.worker_class),
                post_fork=lambda server, worker: print("forked", worker.age),
                pre_request=lambda worker, request: request.headers.append(("X-A", "1")),
                post_request=lambda worker, request, environ, response: print("done", environ["HTTP_X_A"]),
                on_exit=lambda server: print("exit"))
print("after")
""")
    assert server.get("/x").status == 200
    server.output.wait_for("done 1")
    assert server.stop() == 0
    said = server.said()
    assert sorted(said[:2]) == ["forked 1", "ready 7.5 threads"] and said[-2:] == ["exit", "after"]
    assert "GET /x" in said


@pytest.mark.parametrize("arguments, told", [
    ("time_out=3", "TypeError: serve() got an unexpected keyword argument 'time_out'; did you mean 'timeout'?"),
    ("wsgi_app='a:b'", "TypeError: serve() got an unexpected keyword argument 'wsgi_app'"),
    ("port=1, listen='a:1'", "TypeError: serve() takes either host and port, or bind, listen and unix_socket"),
    ("post_fork=lambda server: 0", "TypeError: the hook 'post_fork' must take 2 arguments: server, worker"),
    ("workers='x'", "evgateway: evgateway.serve: workers: 'x' is not a whole number of 1 or more"),
    ("worker_class='swift'", "evgateway: evgateway.serve: worker_class: 'swift' is for Swift apps; this one is Python"),
    ("bind='127.0.0.1:99999'",
     "evgateway: evgateway.serve: bind: Cannot listen on 127.0.0.1:99999: the port is a number from 0 to 65535"),
    ("config='nope.py'", "evgateway: nope.py: No such file or directory"),
])
def test_mistakes(program, arguments, told):
    server = program(HEAD + f"""
try:
    evgateway.serve(app, {arguments})
except SystemExit as end:
    print("code", end.code)
    raise
""", workers=None)
    assert server.wait() == 1
    lines = server.error_log().splitlines()
    if told.startswith("evgateway"):
        assert lines == [told] and server.said() == ["code 1"]
    else:
        assert lines[-1] == told


@pytest.mark.parametrize("more, code, told", [
    ("worker_class='asgi'", 4, "'__main__:app' is a WSGI app, and an ASGI app is asked for"),
    ("post_fork=lambda server, worker: 1 / 0", 3, "the hook post_fork failed: ZeroDivisionError"),
    ("when_ready=lambda server: 1 / 0", 1, "the hook when_ready failed: ZeroDivisionError"),
])
def test_what_ends_the_server_is_the_exit_code(program, more, code, told):
    server = program(HEAD + f"evgateway.serve(app, port=0, {more})\n", workers=None)
    assert server.wait() == code and told in server.error_log()


def test_a_server_that_cannot_listen(program):
    server = program(HEAD + "evgateway.serve(app, unix_socket='/nowhere/socket')\n", workers=None)
    assert server.wait() == 1 and "Cannot listen on unix:/nowhere/socket" in server.error_log()


def test_the_main_thread_serves_and_no_other(program):
    server = program(HEAD + """
def serve():
    try:
        evgateway.serve(app, port=0)
    except RuntimeError as error:
        print(error)
thread = threading.Thread(target=serve)
thread.start()
thread.join()
""", workers=None)
    assert server.wait() == 0
    assert server.said() == ["serve() must be called in the main thread: it forks, and takes the signals"]


def test_a_program_that_its_workers_import_must_not_serve_at_import(program):
    server = program(HEAD + "evgateway.serve('program:app', port=0)\n", workers=None)
    assert server.wait() == 3
    assert len(server.log.matches(
        r"\[ERROR\] .*: cannot load 'program': RuntimeError: serve\(\) was called by what is being served: ")) == 1


@pytest.mark.parametrize("worker_class", ["inline", "threads"])
def test_an_app_cannot_serve(program, worker_class):
    server = program(HEAD + f"""
def application(environ, start_response):
    start_response("200 OK", [])
    try:
        evgateway.serve(app, port=0)
    except RuntimeError as error:
        return [str(error).encode()]
evgateway.serve(application, port=0, worker_class="{worker_class}")
""")
    assert server.get().body.startswith(b"serve() was called by what is being served")


def test_a_program_that_has_started_a_thread(program):
    server = program(HEAD + """
stop = threading.Event()
thread = threading.Thread(target=stop.wait)
thread.start()
evgateway.serve(app, port=0)
stop.set()
thread.join()
print("after")
""")
    assert server.get().status == 200
    assert len(server.log.matches(r"\[WARNING\] The master has 2 threads")) == 1
    assert server.stop() == 0 and server.said() == ["after"]


def test_hup_of_a_callable_keeps_the_app(program):
    server = program(HEAD + "evgateway.serve(app, port=0)\nprint('after')\n")
    before = server.worker_pids()
    server.signal(signal.SIGHUP)
    server.wait_for_workers(1, besides=before)
    assert server.get().status == 200 and server.stop() == 0 and server.said() == ["after"]


def test_hup_of_an_app_by_name_reads_it_again(program, tmp_path):
    (tmp_path / "module.py").write_text(MODULE)
    server = program("import evgateway\nevgateway.serve('module:app', port=0)\n")
    assert server.get().body == b"wsgi"
    before = server.worker_pids()
    (tmp_path / "module.py").write_text(MODULE.replace('b"wsgi"', 'b"another one"'))
    server.signal(signal.SIGHUP)
    server.wait_for_workers(1, besides=before)
    assert server.get().body == b"another one"
