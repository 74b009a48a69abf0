"""An HTTP server on loopback that keeps what it is sent, as the agents of tracers and error trackers do."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import wait


class Collector:
    """`with Collector() as collector:`; posts: (path, body) of each request, in the order of arrival."""

    def __init__(self, answer=b"{}"):
        self.posts = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler):
                encoding, body = handler.headers.get("Content-Encoding"), self._body(handler)
                self.posts.append((handler.path, gzip.decompress(body) if encoding == "gzip" else body))
                handler.send_response(200)
                handler.send_header("Content-Type", "application/json")
                handler.send_header("Content-Length", str(len(answer)))
                handler.end_headers()
                handler.wfile.write(answer)

            do_POST = do_PUT = do_GET

            def log_message(handler, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)

    @staticmethod
    def _body(handler):
        if handler.headers.get("Transfer-Encoding") != "chunked":
            return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        body = b""
        while count := int(handler.rfile.readline(), 16):
            body += handler.rfile.read(count)
            handler.rfile.readline()
        handler.rfile.readline()
        return body

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def bodies(self, path=""):
        return [body for where, body in list(self.posts) if path in where]

    def wait_for(self, condition, what):
        """Waits until the bodies fulfil a condition, and returns its value."""
        return wait.until(lambda: condition(self.bodies()), lambda: f"{what}: {self.posts}")
