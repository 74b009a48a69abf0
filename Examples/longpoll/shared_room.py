"""One room for all workers: a file keeps the messages, one line of JSON for each, and the bus tells of new ones.

Whoever publishes locks the file and takes the next id. What the bus brings is no message but the news that there is
one: a worker reads the lines that it has not seen, so one that has missed something has it with the next news.
"""

import contextlib
import fcntl
import json
import logging
import os
import threading

from evgateway import bus
from room import KEPT, Room, Unavailable, last_of

ROTATED = 8 << 20  # bytes; then the file begins anew, with the messages that are kept


class SharedRoom(Room):
    def __init__(self, path):
        super().__init__()
        self.path, self.reading = path, threading.RLock()
        # Of the file that has been read, and how far: up to the end of a line.
        self.file, self.position = None, 0
        # News that come while the file is read for the first time are not missed.
        bus.subscribe("chat", self.hear)
        self.hear(b"")

    def publish(self, name, text):
        try:
            # Not of the file itself, which may be replaced.
            with open(self.path + ".lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.read()
                message = {"id": last_of(self.kept) + 1, "name": name, "text": text}
                self.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
                self.read()
        except OSError as error:
            raise Unavailable("the message could not be kept") from error
        bus.publish("chat", b"")
        return message["id"]

    def began_anew(self, after):
        # The client may have asked another worker before, which has read a message that this one has not.
        self.hear(b"")
        return after > last_of(self.kept)

    def hear(self, news):
        try:
            self.read()
        except OSError as error:
            logging.warning("chat: %s cannot be read: %s", self.path, error)

    def read(self):
        """Takes what others have written."""
        with self.reading, contextlib.suppress(FileNotFoundError), open(self.path, "rb") as file:
            status = os.fstat(file.fileno())
            is_other = self.file != status.st_ino or status.st_size < self.position
            kept = [] if is_other else self.kept
            file.seek(0 if is_other else self.position)
            # The last line of a writer that was killed has no end.
            lines, _, rest = file.read().rpartition(b"\n")
            self.file, self.position = status.st_ino, file.tell() - len(rest)
            found = [message for line in lines.split(b"\n") if (message := message_of(line))]
            if found or is_other:
                self.replace((kept + found)[-KEPT:])

    def write(self, line):
        """Only with the lock."""
        with open(self.path, "ab") as file:
            if file.tell() < ROTATED:
                # Behind what a writer has left that was killed.
                file.write(line if file.tell() == self.position else b"\n" + line)
                return
        with open(self.path + ".new", "wb") as file:
            for message in self.kept:
                file.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            file.write(line)
        os.replace(self.path + ".new", self.path)


def message_of(line):
    """Returns None for what is no message."""
    try:
        message = json.loads(line)
        return message if message["id"] > 0 and message.keys() == {"id", "name", "text"} else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
