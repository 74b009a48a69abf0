"""Long-lived connections spread over the workers: an imbalance at accept would last as long as the connections."""

from support import procfs, wait


def test_a_thousand_held_connections_spread_evenly(gateway, example):
    server = gateway(example("longpoll-chat"), "--workers", 4, "--connections", 1000)
    workers = server.wait_for_workers(4)
    held = [server.connect().request("GET", "/messages?since=0") for _ in range(1000)]
    try:
        counts = wait.until(
            lambda: (found := procfs.connections_per_process(workers, server.port)) and sum(found) == 1000 and found,
            lambda: f"all are accepted, not {procfs.connections_per_process(workers, server.port)}")
        assert max(counts) / min(counts) <= 1.1, counts
    finally:
        for client in held:
            client.reset()


def test_the_cap_of_every_worker_can_be_filled(gateway, example):
    """A client must be accepted while any worker has room, whatever the balance is."""
    server = gateway(example("longpoll-chat"), "--workers", 2, "--connections", 100)
    workers = server.wait_for_workers(2)
    held = [server.connect().request("GET", "/messages?since=0") for _ in range(200)]
    try:
        wait.until(lambda: procfs.connections_per_process(workers, server.port) == [100, 100],
                   lambda: f"both are full, not {procfs.connections_per_process(workers, server.port)}")
    finally:
        for client in held:
            client.reset()
