"""Worker class threads at its limits: threads that never come back."""

import threading

from support import wait
from support.wsgi import ask

APP = "Tests/System/wsgi_apps/threads_app.py:app"


def start(gateway, *flags, **more):
    return gateway(APP, "-k", "threads", "--threads", 2, *flags, **more)


def test_worker_whose_threads_never_come_back_is_replaced(gateway, python):
    server = start(gateway, "--timeout", 1, "--graceful-timeout", 1, python=python)
    (stuck,) = server.worker_pids()
    with server.connect() as one, server.connect() as two, server.connect() as waiting:
        one.request("GET", "/hold?id=never")
        two.request("GET", "/hold?id=never")
        server.wait_for_log("holding", count=2)
        waiting.request("GET", "/me")
        server.wait_for_log("No thread has finished a request for 1 s: the worker is replaced")
        server.wait_for_log(r"threads_app\.py.* in hold", count=2)
        server.wait_for_log("Worker ready", count=2)
        wait.until(lambda: stuck not in server.worker_pids(), "the stuck worker leaves")
        assert ask(server, "/me").status_code == 200
    assert "SIGKILL" not in server.error_log()


def test_worker_whose_threads_are_only_busy_stays(gateway):
    server = start(gateway, "--timeout", 1)
    workers = server.worker_pids()
    clients = [threading.Thread(target=lambda: ask(server, "/nap?seconds=0.4")) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(60)
    assert server.worker_pids() == workers and "No thread has finished" not in server.error_log()
