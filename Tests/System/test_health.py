"""`--health-path`: the server says itself how it is, whatever the app does."""

from signal import SIGHUP, SIGTERM

from support import wait
from support.classes import CLASSES
from support.wire import Wire

PATH = ("--health-path", "/healthz", "--health-path", "/readyz")


def test_server_answers_for_itself(gateway, called_by, tmp_path):
    access = tmp_path / "access.log"
    server = gateway(*CLASSES[called_by], *PATH, "--max-requests", 3, "--access-logfile", access,
                     "--access-logformat", "%(U)s %(s)s")
    for path in ("/healthz", "/readyz", "/healthz?x=1", "/healthz"):
        answer = server.get(path)
        assert (answer.status, answer.body, answer.get("cache-control")) == (200, b"ok\n", "no-store"), path
    assert server.connect().request("HEAD", "/healthz").read("HEAD").status == 200
    assert server.connect().request("POST", "/healthz", body=b"x").read().status == 405
    assert server.get("/healthz/more").body == b"me None" == server.get("/health").body
    wait.until(lambda: "/health 200\n" in access.read_text(), access.read_text)
    assert access.read_text().splitlines()[:2] == ["/healthz 200", "/readyz 200"]
    # They are no requests of the app's.
    assert len(server.worker_pids()) == 1 and not server.log.matches("max requests")


def test_stuck_worker_and_full_worker_answer(gateway):
    server = gateway("contract:app", "-k", "threads", "--threads", 1, "--connections", 2, *PATH)
    held = [server.connect().send("GET / HTTP/1.1\r\nHost: a\r\n") for _ in range(2)]
    assert [server.get("/healthz").status for _ in range(5)] == [200] * 5
    answer = server.connect().request("GET", "/").read()
    assert answer.status == 503 and answer.closes
    held[0].close()
    wait.until(lambda: server.get("/").status == 200, "there is room again")


def test_server_that_stops_says_so_and_a_worker_that_is_replaced_does_not(gateway):
    server = gateway("contract:app", *PATH, "--shutdown-delay", 60, "--keep-alive", 60)
    old = Wire(server.address)
    assert old.get("/healthz").status == 200
    (before,) = server.worker_pids()
    server.signal(SIGHUP)
    server.log.wait_for(r"\[INFO\] Reloaded")
    assert server.get("/healthz").status == 200 and server.worker_pids() != [before]
    server.signal(SIGTERM)
    wait.until(lambda: server.get("/healthz").status == 503, "it says that it leaves")
    assert server.get("/healthz").body == b"leaving\n" and server.get("/").status == 200
    server.signal(SIGTERM)
    assert server.wait() == 0
