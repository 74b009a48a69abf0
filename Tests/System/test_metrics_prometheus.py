"""Prometheus itself, with the scrape configuration of Examples/deploy: it takes what /metrics says, and every
expression of the dashboard and of the page about metrics has an answer where there is something to show."""

import json
import os
import re
import signal
import socket
import subprocess
import urllib.parse

from support import wait
from support.foreground import Foreground, binary
from support.gateway import ROOT
from support.wire import Wire

DEPLOY = ROOT / "Examples" / "deploy"
PAGE = ROOT / "Sources" / "EvGateway" / "EvGateway.docc" / "Metrics.md"
PLACE = "127.0.0.1:9100"


class Prometheus(Foreground):
    """Scrapes `address` of the server five times a second; what it has stored is in `folder`."""

    def __init__(self, folder, scraped):
        with socket.socket() as probe:
            probe.bind(("127.0.0.9", 0))
            self.address = probe.getsockname()
        text = (DEPLOY / "prometheus.yml").read_text()
        assert text.count(f'"{PLACE}"') == 1 and "15s" in text
        (folder / "prometheus.yml").write_text(text.replace(f'"{PLACE}"', f'"{scraped}"').replace("15s", "200ms"))
        self.output = folder / "output"
        self.command = [binary("prometheus"), f"--config.file={folder}/prometheus.yml",
                        f"--storage.tsdb.path={folder}/data", "--web.listen-address={}:{}".format(*self.address)]

    def is_ready(self):
        """It listens before it can answer."""
        with Wire(self.address) as wire:
            return wire.get("/-/ready").status == 200

    def ask(self, expression):
        """The samples that an expression has now."""
        with Wire(self.address) as wire:
            answer = wire.get("/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        found = json.loads(answer.body)
        assert found["status"] == "success", (expression, found)
        return found["data"]["result"]


def expressions():
    """Of the dashboard, with what Grafana puts in place of its variables."""
    for panel in json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")
            assert "$" not in text
            yield text


def alerts():
    text = PAGE.read_text().partition("## Alerts that have proved their worth")[2]
    found = [line.strip() for line in text.splitlines() if line.startswith("    ") and not line.startswith("    #")]
    assert len(found) > 3
    return found


def test_form_is_what_promtool_takes(measured):
    server, metrics = measured("contract:app", "-k", "inline")
    assert server.get("/").status == 200
    done = subprocess.run([binary("promtool"), "check", "metrics"], input=metrics.answer().body, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = subprocess.run([binary("promtool"), "check", "config", DEPLOY / "prometheus.yml"], capture_output=True)
    assert done.returncode == 0, done.stdout


def test_every_panel_of_the_dashboard_shows_something(gateway, tmp_path):
    server = gateway("contract:app", "-k", "threads", "--workers", 2, "--admin-bind", "127.0.0.1:0")
    admin = server.log.wait_for(r"Admin listening at: http://([\d.]+:\d+)")[1]
    worker = int(server.log.wait_for(r"Worker ready \(pid: (\d+)\)")[1])
    missing = list(expressions())
    assert len(missing) > 30
    with Prometheus(tmp_path, admin) as prometheus:
        def are_shown():
            """With requests between two scrapes, and one that is refused."""
            server.get("/")
            server.get("/status/500")
            with server.connect() as wire:
                assert wire.send("bad\r\n\r\n").read().status == 400
            missing[:] = [expression for expression in missing if not prometheus.ask(expression)]
            return not missing
        wait.until(prometheus.is_ready, "it is ready")
        wait.until(lambda: prometheus.ask("up == 1"), "it has scraped")
        os.kill(worker, signal.SIGKILL)
        wait.until(are_shown, lambda: f"there is something for {missing}")
        (build,) = prometheus.ask("evgateway_build_info")
        assert build["metric"]["instance"] == admin and build["metric"]["worker_class"] == "threads"
        # It asks for OpenMetrics, whose information is not a number.
        with Wire(prometheus.address) as wire:
            known = json.loads(wire.get("/api/v1/metadata?metric=evgateway_build").body)["data"]
        assert [one["type"] for one in known["evgateway_build"]] == ["info"]
        for expression in alerts():
            names = set(re.findall(r"\b(evgateway_\w+)", expression))
            assert names and all(prometheus.ask(name) for name in names)
            # A worker has ended; whether the machine is slow today does not matter.
            assert prometheus.ask(expression) or "worker_restarts" not in expression
