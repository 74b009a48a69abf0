"""Proxies that pass connections on, each behind a PROXY header: HAProxy in both versions, nginx's stream module."""

import os
import socket

from .foreground import Foreground, binary
from .fronts import HOST

HAPROXY = """
global
    maxconn 100
defaults
    mode {mode}
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    {more}
frontend front
    bind {host}:{port}
    default_backend app
backend app
    server app {upstream} {option}
"""
NGINX = """
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events {{ }}
stream {{
    server {{
        listen {host}:{port};
        proxy_pass {upstream};
        proxy_protocol on;
    }}
}}
"""
KINDS = ("haproxy v1", "haproxy v2", "haproxy v2 with TLV", "nginx")
OPTIONS = {"haproxy v1": "send-proxy", "haproxy v2": "send-proxy-v2",
           "haproxy v2 with TLV": "send-proxy-v2 proxy-v2-options crc32c,unique-id"}


class Tunnel(Foreground):
    """`upstream` is (host, port) or the path of a socket; `option` takes the place of that of the kind."""

    def __init__(self, kind, directory, upstream, option=None, mode="tcp", more=""):
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.address = probe.getsockname()
        is_nginx = kind == "nginx"
        place = f"{upstream[0]}:{upstream[1]}" if isinstance(upstream, tuple) else (
            f"unix:{upstream}" if is_nginx else f"unix@{upstream}")
        text = (NGINX if is_nginx else HAPROXY).format(
            directory=directory, host=HOST, port=self.address[1], upstream=place, mode=mode, more=more,
            option="" if is_nginx else option or OPTIONS[kind])
        file = directory / "tunnel.conf"
        file.write_text(text)
        self.command = ([binary("nginx"), "-p", str(directory), "-e", "stderr", "-c", str(file)] if is_nginx
                        else [binary("haproxy"), "-db", "-f", str(file)])
        self.output = directory / "tunnel.log"
        self.surroundings = {"env": {**os.environ, "TZ": "UTC"}}
