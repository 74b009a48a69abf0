"""--bus: messages between servers through Redis, which is restarted, refuses, and is out of memory."""

import subprocess

import pytest

from support import wait
from support.chat import Redis
from support.passing import free_port
from test_bus import CLASSES, clients, gathered, take


@pytest.fixture
def redis(short_path):
    with Redis(short_path) as server:
        yield server


def both(gateway, redis, *flags, workers=2, **more):
    """Two servers; `flags` are of the first."""
    url = getattr(redis, "address", f"unix:{redis.path}")
    servers = [gateway(*CLASSES["threads"], "--keep-alive", 60, "--workers", workers, "--bus", url, *own, **more)
               for own in (flags, ())]
    for server in servers:
        server.wait_for_log("The bus reaches other servers through ")
    return servers


def test_messages_reach_every_worker_of_every_server_once(gateway, redis):
    here, there = both(gateway, redis)
    wires = [*clients(here).values(), *clients(there).values()]
    for wire in wires:
        wire.get("/subscribe")

    def reached(wire):
        wires[0].get("/publish?text=first")
        return take(wire)
    # Until the way is open; what comes behind "end" has come after that.
    for wire in wires:
        wait.until(lambda: reached(wire), "the first message")
    wires[0].get("/publish?text=end")
    for wire in wires:
        wait.until(lambda: any(text == "end" for _, text in take(wire)), "the end of them")
    wires[0].get("/publish?count=1000")
    for wire in wires:
        assert gathered(wire, 1000) == [[0, str(number)] for number in range(1000)]
    wires[-1].get("/publish?text=back&size=1048576")
    for wire in wires:
        assert gathered(wire, 1) == [[0, "back"]]


def test_servers_with_another_prefix_hear_nothing(gateway, redis):
    servers = [gateway(*CLASSES["threads"], "--bus", f"unix:{redis.path}?{name}") for name in ("a:", "b:", "a:")]
    for server in servers:
        server.wait_for_log("The bus reaches other servers")
    wires = [server.connect() for server in servers]
    for wire in wires:
        wire.get("/subscribe")
    wires[0].get("/publish?text=hello")
    assert gathered(wires[2], 1) == [[0, "hello"]]
    assert take(wires[1], seconds=0.2) == []


def test_redis_is_killed_and_comes_back(gateway, redis):
    here, there = both(gateway, redis)
    wire, other = here.connect(), there.connect()
    other.get("/subscribe")
    redis.stop()
    for server in (here, there):
        server.wait_for_log("The bus is cut off from other servers: unix:")
    wire.get("/publish?text=meanwhile")
    redis.start()
    for server in (here, there):
        server.wait_for_log("The bus reaches other servers again through")
    messages = []

    def heard():
        wire.get("/publish?text=again")
        messages.extend(take(other, seconds=0.1))
        return any(text == "again" for _, text in messages)
    wait.until(heard, "a message after the restart")
    assert messages[0][0] > 0, "it was told that messages may be missing"
    for server in (here, there):
        assert server.error_log().count("is cut off") == 1


def test_a_redis_that_wants_a_password(gateway, redis):
    command = ["redis-cli", "-s", str(redis.path), "config", "set", "requirepass", "geheim"]
    assert subprocess.run(command, capture_output=True, check=True).stdout.strip() == b"OK"
    server = gateway(*CLASSES["threads"], "--bus", f"unix:{redis.path}")
    server.wait_for_log("The bus is cut off from other servers: unix:.*NOAUTH")
    assert server.get("/").status == 200


def test_logins_to_redis(gateway, short_path):
    port = free_port()
    with Redis(short_path, "--port", port, *"--user ann on >geheim +@all &* ~*".split()) as redis:
        for login, text in (("ann:falsch@", "is cut off from other servers: redis:.*: Redis refuses: WRONGPASS"),
                            ("ann:geheim@", "reaches other servers through redis:")):
            server = gateway(*CLASSES["threads"], "--bus", f"redis://{login}127.0.0.1:{port}/3")
            server.wait_for_log(f"The bus {text}")
            assert server.get("/").status == 200
            assert login not in server.error_log() and "falsch" not in server.error_log()
