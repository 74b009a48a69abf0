"""The newest messages in the memory of one worker, and the requests that wait for more.

A message is {"id", "name", "text"}; ids are consecutive from 1. The list `kept` is replaced and never changed in place,
so readers need no lock, neither in greenlets nor in threads.
"""

import bisect
import threading
import time

KEPT = 1000  # messages; a client that has missed more than these does not get all
BATCH = 100  # messages in one answer


class Unavailable(Exception):
    """The room cannot be read or written now; the client should ask again."""


class Room:
    def __init__(self):
        self.kept, self.lock = [], threading.Lock()
        self.news = threading.Event()
        self.ended = False

    def publish(self, name, text):
        """Adds a message and returns its id."""
        with self.lock:
            number = last_of(self.kept) + 1
            self.append({"id": number, "name": name, "text": text})
        return number

    def append(self, message):
        self.replace((self.kept + [message])[-KEPT:])

    def newest(self):
        """Returns the newest id and the last 20 messages."""
        return last_of(self.kept), self.kept[-20:]

    def wait(self, after, hold):
        """Returns (last id, messages after `after`) as soon as there are any; after hold seconds (newest id, [])."""
        until = time.monotonic() + hold
        while True:
            # The event is taken before the list: a message that arrives in between sets this event.
            news, kept = self.news, self.kept
            if after > last_of(kept) and self.began_anew(after):
                found = messages_after(kept, 0)
                return last_of(found or kept), found
            if found := messages_after(kept, after):
                return last_of(found), found
            if self.ended or not news.wait(max(0, until - time.monotonic())):
                return max(after, last_of(kept)), []

    def end(self):
        """Answers all requests that wait, and those that would wait, with what there is."""
        self.ended = True
        self.replace(self.kept)

    def began_anew(self, after):
        """Called for an id above the newest one here. Returns True if it belongs to a history that was lost: then all
        messages that are kept are new to the client."""
        return True

    def replace(self, kept):
        """Replaces the messages and wakes all requests that wait."""
        news, self.kept, self.news = self.news, kept, threading.Event()
        news.set()


def last_of(kept):
    return kept[-1]["id"] if kept else 0


def messages_after(kept, number):
    start = bisect.bisect_right(kept, number, key=lambda message: message["id"])
    return kept[start:start + BATCH]
