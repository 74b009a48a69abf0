"""Debian's Pushpin before a server: `serve_pushpin.py PORT PUBLISH-PORT CONNECTIONS COMMAND...`, where {bind} in the
command is replaced by the address that Pushpin asks. Prints the port once an item reaches who waits."""

import http.client
import json
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

CONFIGURATION = pathlib.Path(__file__).with_name("pushpin.conf")
# So high that none is reached: what is compared is what it costs.
LIMIT = 10_000_000
ITEM = json.dumps({"items": [{"channel": "all", "formats": {"http-response": {"body": "ready"}}}]})


def main(port, publish_port, connections, *command):
    with tempfile.TemporaryDirectory(prefix="pushpin-") as folder:
        serve(pathlib.Path(folder), port, publish_port, connections, command)


def serve(folder, port, publish_port, connections, command):
    (folder / "run").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        bind = "%s:%d" % probe.getsockname()
    (folder / "routes").write_text(f"* {bind}\n")
    (folder / "pushpin.conf").write_text(CONFIGURATION.read_text().format(
        folder=folder, address=f"127.0.0.1:{port}", publish_host="127.0.0.1", publish_port=publish_port, key="a key",
        connections=connections, log_level=1, message_rate=LIMIT, message_hwm=LIMIT))
    server = subprocess.Popen([word.replace("{bind}", bind) for word in command], stdout=subprocess.DEVNULL)
    pushpin = subprocess.Popen(["pushpin", "--config", folder / "pushpin.conf", "--merge-output"],
                               stdout=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        until_items_pass(int(port), int(publish_port), pushpin)
        print(f"Listening at: http://127.0.0.1:{port}", flush=True)
        pushpin.wait()
    finally:
        for process in pushpin, server:
            process.terminate()
            process.wait()


def until_items_pass(port, publish_port, pushpin):
    """Its processes find each other in their own time, and lose what comes before."""
    while pushpin.poll() is None:
        try:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            client.request("GET", "/poll")
            time.sleep(0.2)
            publisher = http.client.HTTPConnection("127.0.0.1", publish_port, timeout=1)
            publisher.request("POST", "/publish/", ITEM)
            publisher.getresponse().read()
            if client.getresponse().read() == b"ready":
                return
        except OSError:
            time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
