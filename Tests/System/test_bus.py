"""evgateway.bus: messages between the workers of a server, from every worker class; a worker that does not read."""

import json
import os
import signal

import pytest

from support import wait

CLASSES = {
    "inline": ("bussing:wsgi", "-k", "inline"),
    "threads": ("bussing:wsgi", "-k", "threads"),
    "gevent": ("bussing:wsgi", "-k", "gevent"),
    "asgi": ("bussing:asgi", "-k", "asgi"),
}


def clients(server, count=2):
    """A connection to each of so many workers."""
    found, others = {}, []
    while len(found) < count:
        wire = server.connect()
        pid = int(wire.get("/").get("x-worker"))
        if pid in found:
            others.append(wire)     # held, so that the other worker takes the next one
        else:
            found[pid] = wire
    for wire in others:
        wire.close()
    return found


def take(wire, channel="room", seconds=0):
    return json.loads(wire.get(f"/take?channel={channel}&wait={seconds}").body)


def gathered(wire, count, channel="room"):
    """So many messages that have come, lost ones included."""
    messages = []

    def enough():
        messages.extend(take(wire, channel))
        return sum(1 + missed for missed, _ in messages) >= count
    wait.until(enough, f"{count} messages")
    return messages


@pytest.fixture(params=CLASSES)
def server(gateway, request):
    return gateway(*CLASSES[request.param], "--keep-alive", 60, "--workers", 2)


def test_messages_reach_the_other_worker_in_order(server):
    first, second = clients(server).values()
    for wire in (first, second):
        assert wire.get("/subscribe").body == b"subscribed"
    first.get("/publish?count=1000")
    first.get("/publish?channel=elsewhere&text=not+this")
    for wire in (first, second):
        assert gathered(wire, 1000) == [[0, str(number)] for number in range(1000)]
    assert first.get("/close").body == b"closed"
    second.get("/publish?text=last")
    assert gathered(second, 1) == [[0, "last"]]


def test_a_megabyte_passes(server):
    first, second = clients(server).values()
    second.get("/subscribe")
    first.get("/publish?size=1048576&count=3")
    assert gathered(second, 3) == [[0, str(number)] for number in range(3)]


def test_a_callback_is_called(server):
    first, second = clients(server).values()
    second.get("/callback")
    first.get("/publish?count=10")
    wait.until(lambda: len(take(second)) == 10, "10 messages")
    assert take(second) == [[0, str(number)] for number in range(10)]


def test_who_is_slow_is_told_what_it_missed(server):
    first, second = clients(server).values()
    second.get("/subscribe?limit=10")
    first.get("/publish?count=100")
    first.get("/subscribe")     # behind what was published
    wait.until(lambda: second.get("/").status == 200, "it lives")
    messages = []

    def told():
        messages.extend(take(second))
        first.get("/publish?text=more")
        return any(missed for missed, _ in messages)
    wait.until(told, "what was missed is told")
    assert [text for _, text in messages[:10]] == [str(number) for number in range(10)]
    assert next(missed for missed, _ in messages if missed) >= 80


def test_what_cannot_be_published_is_an_error(server):
    wire = server.connect()
    assert json.loads(wire.get("/bad").body) == ["ValueError", "ValueError", "TypeError", "ValueError"]


def test_an_asyncio_task_follows(gateway):
    server = gateway(*CLASSES["asgi"], "--keep-alive", 60, "--workers", 2)
    first, second = clients(server).values()
    assert second.get("/follow?channel=room").body == b"subscribed"
    first.get("/publish?count=100")
    wait.until(lambda: len(take(second)) == 100, "100 messages")
    second.get("/close")
    wait.until(lambda: take(second)[-1] == [0, "closed"], "the iterator ends")


def test_a_stopped_worker_delays_nobody_and_knows_what_it_lost(measured):
    server, metrics = measured(*CLASSES["threads"], "--keep-alive", 60, "--workers", 3, "--timeout", 0)
    found = clients(server, 3)
    (stopped, still), (_, publisher), (_, listener) = found.items()
    for wire in (still, listener):
        wire.get("/subscribe")
    os.kill(stopped, signal.SIGSTOP)
    try:
        for _ in range(30):
            publisher.get("/publish?count=200&size=5000")
            assert len(gathered(listener, 200)) == 200
    finally:
        os.kill(stopped, signal.SIGCONT)
    wait.until(lambda: still.get("/").status == 200, "it goes on")
    publisher.get("/publish?text=last")
    messages = gathered(still, 6001)
    lost = sum(missed for missed, _ in messages)
    assert lost > 0 and len(messages) + lost == 6001
    # On a busy machine some come while the subscription has no room.
    lost -= metrics.value("evgateway_bus_subscriber_dropped_total")
    metrics.wait_for(lost, "evgateway_bus_receiver_dropped_total")
    workers = {str(worker["worker"]): worker["pid"] for worker in metrics.status()["workers"]}
    dropped = metrics.labelled("evgateway_bus_receiver_dropped_total", "worker")
    assert {workers[place] for place, count in dropped.items() if count} == {stopped}
    assert messages[-1][1] == "last"


def test_a_worker_killed_while_it_publishes_leaves_whole_messages(gateway):
    server = gateway(*CLASSES["threads"], "--keep-alive", 60, "--workers", 2)
    found = clients(server)
    (killed, publisher), (_, listener) = found.items()
    listener.get("/subscribe")
    publisher.send(b"GET /publish?count=100000&size=1000 HTTP/1.1\r\nHost: x\r\n\r\n")
    wait.until(lambda: take(listener), "the first messages")
    os.kill(killed, signal.SIGKILL)
    wait.until(
        lambda: killed not in server.worker_pids() and len(server.worker_pids()) == 2, "a successor")
    new = clients(server)
    (successor,) = (wire for pid, wire in new.items() if pid != int(listener.get("/").get("x-worker")))
    take(listener)
    successor.get("/publish?text=after")
    wait.until(lambda: any(text == "after" for _, text in take(listener)), "the successor's message")


def test_it_is_measured(measured):
    server, metrics = measured(*CLASSES["threads"], "--keep-alive", 60, "--workers", 2)
    first, second = clients(server).values()
    second.get("/subscribe")
    first.get("/publish?count=50")
    gathered(second, 50)
    wait.until(lambda: metrics.value("evgateway_bus_messages_total", direction="delivered") == 50, "deliveries")
    wait.until(lambda: metrics.value("evgateway_bus_messages_total", direction="published") == 50, "they are counted")
    assert metrics.value("evgateway_bus_messages_total", direction="received") == 50
    second.get("/subscribe?channel=small&limit=10")
    first.get("/publish?channel=small&count=50")
    metrics.wait_for(40, "evgateway_bus_subscriber_dropped_total")
