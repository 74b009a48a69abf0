"""HTTP/1.1 for clients: requests as bytes, answers read at once or piece by piece (RFC 9112, 6.3)."""

import re

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked[ \t]*\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[^\r]*close", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3})[ \r]")
MOST_HEAD = 65536


class Malformed(Exception):
    """The bytes are not an HTTP/1.1 answer, or there are more bytes after its end."""


def request(method, target, host, fields=(), body=b""):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def whole(data):
    """Returns (status, whether the connection stays open) if the bytes are exactly one answer with a Content-Length.

    Else returns None, and an `Answer` must read them.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0 or data[:9] != b"HTTP/1.1 ":
        return None
    length = _LENGTH.search(data, 0, end + 2)
    if length is None or int(length[1]) != len(data) - end - 4:
        return None
    status = data[9:12]
    if not status.isdigit() or status[0] == 49 or status in (b"204", b"304"):
        return None
    return int(status), _CLOSE.search(data, 0, end + 2) is None


class Answer:
    """An answer that arrives in pieces. `feed` says when it is whole; `status` is None until its head is."""

    __slots__ = ("status", "stays", "_head", "_left", "_feed")

    def __init__(self):
        self.status, self.stays, self._head, self._left, self._feed = None, False, b"", 0, self._feed_head

    def feed(self, data):
        return self._feed(data)

    def ended(self):
        """Whether the end of the connection was the end of the answer."""
        return self._feed == self._feed_until_end

    def _feed_head(self, data):
        self._head += data
        while True:
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                if len(self._head) > MOST_HEAD or not b"HTTP/1.".startswith(self._head[:7]):
                    raise Malformed
                return False
            head, rest = self._head[:end + 2], self._head[end + 4:]
            found = _STATUS.match(head)
            if not found:
                raise Malformed
            self._head = rest
            if found[2][0] != 49:  # An interim answer, 1xx, comes before the one that counts.
                break
        self.status, self.stays, self._head = int(found[2]), found[1] == b"1" and not _CLOSE.search(head), b""
        if self.status in (204, 304):
            self._left, self._feed = 0, self._feed_length
        elif _CHUNKED.search(head):
            self._feed = self._feed_chunks
        elif length := _LENGTH.search(head):
            self._left, self._feed = int(length[1]), self._feed_length
        else:
            self.stays, self._feed = False, self._feed_until_end
        return self._feed(rest)

    def _feed_length(self, data):
        self._left -= len(data)
        if self._left < 0:
            raise Malformed
        return self._left == 0

    def _feed_until_end(self, data):
        return False

    def _feed_chunks(self, data):
        """`_left` bytes of a chunk and its line end are still to come; `_head` holds the piece of a line."""
        while data or self._head:
            if self._left:
                taken = min(self._left, len(data))
                self._left, data = self._left - taken, data[taken:]
                if not data:
                    return False
            line, found, data = (self._head + data).partition(b"\r\n")
            if not found:
                self._head = line
                if len(line) > MOST_HEAD:
                    raise Malformed
                return False
            self._head = b""
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                raise Malformed from None
            if size == 0:
                self._feed = self._feed_trailers
                return self._feed(data)
            self._left = size + 2
        return False

    def _feed_trailers(self, data):
        self._head += data
        if self._head == b"\r\n" or self._head.endswith(b"\r\n\r\n"):
            return True
        if len(self._head) > MOST_HEAD:
            raise Malformed
        return False
