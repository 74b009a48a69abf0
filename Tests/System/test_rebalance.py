"""--rebalance: connections that are idle move to workers that have fewer, and their clients do not notice."""

import os
import signal

from support import procfs, wait


def test_idle_connections_move_to_workers_that_have_fewer(gateway):
    server = gateway("contract:app", "-k", "inline", "--workers", 2, "--rebalance")
    workers = server.wait_for_workers(2)
    os.kill(workers[0], signal.SIGSTOP)
    clients = []
    try:
        for _ in range(80):
            client = server.connect()
            assert client.get("/").status == 200
            clients.append(client)
    finally:
        os.kill(workers[0], signal.SIGCONT)
    assert procfs.connections_per_process(workers, server.port) == [0, 80]
    wait.until(lambda: procfs.connections_per_process(workers, server.port) == [40, 40],
               lambda: f"each has its half, not {procfs.connections_per_process(workers, server.port)}", timeout=60)
    for client in clients:
        assert client.get("/").status == 200
        client.close()
