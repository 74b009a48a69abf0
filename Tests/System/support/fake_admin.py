"""A server that answers on an admin address what a test wants, and remembers what it was asked. It listens on a unix
socket or on TCP, one thread per connection."""

import contextlib
import json
import socket
import threading


def status(**more):
    """The answer of /status of a server with two workers."""
    return {
        "version": "0.1.0", "application": "app:app", "worker_class": "gevent", "time": 1000.0, "started": 880.0,
        "master": 4000, "state": "serving", "target_workers": 2, "accept_queue": 0, "binds": ["127.0.0.1:8000"],
        "workers": [worker(0), worker(1)], "restarts": [], "events": [], **more}


def worker(number, **more):
    return {
        "worker": number, "age": number + 1, "pid": 4001 + number, "state": "ready", "stuck": False, "uptime": 120.0,
        "silence": 0.1, "connections": 3, "connections_limit": 1000, "idle": 2, "websockets": 0, "in_flight": 1,
        "requests": 100, "dropped": 0, "rss": 50 << 20, "pss": 30 << 20, "cpu": 12.0, "current": None, "longest": None,
        "slowest": [], **more}


def connection(**more):
    return {
        "id": 7, "peer": "127.0.0.1:40000", "client": "192.0.2.7", "state": "app", "since": 12.3, "method": "GET",
        "target": "/slow", "request_id": None, "bytes_in": 120, "bytes_out": 0, "waits_for": "the app", **more}


class FakeAdmin:
    """`answers` maps a target to a status of HTTP with a body, to a value for JSON, to bytes that are sent as they
    are, or to a function of the connection."""

    def __init__(self, where, answers):
        self.answers, self.asked, self.connections = answers, [], []
        family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
        self.listener = socket.socket(family)
        if family == socket.AF_INET:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(where)
        self.listener.listen()
        name = self.listener.getsockname()
        self.address = f"unix:{name}" if family == socket.AF_UNIX else f"{name[0]}:{name[1]}"
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        with peer, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                more = peer.recv(65536)
                if not more:
                    return
                data += more
            head = data.decode()
            self.asked.append(head)
            method, target, _ = head.split("\r\n")[0].split(" ")
            answer = self.answers.get(f"{method} {target}", self.answers.get(target, (404, b"no such path\n")))
            if callable(answer):
                answer = answer(peer)
            if answer is not None:
                peer.sendall(answer if isinstance(answer, bytes) else whole(*as_parts(answer)))


def as_parts(answer):
    if isinstance(answer, tuple):
        return answer
    return 200, json.dumps(answer).encode(), "application/json"


def whole(code, body, kind="text/plain"):
    return (f"HTTP/1.1 {code} Word\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(value):
    line = json.dumps(value).encode() + b"\n"
    return b"%x\r\n%b\r\n" % (len(line), line)


def steps(*values):
    """The answer of a command: a line each, in chunks of their own."""
    return CHUNKED + b"".join(map(chunk, values)) + b"0\r\n\r\n"
