"""--rebalance: connections that are idle or held move to workers that have fewer, and their clients do not notice."""

import contextlib
import os
import signal

from support import procfs, wait
from test_moves_upgrade import APP, until


def test_connections_move_to_workers_that_have_fewer(gateway, tmp_path):
    """Of 80, 20 are idle, so that 20 others move while messages are published, each of which comes once."""
    (tmp_path / "upgraded.py").write_text(APP.format(text="one"))
    server = gateway("upgraded:wsgi", "-k", "threads", "--grip", "--workers", 2, "--rebalance",
                     "--pythonpath", tmp_path)
    workers = server.wait_for_workers(2)

    def shares():
        return procfs.connections_per_process(workers, server.port)

    with contextlib.ExitStack() as stack:
        os.kill(workers[0], signal.SIGSTOP)
        try:
            idle, polls, streams = ([stack.enter_context(server.connect()) for _ in range(count)]
                                    for count in (20, 30, 30))
            for client in idle:
                assert client.get("/").status == 200
            for client in streams:
                client.request("GET", "/stream")
            for client in streams:
                client.read_head()
            for client in polls:
                client.request("GET", "/response")
            wait.until(lambda: shares() == [0, 80], "one worker has them all")
        finally:
            os.kill(workers[0], signal.SIGCONT)
        count = 0
        publisher = stack.enter_context(server.connect())

        def are_equal():
            nonlocal count
            assert publisher.get(f"/publish/stream/{count}").status == 200
            count += 1
            return max(shares()) - min(shares()) <= 1
        wait.until(are_equal, lambda: f"each has its half, not {shares()}", timeout=60)

        bodies = [until(client, count + 1) for client in streams]
        for channel in ("response", "stream"):
            assert publisher.get(f"/publish/{channel}/end").status == 200
        expected = [b"begin", *(str(number).encode() for number in range(count)), b"end"]
        for client, lines in zip(streams, bodies):
            lines += until(client, 1)
            assert sorted(lines, key=expected.index) == expected
        for client in polls:
            assert client.read().body == b"end\n"
        for client in idle + polls:
            assert client.get("/").status == 200
