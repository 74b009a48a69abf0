"""--sticky: what belongs to one worker is served by it, wherever its connection was accepted. With real Socket.IO
clients that poll, which no server with several workers can serve otherwise."""

import asyncio
import collections
import json
import os
import signal

import aiohttp
import pytest
import socketio

from support import wait
from support.gateway import ROOT
from support.nginx import Nginx

SYSTEM = ROOT / "Tests" / "System"
SERVERS = {
    "threads": ("sticky_app:app", "-k", "threads", "--threads", 64, "--pythonpath", SYSTEM / "wsgi_apps"),
    "gevent": ("sticky_app:app", "-k", "gevent", "--pythonpath", SYSTEM / "wsgi_apps"),
    "asgi": ("sticky_app:app", "-k", "asgi", "--pythonpath", SYSTEM / "asgi_apps"),
}
MODES = {"threads": "threading", "gevent": "gevent", "asgi": "asgi"}


@pytest.fixture(params=SERVERS)
def serve(request, measured):
    """Factory: four workers of an app that keeps sessions in memory, and their metrics."""
    def start(*flags, **variables):
        server, metrics = measured(*SERVERS[request.param], "--workers", 4, "--sticky", "query:sid", *flags,
                                   env={"MODE": MODES[request.param], **variables})
        server.workers = wait_for_others(metrics, [])
        return server, metrics
    return start


def wait_for_others(metrics, than):
    """Waits until four workers serve, none of which is one of those; returns them."""
    return wait.until(
        lambda: metrics.value("evgateway_workers", state="ready") == 4
        and len(workers := metrics.workers()) == 4 and not set(workers) & set(than) and workers,
        lambda: f"four others than {than} serve, and not {metrics.workers()}")


class Client:
    """A client that polls, and knows which worker has its session."""

    def __init__(self, **options):
        self.io = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.5, **options)
        self.sessions = 0
        self.io.on("connect", self.connected)

    async def connected(self):
        self.sessions += 1

    async def start(self, url, transports=("polling",)):
        await self.io.connect(url, transports=list(transports), wait_timeout=30)
        return self

    async def add(self):
        return await self.io.call("add", timeout=30)

    async def settle(self, than):
        """Calls until the session is another one, whose first call has then been made; returns its worker."""
        while True:
            try:
                pid, count = await asyncio.wait_for(self.add(), 10)
                if self.sessions > than:
                    return pid, count
            except Exception:   # what a client says of a connection that is being lost differs
                pass
            await asyncio.sleep(0.05)


async def start_all(count, url, **more):
    clients = [Client() for _ in range(count)]
    await asyncio.gather(*(client.start(url, **more) for client in clients))
    return clients


async def end_all(clients):
    await asyncio.gather(*(client.io.shutdown() for client in clients))


async def add_five_times(clients):
    """Each has one worker, which counts on. Returns the worker of each."""
    owners = []
    for client in clients:
        owners.append((await client.add())[0])
    for count in range(2, 6):
        answers = await asyncio.gather(*(client.add() for client in clients))
        assert answers == [[owner, count] for owner in owners]
    return owners


def test_fifty_clients_that_poll_have_one_worker_each(serve):
    server, metrics = serve()

    async def talk():
        clients = await start_all(50, f"http://127.0.0.1:{server.port}")
        owners = await add_five_times(clients)
        assert len(set(owners)) > 1
        assert {client.sessions for client in clients} == {1}
        await end_all(clients)

    asyncio.run(talk())
    assert metrics.value("evgateway_sticky_keys_total") >= 50
    assert metrics.value("evgateway_sticky_keys_replaced_total") == 0
    moved = metrics.value("evgateway_sticky_moves_total")
    assert 0 < moved
    assert "[ERROR]" not in server.error_log()


def test_clients_that_upgrade_stay_with_their_worker(serve):
    server, _ = serve(UPGRADES="1")

    async def talk():
        clients = await start_all(12, f"http://127.0.0.1:{server.port}", transports=("polling", "websocket"))
        await add_five_times(clients)
        assert {client.io.transport() for client in clients} == {"websocket"}
        assert {client.sessions for client in clients} == {1}
        await end_all(clients)

    asyncio.run(talk())


def test_sessions_of_a_worker_that_is_killed_begin_anew(serve):
    server, metrics = serve()

    async def talk():
        clients = await start_all(20, f"http://127.0.0.1:{server.port}")
        owners = await add_five_times(clients)
        victim = collections.Counter(owners).most_common(1)[0][0]
        os.kill(victim, signal.SIGKILL)
        for client, owner in zip(clients, owners):
            if owner == victim:
                pid, count = await client.settle(1)
                assert pid != victim and count >= 1
            else:
                assert await client.add() == [owner, 6]
                assert client.sessions == 1
        await end_all(clients)

    asyncio.run(talk())
    wait_for_others(metrics, [])


def test_sessions_begin_anew_after_a_reload(serve):
    server, metrics = serve("--graceful-timeout", 5)

    async def talk():
        clients = await start_all(20, f"http://127.0.0.1:{server.port}")
        await add_five_times(clients)
        server.signal(signal.SIGHUP)
        await asyncio.to_thread(wait_for_others, metrics, server.workers)
        owners = [await client.settle(1) for client in clients]
        assert not {pid for pid, _ in owners} & set(server.workers)
        # And then each stays.
        for client, (owner, count) in zip(clients, owners):
            assert await client.add() == [owner, count + 1]
        await end_all(clients)

    asyncio.run(talk())


