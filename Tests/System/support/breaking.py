"""A server that closes connections where a proxy has just sent a request: what a worker does that dies, or that closes
an idle connection at the moment in which its proxy uses it."""

import socket
import struct
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Breaking:
    """Answers up to `answers` requests of each connection; the next is read, and the connection closed, with a reset
    if `resets`. The connections after the first `broken` answer everything. `requests` are the lines that came."""

    def __init__(self, address, answers, broken, resets=False):
        self.answers, self.broken, self.resets = answers, broken, resets
        self.requests, self.lock = [], threading.Lock()
        self.listener = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.listener.bind(address)
        self.listener.listen()
        self.address = self.listener.getsockname()
        self.thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(20)

    def _accept(self):
        count = 0
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            count += 1
            threading.Thread(target=self._serve, args=(connection, count <= self.broken), daemon=True).start()

    def _serve(self, connection, breaks):
        answered, received = 0, b""
        with connection:
            while True:
                while b"\r\n\r\n" not in received:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    received += piece
                head, _, rest = received.partition(b"\r\n\r\n")
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                               if line.lower().startswith(b"content-length:")), 0)
                while len(rest) < length:
                    rest += connection.recv(65536)
                received = rest[length:]
                with self.lock:
                    self.requests.append(head.partition(b"\r\n")[0].decode())
                if breaks and answered == self.answers:
                    if self.resets:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                connection.sendall(ANSWER)
                answered += 1
