"""--bus where Redis, or the way to it, fails: it refuses, hangs, talks nonsense, has another certificate; and the
process that speaks to it stands still or dies. What is lost is counted, and told to those who have lost it."""

import os
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from support import admin, procfs, wait
from support.chat import Redis
from support.fake_redis import FakeRedis
from support.metrics import Metrics
from support.passing import free_port
from test_bus import CLASSES, gathered, take
from test_bus_redis import both, redis  # noqa: F401

MEGABYTE = 1 << 20


@pytest.fixture
def fake(short_path):
    with FakeRedis(short_path / "fake.sock") as server:
        yield server


@pytest.fixture
def measured_both(gateway, tmp_path):
    """Factory: two servers with the same Redis, connections to a worker of each, and the metrics of the first."""
    def start(redis, **more):
        servers = both(gateway, redis, "--admin-bind", f"unix:{tmp_path}/admin.sock", workers=1, **more)
        wires = [server.connect() for server in servers]
        for wire in wires:
            wire.get("/subscribe")
        # From its first message on, each knows the number of the next one of the other.
        for wire in wires:
            wire.get("/publish?text=first")
            for other in wires:
                assert gathered(other, 1) == [[0, "first"]]
        return servers, wires, Metrics(tmp_path / "admin.sock")
    return start


def missed(messages):
    return sum(count for count, _ in messages)


def admin_of(server):
    pid, = filter(admin.is_admin, procfs.children(server.pid))
    return pid


@pytest.mark.parametrize("reason", [b"OOM command not allowed", b"READONLY You can't write", b"NOPERM \x1b[0m\tno"])
def test_messages_that_redis_refuses(measured_both, fake, reason):
    (here, there), (speaker, listener), metrics = measured_both(fake)
    fake.answer = b"-" + reason + b"\r\n"
    for _ in range(20):
        speaker.get("/publish?count=10")
    metrics.wait_for(200, "evgateway_bus_redis_dropped_total")
    assert missed(gathered(speaker, 200)) == 0, "the server itself has them"
    assert here.error_log().count("Redis refuses what is published: " + reason[:6].decode()) == 1
    assert "\x1b" not in here.error_log()
    fake.answer = None
    speaker.get("/publish?text=again")
    assert gathered(listener, 201) == [[200, "again"]]
    assert metrics.value("evgateway_bus_redis_connected") == 1


def test_a_loss_is_told_though_nothing_follows(measured_both, fake):
    (here, there), (speaker, listener), metrics = measured_both(fake)
    before = fake.published
    fake.answer, fake.once = b"-OOM\r\n", True
    speaker.get("/publish?count=1")
    wait.until(lambda: fake.published >= before + 2, "the other server is told")
    messages = []

    def told():
        listener.get("/publish?text=own")
        messages.extend(take(listener))
        return missed(messages)
    wait.until(told, "the loss is known")
    assert missed(messages) == 1


@pytest.mark.parametrize("answer", [b"$99999999999\r\n", b"*1\r\n" * 100, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_nonsense_cuts_it_off_and_it_comes_back(measured_both, fake, answer):
    (here, there), (speaker, listener), metrics = measured_both(fake)
    fake.answer = answer
    speaker.get("/publish?count=5")
    here.wait_for_log("The bus is cut off from other servers: unix:")
    assert metrics.wait_for_more("evgateway_bus_redis_dropped_total") <= 5
    fake.answer = None
    here.wait_for_log("The bus reaches other servers again")
    speaker.get("/publish?text=again")
    wait.until(lambda: any(text == "again" for _, text in take(listener)), "the message after that")
    assert here.error_log().count("is cut off") == 1


def test_a_redis_that_stands_still_delays_nobody(measured_both, redis):  # noqa: F811
    (here, there), (speaker, listener), metrics = measured_both(redis)
    os.kill(redis.process.pid, SIGSTOP)
    try:
        for _ in range(30):
            speaker.get(f"/publish?size={MEGABYTE}")
            assert len(gathered(speaker, 1)) == 1
        dropped = metrics.wait_for_more("evgateway_bus_redis_dropped_total", than=8)
        assert metrics.value("evgateway_bus_redis_queue_bytes") <= 17 * MEGABYTE
    finally:
        os.kill(redis.process.pid, SIGCONT)
    messages = []

    def ended():
        # The first of them may find the queue full still.
        speaker.get("/publish?text=last")
        messages.extend(take(listener))
        return any(text == "last" for _, text in messages)
    wait.until(ended, "the last message")
    assert missed(messages) >= dropped and len(messages) + missed(messages) >= 31


def test_who_carries_messages_to_redis_stands_still(measured_both, redis):  # noqa: F811
    (here, there), (speaker, listener), metrics = measured_both(redis)
    carrier = admin_of(here)
    os.kill(carrier, SIGSTOP)
    try:
        for _ in range(10):
            speaker.get("/publish?count=1000&size=1000")
            assert len(gathered(speaker, 1000)) == 1000
    finally:
        os.kill(carrier, SIGCONT)
    speaker.get("/publish?text=last")
    messages = gathered(listener, 10_001)
    assert missed(messages) > 0 and len(messages) + missed(messages) == 10_001
    assert metrics.wait_for_more("evgateway_bus_redis_dropped_total") == missed(messages)


def test_who_carries_messages_to_redis_dies(measured_both, redis):  # noqa: F811
    (here, there), (speaker, listener), metrics = measured_both(redis)
    mark = here.log.position()
    os.kill(admin_of(here), SIGKILL)
    here.log.wait_for("The bus reaches other servers", start=mark)
    heard = {speaker: [], listener: []}
    for wire, other in ((speaker, listener), (listener, speaker)):
        def told():
            wire.get("/publish?text=after")
            heard[other].extend(take(other))
            return missed(heard[other])
        wait.until(told, "it knows that something may be lost")


def test_tls_with_an_authority_and_without(gateway, short_path, authority):
    chain, key = authority.issue("redis")
    port = free_port()
    flags = ["--tls-port", port, "--tls-cert-file", chain, "--tls-key-file", key, "--tls-ca-cert-file",
             authority.certificate, "--tls-auth-clients", "no"]
    trusting = {"SSL_CERT_FILE": str(authority.certificate)}
    with Redis(short_path, *flags) as server:
        server.address = f"rediss://localhost:{port}"
        wires = [one.connect() for one in both(gateway, server, workers=1, env=trusting)]
        for wire in wires:
            wire.get("/subscribe")
        wires[0].get(f"/publish?count=20&size={MEGABYTE // 10}")
        assert gathered(wires[1], 20) == [[0, str(number)] for number in range(20)]
        for url, env in ((server.address, {}), (f"rediss://127.0.0.2:{port}", trusting)):
            one = gateway(*CLASSES["threads"], "--bus", url, env=env)
            one.wait_for_log("The bus is cut off from other servers: rediss:.* its certificate is not trusted: ")
            assert one.get("/").status == 200
