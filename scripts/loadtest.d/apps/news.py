"""An app that measures evgateway.bus: /flood and /pace publish in the worker that answers, and all others count what
comes to them. The answer is JSON.

/flood?seconds=&workers= publishes as fast as the others read, with no more on the way than none of them loses;
/pace?seconds=&workers=&rate= so many a second. Messages of 64 bytes: kind, process, time, number.
"""
import array
import json
import os
import struct
import threading
import time
import urllib.parse

from evgateway import bus

HEAD = struct.Struct("<cIQ")
PAD = b"." * (64 - HEAD.size)
# How many a receiver reads until it says so, and how many may be on their way.
STEP, MOST = 1000, 20_000


def message(kind, when=0):
    return HEAD.pack(kind, os.getpid(), when) + PAD


def receive():
    """On a thread of its own. "?": who is there, "f": flood, "p": pace, "e": it ends."""
    own, count, lost, times = os.getpid(), 0, 0, array.array("Q")

    def tell(**more):
        bus.publish("told", json.dumps({"process": own, "count": count, "lost": lost, **more}))
    for each in bus.subscribe("news", limit=1 << 20):
        kind, sender, when = HEAD.unpack_from(each)
        if sender == own:
            continue
        lost += each.missed
        if kind == b"f":
            count += 1
            if count % STEP == 0:
                tell()
        elif kind == b"p":
            times.append(time.monotonic_ns() - when)
            count += 1
        elif kind == b"e":
            tell(times=times.tolist(), ended=True)
            count, lost, times = 0, 0, array.array("Q")
        else:
            count, lost = 0, 0
            tell()


threading.Thread(target=receive, daemon=True).start()


class Told:
    """What the others have told, by process."""

    def __init__(self, others):
        self.others, self.news, self.last = others, bus.subscribe("told"), {}
        while not self.is_from_all():
            bus.publish("news", message(b"?"))
            self.hear(0.1)

    def hear(self, seconds=10):
        told = self.news.get(seconds)
        if told is not None:
            told = json.loads(told)
            self.last[told["process"]] = told
        return told is not None

    def is_from_all(self):
        return len(self.last) == self.others

    def least(self):
        """How many everybody has read."""
        return min(told["count"] for told in self.last.values())

    def end(self):
        bus.publish("news", message(b"e"))
        while not all(told.get("ended") for told in self.last.values()):
            if not self.hear():
                raise TimeoutError("not all have told what they have")


def flood(told, seconds):
    sent, until, text = 0, time.monotonic() + seconds, message(b"f")
    while time.monotonic() < until:
        for _ in range(STEP):
            bus.publish("news", text)
        sent += STEP
        while sent - told.least() > MOST and told.hear():
            pass
    return sent


def pace(told, seconds, rate):
    start = time.monotonic()
    sent, all_of_them = 0, int(seconds * rate)
    while sent < all_of_them:
        due = min(all_of_them, int((time.monotonic() - start) * rate))
        while sent < due:
            bus.publish("news", message(b"p", time.monotonic_ns()))
            sent += 1
        time.sleep(max(0, start + (sent + 1) / rate - time.monotonic()))
    return sent


def app(environ, start_response):
    given = dict(urllib.parse.parse_qsl(environ["QUERY_STRING"]))
    answer = {}
    if environ["PATH_INFO"] in ("/flood", "/pace"):
        told, seconds = Told(int(given["workers"]) - 1), float(given["seconds"])
        start = time.monotonic()
        if environ["PATH_INFO"] == "/flood":
            answer["sent"] = flood(told, seconds)
        else:
            answer["sent"] = pace(told, seconds, int(given["rate"]))
        told.end()
        answer["seconds"] = time.monotonic() - start
        answer["received"] = sum(each["count"] for each in told.last.values())
        answer["lost"] = sum(each["lost"] for each in told.last.values())
        times = sorted(each for one in told.last.values() for each in one["times"])
        answer["times"] = {share: times[int(len(times) * float(share) / 100)] for share in ("50", "99") if times}
        told.news.close()
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
