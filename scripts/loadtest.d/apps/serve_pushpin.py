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

# Limits are so high that none is reached: what is compared is what it costs.
CONFIGURATION = """
[global]
include={{libdir}}/internal.conf
rundir={folder}/run
ipc_prefix=p-

[runner]
services=condure,zurl,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:{port}
logdir={folder}
log_level=1
client_buffer_size=8192
client_maxconn={connections}

[proxy]
routesfile=routes
debug=false
sig_iss=pushpin
sig_key=a key
updates_check=off
zurl_out_specs=ipc://{{rundir}}/{{ipc_prefix}}zurl-in
zurl_out_stream_specs=ipc://{{rundir}}/{{ipc_prefix}}zurl-in-stream
zurl_in_specs=ipc://{{rundir}}/{{ipc_prefix}}zurl-out

[handler]
push_in_spec=ipc://{{rundir}}/{{ipc_prefix}}push
push_in_sub_specs=ipc://{{rundir}}/{{ipc_prefix}}sub
push_in_http_addr=127.0.0.1
push_in_http_port={publish_port}
push_in_http_max_headers_size=10000
push_in_http_max_body_size=1000000
command_spec=ipc://{{rundir}}/{{ipc_prefix}}command
stats_spec=ipc://{{rundir}}/{{ipc_prefix}}stats
message_rate=10000000
message_hwm=10000000
message_wait=5000
id_cache_ttl=60
connection_subscription_max=20
subscription_linger=60
"""
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
    (folder / "pushpin.conf").write_text(CONFIGURATION.format(
        folder=folder, port=port, publish_port=publish_port, connections=connections))
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
