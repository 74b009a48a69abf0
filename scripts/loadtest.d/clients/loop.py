"""One client process: an epoll, timers and non-blocking connections. Handlers are found by descriptor; what a role
keeps of a connection stands in arrays, so that one that waits costs the kernel's memory and little else."""

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
# Linux, ip(7): the port is chosen in connect(), where it only has to be unused towards this one peer.
IP_BIND_ADDRESS_NO_PORT = 24


def kind_of(error):
    """An OSError as one of the kinds that errors are counted by."""
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
        """Until `running` is false. select() waits with a resolution of microseconds, epoll_wait() of milliseconds."""
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
        """A descriptor that connects or has connected; raises OSError."""
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
        """Writes `data`, also while the connection is being made, and has `handler` called for what is to be read.

        `sent(descriptor)` is called when all has been written. After a failure to write `handler` reads what the peer
        said before; the kernel tells an error once, so that it is kept for `error_of`.
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
                # The answer or an error came before the request had been written: no more is.
                self.watch(descriptor, handler)
                handler(descriptor, events)
            else:
                self.send(descriptor, rest, handler, sent)
        self.watch(descriptor, go_on, select.EPOLLIN | select.EPOLLOUT)

    def error_of(self, descriptor, otherwise):
        """The kind of the error that a write met, if one did."""
        return self.failures.get(descriptor, otherwise)

    def _handler(self, descriptor):
        return self.handlers[descriptor] if descriptor < len(self.handlers) else None

    def close(self, descriptor):
        if self._handler(descriptor) is not None:
            self.handlers[descriptor] = None
        self.failures.pop(descriptor, None)
        os.close(descriptor)
        self.open -= 1
