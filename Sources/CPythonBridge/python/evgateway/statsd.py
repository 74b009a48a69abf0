"""gunicorn's logger class that counts in statsd, for subclasses of it. The class itself is not made: the server sends
the same metrics by its own.

Law: a datagram that cannot be sent is lost.
"""
import socket

from .glogging import Logger

METRICS = {"gauge": "gauge", "counter": "increment", "histogram": "histogram", "timer": "timer"}


class Statsd(Logger):
    """Counts lines of the log and requests, and sends what a record's extra says: metric, value, mtype."""

    def __init__(self, cfg):
        super().__init__(cfg)
        prefix = cfg.statsd_prefix or ""
        self.prefix = f"{prefix.rstrip('.')}." if prefix else ""
        self.dogstatsd_tags = cfg.dogstatsd_tags
        self.sock = connected(cfg.statsd_host)

    def critical(self, msg, *args, **kwargs):
        super().critical(msg, *args, **kwargs)
        self.increment("gunicorn.log.critical", 1)

    def error(self, msg, *args, **kwargs):
        super().error(msg, *args, **kwargs)
        self.increment("gunicorn.log.error", 1)

    def warning(self, msg, *args, **kwargs):
        super().warning(msg, *args, **kwargs)
        self.increment("gunicorn.log.warning", 1)

    def exception(self, msg, *args, **kwargs):
        super().exception(msg, *args, **kwargs)
        self.increment("gunicorn.log.exception", 1)

    def info(self, msg, *args, **kwargs):
        self.log("info", msg, *args, **kwargs)

    def debug(self, msg, *args, **kwargs):
        self.log("debug", msg, *args, **kwargs)

    def log(self, lvl, msg, *args, **kwargs):
        extra = kwargs.get("extra") or {}
        name, value = extra.get("metric"), extra.get("value")
        if name and value is not None and extra.get("mtype") in METRICS:
            getattr(self, METRICS[extra["mtype"]])(name, value)
        if msg:
            super().log(lvl, msg, *args, **kwargs)

    def access(self, resp, req, environ, request_time):
        super().access(resp, req, environ, request_time)
        self.timer("gunicorn.request.duration", request_time.total_seconds() * 1000)
        self.increment("gunicorn.requests", 1)
        self.increment(f"gunicorn.request.status.{int(str(resp.status).split(None, 1)[0])}", 1)

    def gauge(self, name, value):
        self._sock_send(f"{self.prefix}{name}:{value}|g")

    def increment(self, name, value, sampling_rate=1.0):
        self._sock_send(f"{self.prefix}{name}:{value}|c|@{sampling_rate}")

    def decrement(self, name, value, sampling_rate=1.0):
        self._sock_send(f"{self.prefix}{name}:-{value}|c|@{sampling_rate}")

    def timer(self, name, value):
        self._sock_send(f"{self.prefix}{name}:{value}|ms")

    def histogram(self, name, value):
        self._sock_send(f"{self.prefix}{name}:{value}|h")

    def _sock_send(self, msg):
        if self.sock is None:
            return
        data = msg if isinstance(msg, bytes) else msg.encode("ascii", "replace")
        if self.dogstatsd_tags:
            data += b"|#" + self.dogstatsd_tags.encode("ascii", "replace")
        try:
            self.sock.send(data)
        except OSError:
            pass    # as with every datagram


def connected(address):
    """Returns a socket for "HOST:PORT", (HOST, PORT) or "unix://PATH"; None if there is no address, or nobody there."""
    if isinstance(address, str) and not address.startswith(("/", "unix:")):
        host, _, port = address.rpartition(":")
        address = (host.strip("[]"), int(port or 8125)) if port.isdigit() else (address, 8125)
    if not address:
        return None
    try:
        if isinstance(address, str):
            family, address = socket.AF_UNIX, address.partition("unix:")[2].replace("//", "", 1) or address
        else:
            family = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0][0]
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.connect(address)
        return sock
    except OSError:
        return None
