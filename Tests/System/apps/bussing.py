"""An app that uses evgateway.bus, as `wsgi` and as `asgi`.

/publish?channel=&count=&size=&text= publishes; /subscribe?channel=&limit= begins to listen in this worker, and
/take?channel= answers with what has come since: a list of [missed, text]. /callback?channel= listens with a callback,
/close?channel= ends. The worker's process id is in X-Worker.
"""
import asyncio
import json
import os
import urllib.parse

from evgateway import bus

subscriptions = {}
heard = {}


def answer(target):
    path, _, query = target.partition("?")
    given = dict(urllib.parse.parse_qsl(query))
    channel = given.get("channel", "room")
    if path == "/publish":
        for number in range(int(given.get("count", 1))):
            text = given.get("text", "{}").replace("{}", str(number))
            bus.publish(channel, text.ljust(int(given.get("size", 0))))
        return "published"
    if path == "/subscribe":
        subscriptions[channel] = bus.subscribe(channel, limit=int(given.get("limit", 100000)))
        return "subscribed"
    if path == "/callback":
        heard[channel] = []
        subscriptions[channel] = bus.subscribe(channel, lambda message: heard[channel].append(message))
        return "subscribed"
    if path == "/take":
        messages = heard[channel][:] if channel in heard else []
        if channel not in heard:
            while (message := subscriptions[channel].get(timeout=float(given.get("wait", 0)))) is not None:
                messages.append(message)
        return json.dumps([[message.missed, message.decode().strip()] for message in messages])
    if path == "/close":
        subscriptions.pop(channel).close()
        return "closed"
    if path == "/bad":
        problems = []
        for arguments in ((b"", b"x"), (b"c" * 1024, b"x"), ("c", 1), ("c", b"x" * (1 << 24) + b"y")):
            try:
                bus.publish(*arguments)
            except (TypeError, ValueError) as error:
                problems.append(type(error).__name__)
        return json.dumps(problems)
    return ""


def wsgi(environ, start_response):
    target = environ["PATH_INFO"] + "?" + environ["QUERY_STRING"]
    body = answer(target).encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("X-Worker", str(os.getpid()))])
    return [body]


async def follow(channel):
    heard[channel] = []
    async with bus.subscribe(channel) as subscription:
        subscriptions[channel] = subscription
        async for message in subscription:
            heard[channel].append(message)
    heard[channel].append(bus.Message(b"closed"))


tasks = set()


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    target = scope["path"] + "?" + scope["query_string"].decode()
    if target.startswith("/follow"):
        channel = target.partition("channel=")[2]
        task = asyncio.create_task(follow(channel))
        tasks.add(task)
        await asyncio.sleep(0)
        text = "subscribed"
    else:
        text = answer(target)
    body = text.encode()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", str(len(body)).encode()), (b"x-worker", str(os.getpid()).encode())]})
    await send({"type": "http.response.body", "body": body})
