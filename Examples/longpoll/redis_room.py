"""The room of all workers: Redis numbers, keeps and announces the messages, and every worker follows along.

Each worker subscribes first and reads the history then, so nothing falls between the two; a hole in the ids, and a
lost connection, make it read the history again. What Redis has is true, even if it is less than was known here.
"""

import json
import logging
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from room import Room, Unavailable, last_of

# One step for Redis, so that ids appear in the list and on the channel in their order.
PUBLISH = """
local id = redis.call('INCR', 'chat:last')
local message = '{"id":' .. id .. ',' .. string.sub(ARGV[1], 2)
redis.call('RPUSH', 'chat:messages', message)
redis.call('LTRIM', 'chat:messages', -1000, -1)
redis.call('PUBLISH', 'chat', message)
return id
"""
CONNECTIONS = 20  # of a worker to Redis, the subscription among them
LOADED_WITHIN = 5  # seconds that a request waits for the history of a worker that has just begun
PAUSES = (0.1, 5.0)  # seconds between attempts to subscribe: the first, doubled up to the last


class RedisRoom(Room):
    def __init__(self, url):
        super().__init__()
        # Nothing is sent twice: a message whose answer was lost may have been published. Who finds all connections in
        # use waits for one.
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
        # The client may come from another worker, which was told of the newest message a moment before this one.
        try:
            return int(self.redis.get("chat:last") or 0) < after
        except redis.RedisError:
            return False

    def wait_until_loaded(self):
        # Without its history a worker would take every id for one of a history that was lost.
        if not self.loaded.wait(LOADED_WITHIN):
            raise Unavailable("Redis cannot be reached")

    def follow(self):
        """Runs as long as the worker: in class gevent a greenlet, for the standard library is patched."""
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
