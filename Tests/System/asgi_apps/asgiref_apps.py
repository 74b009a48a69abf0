"""Apps made with asgiref, the specification's own package: adapters, and a check of messages against its types."""
import json
import sys
import types
import typing

import both
from asgiref import typing as spec
from asgiref.compatibility import guarantee_single_callable
from asgiref.wsgi import WsgiToAsgi

adapted = WsgiToAsgi(both.wsgi)


class Double:
    """ASGI 2: called with the scope, then with receive and send."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        await both.asgi(self.scope, receive, send)


single = guarantee_single_callable(Double)

SCOPES = {"http": spec.HTTPScope, "lifespan": spec.LifespanScope}
MESSAGES = {"http.request": spec.HTTPRequestEvent, "http.disconnect": spec.HTTPDisconnectEvent,
            "lifespan.startup": spec.LifespanStartupEvent, "lifespan.shutdown": spec.LifespanShutdownEvent}
PROBLEMS, SEEN = [], []


def problems(value, hint, place):
    """Returns where a value does not match its annotation."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in (typing.Any, object):
        return []
    if typing.is_typeddict(hint):
        if type(value) is not dict:
            return [f"{place} is {type(value).__name__}"]
        known = typing.get_type_hints(hint)
        extra = {key for key in value if key not in known and not key.startswith("evgateway.")}
        found = [f"{place} lacks {key}" for key in hint.__required_keys__ - value.keys()]
        found += [f"{place} has {key}" for key in extra]
        return found + [line for key in known.keys() & value.keys()
                        for line in problems(value[key], known[key], f"{place}.{key}")]
    if origin is typing.Literal:
        return [] if value in inner else [f"{place} is {value!r}"]
    if origin in (typing.Union, types.UnionType):
        return [] if any(not problems(value, one, place) for one in inner) else [f"{place} is {value!r}"]
    if origin is dict:
        if type(value) is not dict:
            return [f"{place} is {type(value).__name__}"]
        # Extensions whose names are this server's own, such as the deadline, have their own types.
        return [line for key, item in value.items() if not key.startswith("evgateway.")
                for line in problems(key, inner[0], f"{place} key") + problems(item, inner[1], f"{place}.{key}")]
    if origin is tuple:
        # A list is accepted instead of a tuple, as JSON gives one, but not one of another length.
        if not isinstance(value, (tuple, list)) or len(value) != len(inner):
            return [f"{place} is {value!r}"]
        return [line for item, one in zip(value, inner) for line in problems(item, one, place)]
    if origin is not None and hasattr(origin, "__iter__"):
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            return [f"{place} is {type(value).__name__}"]
        return [line for item in value for line in problems(item, inner[0], f"{place} item")]
    return [] if type(value) is hint else [f"{place} is {type(value).__name__}, not {hint.__name__}"]


def judged(value, judges, what):
    SEEN.append(value["type"])
    PROBLEMS.extend(problems(value, judges[value["type"]], what))
    return value


async def typed(scope, receive, send):
    """Checks all messages that it receives; /report answers with those that do not match asgiref.typing."""
    judged(scope, SCOPES, f"scope {scope['type']}")

    async def take():
        message = await receive()
        return judged(message, MESSAGES, message["type"])

    if scope["type"] == "lifespan":
        await take()
        await send({"type": "lifespan.startup.complete"})
        await take()
        print("judged", json.dumps([PROBLEMS, sorted(set(SEEN))]), file=sys.stderr, flush=True)
        return await send({"type": "lifespan.shutdown.complete"})
    while (message := await take()).get("more_body"):
        pass
    if scope["path"].endswith("/wait"):
        sys.stderr.write("waiting\n")
        while message["type"] != "http.disconnect":
            message = await take()
        return
    body = json.dumps([PROBLEMS, SEEN]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