def test_connections_of_a_proxy_carry_many_sessions(serve, short_path):
    server, metrics = serve()
    with Nginx(short_path, f"{server.host}:{server.port}") as nginx:
        async def talk():
            connector = aiohttp.UnixConnector(nginx.address, limit=0)
            async with aiohttp.ClientSession(connector=connector) as session:
                clients = [Client(http_session=session) for _ in range(20)]
                await asyncio.gather(*(client.start("http://app") for client in clients))
                assert len(set(await add_five_times(clients))) > 1
                assert {client.sessions for client in clients} == {1}
                await end_all(clients)

        asyncio.run(talk())
    # More often than there are sessions: the proxy's connections go from worker to worker.
    assert metrics.value("evgateway_sticky_moves_total") > 20


# By other keys


@pytest.fixture
def ask(gateway):
    """Factory: a server with four workers, and a function that asks it on a connection of its own."""
    def start(rule, *flags):
        server = gateway("sticky_app:app", "-k", "inline", "--pythonpath", SYSTEM / "wsgi_apps", "--workers", 4,
                         "--sticky", rule, *flags)
        server.wait_for_workers(4)

        def once(target="/", fields=()):
            with server.connect() as wire:
                answer = wire.get(target, fields=list(fields))
                assert answer.status == 200
                return answer
        return server, once
    return start


@pytest.mark.parametrize("rule, name, back", [
    ("header:X-Session", "X-Session", "X-Session"), ("cookie:session", "Set-Cookie", "Cookie")])
def test_session_that_the_app_names_is_served_by_its_worker(ask, rule, name, back):
    _, once = ask(rule)
    owners = set()
    for _ in range(12):
        made = once("/new")
        owner, key = int(made.body), made.get(name).split(";")[0]
        owners.add(owner)
        for calls in (1, 2, 3):
            assert json.loads(once("/", [(back, key)]).body) == {"pid": owner, "calls": calls}
    assert len(owners) > 1


def test_cookie_of_the_servers_own_names_a_worker(ask):
    server, once = ask("cookie")
    first = once("/")
    cookie = first.get("Set-Cookie")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
    owner = json.loads(first.body)["pid"]
    for _ in range(12):
        answer = once("/", [("Cookie", f"a=b; {cookie.split(';')[0]}; c=d")])
        assert json.loads(answer.body)["pid"] == owner and answer.get("Set-Cookie") is None
    # Its successor has its place, and so its clients.
    os.kill(owner, signal.SIGKILL)
    server.log.wait_for("Worker ready", count=5)
    successors = {json.loads(once("/", [("Cookie", cookie.split(";")[0])]).body)["pid"] for _ in range(12)}
    assert len(successors) == 1


def test_address_that_a_proxy_tells_has_one_worker(ask):
    _, once = ask("address")
    owners = set()
    for host in range(1, 16):
        pids = {json.loads(once("/", [("X-Forwarded-For", f"192.0.2.{host}")]).body)["pid"] for _ in range(5)}
        assert len(pids) == 1
        owners |= pids
    assert len(owners) > 1


def test_key_that_nobody_has_named_has_one_worker(ask):
    """An app whose clients choose the key; and one whose keys are forgotten."""
    _, once = ask("query:room")
    owners = {}
    for room in range(16):
        owners[room] = {json.loads(once(f"/?room={room}").body)["pid"] for _ in range(4)}
        assert len(owners[room]) == 1
    assert len(set.union(*owners.values())) > 1


def test_settings_that_are_none_are_refused(gateway):
    for rule in ("cookies", "query", "query:", "header:a b", "address:x"):
        server = gateway("contract:app", "--sticky", rule, wait=False)
        assert server.wait() != 0
        assert "is none of address, cookie, cookie:NAME, query:NAME and header:NAME" in server.error_log()


def test_worker_that_is_stopped_is_waited_for(ask):
    """Its session is there: whoever else would answer would know nothing of it."""
    server, once = ask("header:X-Session")
    made = once("/new")
    owner, key = int(made.body), made.get("X-Session")
    os.kill(owner, signal.SIGSTOP)
    try:
        wires = [server.connect().request("GET", "/", fields=[("X-Session", key)]) for _ in range(8)]
        others = [once("/new") for _ in range(8)]
        assert str(owner) not in {other.body.decode() for other in others}
    finally:
        os.kill(owner, signal.SIGCONT)
    answers = [json.loads(wire.read().body) for wire in wires]
    assert sorted(answer["calls"] for answer in answers) == list(range(1, 9))
    assert {answer["pid"] for answer in answers} == {owner}
    for wire in wires:
        wire.close()


def test_address_decides_before_a_handshake(secured):
    """What has begun with TLS stays; so its connection moves before."""
    server = secured("sticky_app:app", "-k", "inline", "--pythonpath", SYSTEM / "wsgi_apps", "--workers", 4,
                     "--sticky", "address", "--forwarded-allow-ips", "192.0.2.1")
    server.log.wait_for("Worker ready", count=4)
    pids = set()
    for _ in range(12):
        with server.dial() as wire:
            pids.add(json.loads(wire.get("/").body)["pid"])
    assert len(pids) == 1
