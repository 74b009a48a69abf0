"""What the proxies of Examples/deploy do with a request whose connection to the app broke before the answer."""

import http.client
import os
import signal

import pytest

from conftest import PYTHON, end
from support.breaking import Breaking
from support.fronts import FOLDER, FRONTS
from support.gateway import Gateway
from support.load import Load


@pytest.fixture(params=["nginx", "haproxy"])
def front(request, short_path):
    """Factory: the proxy before an address."""
    own = short_path / "front"
    own.mkdir(mode=0o755)
    return lambda upstream: FRONTS[request.param](own, upstream)


@pytest.fixture(params=["unix", "tcp"])
def breaking(request, short_path):
    """Factory of a server that breaks connections."""
    def make(*arguments, **more):
        server = Breaking(str(short_path / "app") if request.param == "unix" else ("127.0.0.1", 0), *arguments, **more)
        if request.param == "unix":
            os.chmod(short_path / "app", 0o666)
        return server
    return make


def ask(front, method="GET", target="/", body=None):
    """The status; 0 if the connection was closed without an answer."""
    connection = http.client.HTTPConnection(*front.address, timeout=30)
    try:
        connection.request(method, target, body=body, headers={"Host": "hello.example"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return 0
    finally:
        connection.close()


@pytest.mark.parametrize("name, idle", [("apache", [200, 502] * 2), ("caddy", [200] * 4)])
def test_other_proxies_repeat_less(short_path, name, idle):
    with Breaking(("127.0.0.1", 0), 1, broken=2) as server, FRONTS[name](short_path, server.address) as proxy:
        assert [ask(proxy) for _ in idle] == idle
    with Breaking(("127.0.0.1", 0), 0, broken=1) as server, FRONTS[name](short_path, server.address) as proxy:
        assert [ask(proxy) for _ in range(2)] == [502, 200]


@pytest.mark.parametrize("resets", [False, True], ids=["closed", "reset"])
def test_request_that_meets_the_close_of_an_idle_connection_is_answered(front, breaking, resets):
    with breaking(1, broken=4, resets=resets) as server, front(server.address) as proxy:
        assert [ask(proxy, target=f"/{number}") for number in range(8)] == [200] * 8
        assert len(server.requests) > 8, "no connection was used twice"


def test_request_of_a_worker_that_died_is_answered(front, breaking):
    with breaking(0, broken=1) as server, front(server.address) as proxy:
        assert [ask(proxy, target=f"/{number}") for number in range(3)] == [200] * 3
        assert server.requests.count("GET /0 HTTP/1.1") == 2


def test_a_post_is_not_sent_twice(front, breaking):
    """It may have been carried out before the worker died."""
    with breaking(0, broken=1) as server, front(server.address) as proxy:
        assert ask(proxy, "POST", body=b"once") in (0, 502)
        assert ask(proxy, "POST", body=b"again") == 200
        assert len(server.requests) == 2


def test_a_worker_that_is_killed_costs_no_answer(front, short_path):
    server = Gateway(["--bind", f"unix:{short_path}/app", "--socket-mode", "666"], cwd=FOLDER,
                     env={"VIRTUAL_ENV": str(PYTHON.parent.parent), "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        server.wait_until_ready(2)
        with front(f"{short_path}/app") as proxy, \
                Load(proxy.address, clients=4, one_shot=2, target="/?{id}", expect="Hello") as load:
            for _ in range(5):
                load.wait_for_more(50)
                before = server.wait_for_workers(2)
                os.kill(before[0], signal.SIGKILL)
                server.wait_for_workers(2, besides=before[:1])
            load.wait_for_more(50)
            load.stop()
        assert set(load.outcomes) == {"ok"}, load.failures[:10]
    finally:
        end([server])
