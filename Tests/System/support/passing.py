"""nginx and Apache that pass requests on by uwsgi, FastCGI or SCGI, with the files of parameters that nginx has."""

import os
import socket

from .foreground import Foreground, binary
from .fronts import HOST
from .nginx import FILES, command

NGINX = """
daemon off;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections 512; }}
http {{
""" + FILES + """\
    client_max_body_size 200m;
    upstream app {{
        server {upstream} max_fails=0;
        {keepalive}
    }}
    server {{
        listen {host}:{port};
        location / {{
            include /etc/nginx/{protocol}_params;
            {protocol}_pass app;
            {more}
        }}
        {locations}
    }}
}}
"""
KEPT = "fastcgi_keep_conn on;"
UNBUFFERED = "{0}_buffering off; {0}_request_buffering off;"

APACHE = """
{modules}
ServerName test
Listen {host}:{port}
PidFile {directory}/pid
DefaultRuntimeDir {directory}
ErrorLog {directory}/error.log
StartServers 1
{user}
<VirtualHost {host}:{port}>
    AllowEncodedSlashes NoDecode
    {more}
    ProxyPass "{prefix}/" "{target}/" retry=0 timeout=60 {options}
</VirtualHost>
"""
SCHEMES = {"uwsgi": "uwsgi", "fastcgi": "fcgi", "scgi": "scgi"}
MODULES = "/usr/lib/apache2/modules"


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Passing(Foreground):
    def __init__(self, directory, protocol, upstream):
        self.directory, self.protocol = directory, protocol
        self.address = (HOST, free_port())
        self.output = directory / "output"
        self.write(upstream)

    def error_log(self):
        return (self.directory / "error.log").read_text()


class Nginx(Passing):
    """`more` stands in the location of all paths, `locations` beside it."""

    def __init__(self, directory, protocol, upstream, kept=False, more="", locations=""):
        self.kept, self.more, self.locations = kept, more, locations
        super().__init__(directory, protocol, upstream)

    def write(self, upstream):
        if isinstance(upstream, tuple):
            upstream = "{}:{}".format(*upstream)
        else:
            upstream = f"unix:{upstream}"
        (self.directory / "nginx.conf").write_text(NGINX.format(
            directory=self.directory, host=self.address[0], port=self.address[1], protocol=self.protocol,
            upstream=upstream, keepalive="keepalive 8;" if self.kept else "",
            more=self.more + (KEPT if self.kept else ""), locations=self.locations))
        self.command = command(self.directory)


class Apache(Passing):
    def __init__(self, directory, protocol, upstream, kept=False, prefix="", more=""):
        self.kept, self.prefix, self.more = kept, prefix, more
        super().__init__(directory, protocol, upstream)

    def write(self, upstream):
        scheme = SCHEMES[self.protocol]
        if isinstance(upstream, tuple):
            target = "{}://{}:{}".format(scheme, *upstream)
        else:
            target = f"unix:{upstream}|{scheme}://localhost"
        modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in (
            "mpm_event", "authz_core", "env", "setenvif", "proxy", f"proxy_{scheme}"))
        (self.directory / "apache.conf").write_text(APACHE.format(
            modules=modules, host=self.address[0], port=self.address[1], directory=self.directory, target=target,
            prefix=self.prefix, more=self.more, options="enablereuse=on ttl=60" if self.kept else "",
            user="User www-data\nGroup www-data" if os.getuid() == 0 else ""))
        self.command = [binary("apache2"), "-d", str(self.directory), "-f", str(self.directory / "apache.conf"),
                        "-D", "FOREGROUND"]


FRONTS = {"nginx": Nginx, "apache": Apache}
