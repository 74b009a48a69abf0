"""The same app, clients and published items, once behind Debian's Pushpin and once held by evgateway itself: what the
clients get must be the same, but for DIFFERENCES in support/grip_differences.py."""

import contextlib
import pathlib
import tempfile

import pytest

from conftest import PYTHON
from support import grip_cases, grip_publish, grip_streams
from support.gateway import APPS, Gateway
from support.grip_differences import Comparison
from support.gripped import Plays, Side, key_of
from support.pushpin import Pushpin

CASES = {**grip_cases.CASES, **grip_streams.CASES, **grip_publish.CASES}
assert len({key_of(name) for name in CASES}) == len(CASES)
assert len(CASES) == sum(len(module.CASES) for module in (grip_cases, grip_streams, grip_publish))

APP = ["--bind", "127.0.0.1:0", "-k", "inline", "--python", PYTHON, "--pythonpath", APPS]


@contextlib.contextmanager
def server(*flags):
    started = Gateway([*APP, *flags, "gripped:app"])
    try:
        yield started.wait_until_ready()
    finally:
        left = started.clean_up()
    assert not left, started.error_log()


@contextlib.contextmanager
def behind_pushpin(folder, names):
    folder.mkdir()
    with server() as behind, Pushpin(folder, behind.address) as pushpin:
        side = Side("pushpin", pushpin.address, behind.address, pushpin.publish_address, pushpin.is_held)
        pushpin.until_it_passes_items(side)
        side.knows_channels_of([key_of(name) for name in names])
        yield side


@contextlib.contextmanager
def alone(folder, names):
    folder.mkdir()
    publisher = str(folder / "publish")
    with server("--grip", "--publish-bind", f"unix:{publisher}") as itself:
        # The class inline holds a request in the same turn in which it has asked the app.
        side = Side("evgateway", itself.address, itself.address, publisher,
                    lambda play, requests, channels: len(play.asked()) >= requests)
        side.knows_channels_of([key_of(name) for name in names])
        yield side


@pytest.fixture(scope="module")
def plays(request):
    """All cases that this run asks for."""
    names = [item.callspec.params["name"] for item in request.session.items
             if item.path == request.path and getattr(item, "callspec", None)]
    with tempfile.TemporaryDirectory(prefix="evg") as folder, \
            behind_pushpin(pathlib.Path(folder) / "pushpin", names) as theirs, \
            alone(pathlib.Path(folder) / "evgateway", names) as ours:
        plays = Plays([theirs, ours], {name: CASES[name] for name in names}, key_of)
        yield plays
        plays.close()


@pytest.fixture(scope="module")
def comparison():
    return Comparison()


@pytest.mark.parametrize("name", CASES)
def test_clients_get_the_same(plays, comparison, name):
    comparison.check(name, *plays.both(name))


def test_every_difference_is_needed(comparison):
    if comparison.compared == len(CASES):
        assert not comparison.unused()
