"""Apps that wait: `/` answers as hello.py does, `/held` never answers, `/sleep` answers after five seconds."""

import asyncio
import time

import hello


def app(environ, start_response):
    if environ["PATH_INFO"] == "/held":
        time.sleep(86400)
    elif environ["PATH_INFO"] == "/sleep":
        time.sleep(5)
    return hello.app(environ, start_response)


async def asgi(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/held":
        await asyncio.get_running_loop().create_future()
    await hello.asgi(scope, receive, send)
