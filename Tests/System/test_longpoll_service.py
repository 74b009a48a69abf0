"""The whole service, as `start` runs it: a proxy, two workers, and a thousand clients."""

import json
import os
import pathlib
import signal

import pytest

from support import procfs
from support.chat import Service, hear, hear_all, say
from support.longpollers import LongPollers

CLIENTS = 1000
TWINS = {"flask": [], "swift": ["--swift"]}
FRONTS = {"nginx": [], "haproxy": ["--haproxy"]}


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("twin", TWINS)
def test_no_client_loses_a_message(short_path, twin, front):
    """A thousand clients wait. During a HUP and a SIGKILL messages are posted. Clients that ask with their last id get
    each of them."""
    with Service(short_path, *TWINS[twin], *FRONTS[front]) as service, LongPollers(service.address, CLIENTS) as crowd:
        said = {}

        def talk(count):
            """Posts so many messages, each while some clients still wait for the one before."""
            for _ in range(count):
                text, status = f"number {len(said)}", None
                while status != 201:  # only the client may repeat a POST: it may have been carried out all the same
                    crowd.turn(0)
                    try:
                        with service.connect() as wire:
                            answer = say(wire, text)
                    except BlockingIOError:  # the proxy must first accept a thousand other connections
                        continue
                    status = answer.status
                    assert status in (201, 502, 503), answer
                crowd.turn(0)
                said[json.loads(answer.body)["id"]] = text

        talk(5)
        crowd.until_all_have(max(said))

        workers = service.worker_pids()
        os.kill(service.master, signal.SIGHUP)
        talk(5)
        crowd.until(lambda: len(set(service.worker_pids()) - set(workers)) == 2, "two new workers have started")
        talk(5)
        crowd.until_all_have(max(said))
        crowd.until(lambda: not set(service.worker_pids()) & set(workers), "the old workers have left")

        workers = service.worker_pids()
        victim = max(workers, key=procfs.descriptor_count)
        assert procfs.descriptor_count(victim) > CLIENTS / 4, "the worker holds no share of the clients"
        os.kill(victim, signal.SIGKILL)
        crowd.until(lambda: victim not in service.worker_pids(), "the worker has died")
        talk(5)
        crowd.until(lambda: len(service.worker_pids()) == 2, "the worker is replaced")
        talk(5)
        crowd.until_all_have(max(said))

        with service.connect() as wire:
            last, texts = hear_all(wire, max(said))
        assert {number: texts[number - 1] for number in said} == said
        wrong = [client.seen for client in crowd.clients if client.seen != list(range(1, last + 1))]
        assert not wrong, f"{len(wrong)} clients have other than every message once and in order: {wrong[:3]}"
        print(f"failures that the clients saw: {dict(crowd.failures)}")


@pytest.mark.parametrize("twin", TWINS)
def test_one_worker_remembers_without_a_file(short_path, twin):
    with Service(short_path, *TWINS[twin], "--memory") as service:
        assert len(service.worker_pids()) == 1
        with service.connect() as wire:
            assert say(wire, "hello").status == 201
            assert hear(wire, 0) == (1, ["hello"])


def test_interrupt_from_the_terminal_ends_all_of_it(short_path):
    """Ctrl-C goes to every process of the group. `Service` fails if any process is left."""
    with Service(short_path) as service, service.connect() as wire:
        wire.request("GET", "/messages?after=0")  # a poll is held
        os.killpg(service.process.pid, signal.SIGINT)
        assert service.process.wait(60) == 0


@pytest.mark.parametrize("part", ["evgateway", "nginx"])
def test_service_ends_when_a_part_of_it_does(short_path, part):
    with Service(short_path) as service:
        names = {"evgateway": service.master, "nginx": "nginx"}
        pid, = [pid for pid in procfs.children(service.process.pid)
                if names[part] in (pid, pathlib.Path(f"/proc/{pid}/comm").read_text().strip())]
        os.kill(pid, signal.SIGTERM)
        assert service.process.wait(60) == 1
        service.errors.wait_for("a part of the service has ended")
