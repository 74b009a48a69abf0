"""The admin side of a server, asked over a unix socket."""

import contextlib
import json

from . import wait
from .wire import Wire


class Administration:
    """`flags` make a server listen for it at `path`."""

    def __init__(self, path):
        self.path = str(path)
        self.flags = ("--admin-bind", f"unix:{path}")

    def ask(self, target):
        with Wire(self.path) as wire:
            return wire.get(target)

    def json(self, target):
        answer = self.ask(target)
        assert (answer.status, answer.get("content-type")) == (200, "application/json"), answer
        return json.loads(answer.body)

    def wait_until_there(self):
        def there():
            with contextlib.suppress(OSError):
                return self.ask("/livez").status == 200
        wait.until(there, "the admin process answers")
        return self

    def status(self):
        return self.json("/status")

    def tables(self, worker=None):
        return self.json("/connections" + ("" if worker is None else f"?worker={worker}"))["workers"]

    def connections(self):
        return [connection for table in self.tables() for connection in table["connections"]]

    def of(self, wire):
        """What is told of a client's connection; None while it is not known."""
        host, port = wire.socket.getsockname()[:2]
        found = [one for one in self.connections() if one["peer"] == f"{host}:{port}"]
        assert len(found) <= 1
        return found[0] if found else None

    def wait_for(self, wire, state, waits_for=""):
        """Waits until a client's connection is in this state, and returns what is told of it then."""
        def seen():
            one = self.of(wire)
            return one if one and one["state"] == state and one["waits_for"].startswith(waits_for) else None
        return wait.until(seen, lambda: f"the connection is {state} and waits for {waits_for}, not {self.of(wire)}")
