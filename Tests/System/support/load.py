"""Clients that keep a server busy and count every outcome. Each request has an id, which its answer must contain."""

import collections
import threading

from . import wire


class Load:
    """`clients` keep-alive connections, each one request at a time at full speed, until stopped.

    `outcomes` counts "ok" and every kind of failure; `failures` holds their text. A connection is reopened when the
    server announced its end, and after a failure.
    """

    def __init__(self, address, clients=4, target="/echo?id={id}", expect='"id={id}"', one_shot=0):
        self.address, self.target, self.expect = address, target, expect
        self.outcomes, self.failures, self.workers = collections.Counter(), [], collections.Counter()
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(number, number >= clients), daemon=True)
            for number in range(clients + one_shot)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "a load client hangs"

    @property
    def total(self):
        with self.lock:
            return sum(self.outcomes.values())

    def wait_for_more(self, count, timeout=60.0):
        """Waits until `count` more requests have been answered well."""
        from . import wait
        start = self.outcomes["ok"]
        wait.until(lambda: self.outcomes["ok"] >= start + count, f"{count} more answers (failures: {self.failures})",
                   timeout)

    def _note(self, outcome, text=None):
        with self.lock:
            self.outcomes[outcome] += 1
            if text is not None:
                self.failures.append(text)

    def _run(self, number, one_shot):
        connection, serial = None, 0
        while not self.stopping.is_set():
            serial += 1
            name, reused = f"{number}-{serial}", connection is not None
            try:
                if connection is None:
                    connection = wire.Wire(self.address)
                fields = [("Connection", "close")] if one_shot else []
                answer = connection.get(self.target.format(id=name), fields=fields)
                if answer.status != 200 or self.expect.format(id=name) not in answer.body.decode("latin-1"):
                    self._note("wrong", f"{name}: {answer}")
                else:
                    self._note("ok")
                if answer.closes:
                    connection.close()
                    connection = None
            except OSError as error:
                self._note(type(error).__name__, f"{name} (reused: {reused}): {error!r}")
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()
