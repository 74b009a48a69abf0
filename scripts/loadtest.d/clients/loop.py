"""One client process: an epoll, timers and non-blocking connections. Handlers are found by descriptor. The state of
connections is in arrays, so that a waiting connection needs little memory besides the kernel's."""

import errno
import heapq
import itertools
import os
import select
import socket
import time

PIECE = 65536
KINDS = {errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset", errno.EPIPE: "reset", errno.ETIMEDOUT: "timeout",
         errno.EMFILE: "no descriptors", errno.ENFILE: "no descriptors", errno.EADDRNOTAVAIL: "no ports",
         errno.ENOBUFS: "no memory", errno.ENOMEM: "no memory", errno.EHOSTUNREACH: "unreachable",
         errno.ENETUNREACH: "unreachable", errno.EAGAIN: "unix backlog full"}
# Linux, ip(7): the port is chosen in connect(), so it may be used for connections to other peers.
IP_BIND_ADDRESS_NO_PORT = 24


def kind_of(error):
    """Returns the kind under which an OSError is counted."""
    return KINDS.get(error.errno, os.strerror(error.errno or 0).lower())


class Loop:
    """`target` is (family, address); `sources` are the addresses that connections are made from in turn, or empty."""

    def __init__(self, target, sources=()):
        self.family, self.address = target
        self.sources = itertools.cycle(sources) if sources else None
        self.poll = select.epoll()
        self.handlers, self.failures = [], {}
        self.timers, self.order = [], itertools.count()
        self.running, self.open = True, 0

    # Time

    def at(self, when, function, *arguments):
        heapq.heappush(self.timers, (when, next(self.order), function, arguments))

    def after(self, seconds, function, *arguments):
        self.at(time.monotonic() + seconds, function, *arguments)

    def run(self):
        """Runs until `running` is false. Waits in select(), whose resolution is microseconds; epoll_wait() has only
        milliseconds."""
        poll, timers, handlers, waiting = self.poll, self.timers, self.handlers, [self.poll.fileno()]
        while self.running:
            now = time.monotonic()
            while timers and timers[0][0] <= now:
                _, _, function, arguments = heapq.heappop(timers)
                function(*arguments)
            if not self.running:
                return
            wait = min(1.0, timers[0][0] - time.monotonic()) if timers else 1.0
            if wait > 0:
                select.select(waiting, (), (), wait)
            for descriptor, events in poll.poll(0, 512):
                if handler := handlers[descriptor]:
                    handler(descriptor, events)

    # Descriptors

    def watch(self, descriptor, handler, events=select.EPOLLIN):
        if descriptor >= len(self.handlers):
            self.handlers.extend([None] * (descriptor + 1024 - len(self.handlers)))
        if self.handlers[descriptor] is None:
            self.poll.register(descriptor, events)
        else:
            self.poll.modify(descriptor, events)
        self.handlers[descriptor] = handler

    def connect(self, receive_buffer=None):
        """Returns the descriptor of a new connection, which may not be established yet. Raises OSError."""
        connection = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if receive_buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if self.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.sources:
                connection.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                connection.bind((next(self.sources), 0))
            code = connection.connect_ex(self.address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        except OSError:
            connection.close()
            raise
        self.open += 1
        return connection.detach()

    def send(self, descriptor, data, handler, sent=None):
        """Writes `data` when the connection is established, and calls `handler` when there is something to read.

        `sent(descriptor)` is called when all is written. If a write fails, `handler` still reads what the peer sent.
        The kernel reports an error once, so it is stored for `error_of`.
        """
        try:
            written = os.write(descriptor, data)
        except BlockingIOError:
            written = 0
        except OSError as error:
            if error.errno not in (errno.ENOTCONN, errno.EPIPE, errno.ECONNRESET, errno.ECONNREFUSED):
                raise
            written = 0
            if error.errno != errno.ENOTCONN:
                self.failures[descriptor] = kind_of(error)
                written = len(data)
        if written == len(data):
            if self._handler(descriptor) is not handler:
                self.watch(descriptor, handler)
            if sent:
                sent(descriptor)
            return
        rest = memoryview(data)[written:]

        def go_on(descriptor, events):
            if events & ~select.EPOLLOUT:
                # The answer or an error came before the whole request was written. The rest is not written.
                self.watch(descriptor, handler)
                handler(descriptor, events)
            else:
                self.send(descriptor, rest, handler, sent)
        self.watch(descriptor, go_on, select.EPOLLIN | select.EPOLLOUT)

    def error_of(self, descriptor, otherwise):
        """Returns the kind of the error that a write had; `otherwise` if there was none."""
        return self.failures.get(descriptor, otherwise)

    def _handler(self, descriptor):
        return self.handlers[descriptor] if descriptor < len(self.handlers) else None

    def close(self, descriptor):
        if self._handler(descriptor) is not None:
            self.handlers[descriptor] = None
        self.failures.pop(descriptor, None)
        os.close(descriptor)
        self.open -= 1
