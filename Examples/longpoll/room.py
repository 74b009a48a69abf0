"""What was said, and who waits for more: the newest messages in the memory of one worker.

A message is {"id", "name", "text"}; ids are consecutive from 1. `kept` is replaced and never changed in place, so
readers need no lock, in greenlets and in threads alike.
"""

import bisect
import threading
import time

KEPT = 1000  # messages that a client may have missed and still gets
BATCH = 100  # messages in one answer


class Unavailable(Exception):
    """The room cannot be read or written now; the client is to ask again."""


class Room:
    connected = True  # whether what others say arrives here

    def __init__(self):
        self.kept, self.lock = [], threading.Lock()
        self.news = threading.Event()

    def publish(self, name, text):
        """Says something; the id of the message."""
        with self.lock:
            number = last_of(self.kept) + 1
            self.append({"id": number, "name": name, "text": text})
        return number

    def append(self, message):
        self.replace((self.kept + [message])[-KEPT:])

    def newest(self):
        """The newest id and the last few messages."""
        return last_of(self.kept), self.kept[-20:]

    def wait(self, after, hold):
        """(last id, messages after `after`), as soon as there are any; (newest id, []) when `hold` seconds are over."""
        until = time.monotonic() + hold
        while True:
            # Taken before looking: what arrives in between sets this very event.
            news, kept = self.news, self.kept
            if after > last_of(kept) and self.began_anew(after):
                found = messages_after(kept, 0)
                return last_of(found or kept), found
            if found := messages_after(kept, after):
                return last_of(found), found
            if not news.wait(max(0, until - time.monotonic())):
                return max(after, last_of(kept)), []

    def began_anew(self, after):
        """Whether an id that is not known here is one of a history that was lost: all that is kept is news then."""
        return True

    def replace(self, kept):
        """The room from now on; wakes who waits."""
        news, self.kept, self.news = self.news, kept, threading.Event()
        news.set()


def last_of(kept):
    return kept[-1]["id"] if kept else 0


def messages_after(kept, number):
    start = bisect.bisect_right(kept, number, key=lambda message: message["id"])
    return kept[start:start + BATCH]
