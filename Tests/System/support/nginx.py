"""nginx in front of a server: one worker in the foreground; all its files are in a directory of the test."""

from .foreground import Foreground, binary

# Of the block http: its files are where the test wants them.
FILES = """\
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
"""
CONFIGURATION = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections 512; }}
http {{
""" + FILES + """\
    client_max_body_size 200m;
    upstream app {{
        server {upstream};
        keepalive 8;
    }}
    server {{
        listen unix:{directory}/front;
        location / {{
            proxy_pass {scheme}://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For 192.0.2.7;
            {fields}
            proxy_buffering {buffering};
            proxy_request_buffering {request_buffering};
            proxy_next_upstream off;
            proxy_ignore_client_abort {ignore_abort};
        }}
    }}
}}
"""


def command(directory):
    return [binary("nginx"), "-p", str(directory), "-e", str(directory / "error.log"),
            "-c", str(directory / "nginx.conf")]


class Nginx(Foreground):
    """Listens on a unix socket, `address`, because nginx cannot use a port that the kernel chooses."""

    def __init__(self, directory, upstream, buffering="on", request_buffering="on", ignore_abort="off", fields="",
                 scheme="http"):
        self.directory, self.address = directory, str(directory / "front")
        (directory / "nginx.conf").write_text(CONFIGURATION.format(
            directory=directory, upstream=upstream, buffering=buffering, request_buffering=request_buffering,
            ignore_abort=ignore_abort, fields=fields, scheme=scheme))
        self.command = command(directory)
        self.output = directory / "nginx.out"

    def error_log(self):
        return (self.directory / "error.log").read_text()
