"""The driver of asyncio by the package alone."""

import sys

import pytest

from support.package import Package


@pytest.fixture
def package(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    return Package(monkeypatch)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_stop_that_comes_again_does_not_cut_the_end_short(package, loop):
    """A pump that waits for its turn when the worker's loop has ended stops the loop a second time."""
    stub = sys.modules["_evgateway"]
    stub.asgi_setup, stub.asgi_time_left, stub.asgi_tasks = lambda *_: None, lambda: 5.0, list
    driver = package.asgi.Driver(None, loop, "off", 1.0)
    driver.loop.call_soon(driver.loop.stop)
    driver.loop.run_forever()
    driver.loop.call_soon(driver.loop.stop)
    driver.end()
    assert driver.loop.is_closed()
