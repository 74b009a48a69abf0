"""Worker class gevent with database drivers: two requests wait for each other, so neither may block the worker."""

import pytest

from support.rendezvous import Rendezvous

APP = "Tests/System/wsgi_apps/gevent_drivers.py:app"


@pytest.mark.parametrize("way, protocol", [
    ("psycopg2", "postgres"), ("redis", "redis"), ("requests", "http"), ("makefile", "line"), ("selected", "line"),
    ("polled", "line"), ("subprocess_run", "line"), ("threadpool", "line"), ("barrier_wait", "line"),
    ("condition_wait", "line"), ("queue_get", "line"), ("thread_join", "line")])
@pytest.mark.parametrize("loop", ["libev-cext", "libuv-cffi"])
def test_requests_wait_side_by_side(gateway, way, protocol, loop):
    server = gateway(APP, "-k", "gevent", env={"GEVENT_LOOP": loop})
    with Rendezvous(protocol) as other, server.connect() as first, server.connect() as second:
        first.request("GET", f"/?{way}&{other.port}&0")
        second.request("GET", f"/?{way}&{other.port}&1")
        assert [wire.read().body for wire in (first, second)] == [b"met", b"met"]
