"""The chat as it is deployed, started by its one command: a proxy, two workers, Redis, and a thousand clients."""

import json
import os
import pathlib
import signal
import tempfile

import pytest

from support import procfs, wait
from support.chat import Service, hear, say
from support.crowd import Crowd

CLIENTS = 1000
TWINS = {"flask": [], "swift": ["--swift"]}


@pytest.fixture
def short_path():
    """A directory whose name leaves room for a socket's, open to the proxy's user."""
    with tempfile.TemporaryDirectory(prefix="evg") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@pytest.fixture(params=TWINS)
def twin(request):
    return TWINS[request.param]


@pytest.mark.parametrize("front", ["nginx", "haproxy"])
def test_no_client_loses_a_message(short_path, twin, front):
    """A thousand wait; a HUP and a SIGKILL come while messages do. Whoever asks with its last id gets every one."""
    flags = [*twin, "--haproxy"] if front == "haproxy" else twin
    with Service(short_path, *flags) as service, Crowd(service.address, CLIENTS) as crowd:
        said = {}

        def talk(count):
            """Says so many things, each to clients that have not all heard the one before."""
            for _ in range(count):
                text, status = f"number {len(said)}", None
                while status != 201:  # a POST is nobody's to repeat but the client's, and may have counted all the same
                    with service.connect() as wire:
                        answer = say(wire, text)
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
            last, texts = hear(wire, 0)
        assert {number: texts[number - 1] for number in said} == said
        wrong = [client.seen for client in crowd.clients if client.seen != list(range(1, last + 1))]
        assert not wrong, f"{len(wrong)} clients have other than every message once and in order: {wrong[:3]}"
        print(f"failures that the clients saw: {dict(crowd.failures)}")
