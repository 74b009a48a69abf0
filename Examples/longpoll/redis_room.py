"""One room for all workers: Redis numbers, keeps and publishes the messages, and every worker has a copy.

Each worker first subscribes and then reads the history, so it misses no message between the two. After a gap in the
ids, and after a lost connection, it reads the history again. The history in Redis is right, even if it is shorter than
the copy.
"""

import json
import logging
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from room import Room, Unavailable, last_of

# A script is one atomic step in Redis: messages appear in the list and on the channel in the order of their ids.
PUBLISH = """
local id = redis.call('INCR', 'chat:last')
local message = '{"id":' .. id .. ',' .. string.sub(ARGV[1], 2)
redis.call('RPUSH', 'chat:messages', message)
redis.call('LTRIM', 'chat:messages', -1000, -1)
redis.call('PUBLISH', 'chat', message)
return id
"""
CONNECTIONS = 20  # of a worker to Redis, including the subscription
LOADED_WITHIN = 5  # seconds that a request waits until a new worker has read the history
PAUSES = (0.1, 5.0)  # seconds between attempts to subscribe: the first, doubled up to the last


class RedisRoom(Room):
    def __init__(self, url):
        super().__init__()
        # No command is sent again: a message whose answer was lost may have been published. A request waits for a
        # connection if all are in use.
        self.redis = redis.Redis(connection_pool=redis.BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS, timeout=5, retry=Retry(NoBackoff(), 0)))
        self.connected, self.loaded = False, threading.Event()
        threading.Thread(target=self.follow, name="chat-redis", daemon=True).start()

    def publish(self, name, text):
        body = json.dumps({"name": name, "text": text}, ensure_ascii=False, separators=(",", ":"))
        try:
            return self.redis.eval(PUBLISH, 0, body)
        except redis.RedisError as error:
            raise Unavailable("Redis did not take the message") from error

    def newest(self):
        self.wait_until_loaded()
        return super().newest()

    def wait(self, after, hold):
        self.wait_until_loaded()
        return super().wait(after, hold)

    def began_anew(self, after):
        # The client may have asked another worker before, which got the newest message a moment earlier than this one.
        try:
            return int(self.redis.get("chat:last") or 0) < after
        except redis.RedisError:
            return False

    def wait_until_loaded(self):
        # Without the history, a worker would wrongly conclude for every id that its history was lost.
        if not self.loaded.wait(LOADED_WITHIN):
            raise Unavailable("Redis cannot be reached")

    def follow(self):
        """Runs until the worker ends, in a thread. In class gevent that is a greenlet, because of monkey patching."""
        pause = PAUSES[0]
        while True:
            try:
                with self.redis.pubsub() as channel:
                    channel.subscribe("chat")
                    for event in channel.listen():
                        if event["type"] == "subscribe":
                            self.load()
                            self.connected, pause = True, PAUSES[0]
                        elif event["type"] == "message":
                            self.apply(json.loads(event["data"]))
            except Exception as error:
                self.connected = False
                logging.warning("chat: no subscription, next attempt in %.1f s: %s", pause, error)
            time.sleep(pause)
            pause = min(2 * pause, PAUSES[1])

    def load(self):
        self.replace([json.loads(text) for text in self.redis.lrange("chat:messages", 0, -1)])
        self.loaded.set()

    def apply(self, message):
        following = last_of(self.kept) + 1
        if message["id"] == following:
            self.append(message)
        elif message["id"] > following:
            self.load()
