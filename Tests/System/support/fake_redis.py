"""A server that speaks as much of Redis's protocol as the bus needs, and answers PUBLISH with what a test says."""

import contextlib
import socket
import threading


class FakeRedis:
    """At `path`. `answer` is what PUBLISH is answered with in place of the truth; with `once`, only the next one."""

    def __init__(self, path):
        self.path, self.answer, self.once, self.published = path, None, False, 0
        self.lock, self.listeners, self.connections = threading.Lock(), {}, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join(10)
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        for connection in self.connections:
            connection.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                self.threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self.threads[-1].start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while words := command(stream):
                connection.sendall(self._answered(words, connection))
        with self.lock:
            for listeners in self.listeners.values():
                listeners.discard(connection)

    def _answered(self, words, connection):
        match words:
            case [b"SUBSCRIBE", channel]:
                with self.lock:
                    self.listeners.setdefault(channel, set()).add(connection)
                return b"*3\r\n" + bulk(b"subscribe") + bulk(channel) + b":1\r\n"
            case [b"PUBLISH", channel, payload]:
                with self.lock:
                    self.published += 1
                    answer = self.answer
                    if self.once:
                        self.answer = None
                    listeners = list(self.listeners.get(channel, ())) if answer is None else []
                for listener in listeners:
                    with contextlib.suppress(OSError):
                        listener.sendall(b"*3\r\n" + bulk(b"message") + bulk(channel) + bulk(payload))
                return answer or b":%d\r\n" % len(listeners)
            case _:
                return b"+OK\r\n"


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


def command(stream):
    """Reads one command; nothing at the end."""
    line = stream.readline()
    words = []
    for _ in range(int(line[1:]) if line else 0):
        count = int(stream.readline()[1:])
        words.append(stream.read(count + 2)[:-2])
    return words
