"""A server with an admin socket, and what its /metrics says, read in both forms by Prometheus' own parsers."""

import json

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from . import wait
from .wire import Wire

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Metrics:
    """Of the server whose admin socket is at `path`."""

    def __init__(self, path):
        self.path = str(path)

    def answer(self, accept=None, target="/metrics"):
        with Wire(self.path) as wire:
            return wire.get(target, fields=[("Accept", accept)] if accept else [])

    def status(self):
        return json.loads(self.answer(target="/status").body)

    def workers(self):
        """The pids of the workers."""
        return [worker["pid"] for worker in self.status()["workers"]]

    def families(self):
        """In Prometheus' own form, which the server prefers."""
        return list(plain_families(self.answer().body.decode()))

    def open_families(self):
        return list(open_families(self.answer("application/openmetrics-text").body.decode()))

    def samples(self):
        return [sample for family in self.families() for sample in family.samples]

    def value(self, name, **labels):
        """The sum of the samples with these labels, of which there must be one."""
        found = [sample.value for sample in self.samples()
                 if sample.name == name and labels.items() <= sample.labels.items()]
        assert found, (name, labels)
        return sum(found)

    def labelled(self, name, label):
        """The values of the samples of this name, by their label."""
        return {sample.labels[label]: sample.value for sample in self.samples() if sample.name == name}

    def wait_for(self, expected, name, **labels):
        """Waits until the sum is `expected`, which may be a function, and returns it."""
        is_so = expected if callable(expected) else expected.__eq__
        last = [None]

        def look():
            last[0] = self.value(name, **labels)
            return is_so(last[0])
        wait.until(look, lambda: f"{name} {labels} is as expected, and not {last[0]}")
        return last[0]

    def wait_for_more(self, name, than=0, **labels):
        return self.wait_for(lambda value: value > than, name, **labels)

    def assert_restarts_only(self, cause):
        """Workers have ended for this cause, and for no other."""
        restarts = self.labelled("evgateway_worker_restarts_total", "cause")
        assert {name for name, count in restarts.items() if count} == {cause}, restarts
