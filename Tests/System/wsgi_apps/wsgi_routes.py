"""What the routes of wsgi_app share. For each `id` of a query, calls of close() and blocks yielded are counted."""
import collections
import json
import urllib.parse

CLOSED = collections.Counter()
GIVEN = collections.Counter()
TEXT = [("Content-Type", "text/plain")]
ROUTES = {}


def route(function):
    ROUTES["/" + function.__name__.replace("_", "-")] = function
    return function


def query(environ):
    return dict(urllib.parse.parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))


def json_body(start_response, value):
    body = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class Counted:
    """An iterable that counts the blocks it has yielded and the calls of close()."""

    def __init__(self, name, blocks):
        self.name, self.blocks = name, iter(blocks)

    def __iter__(self):
        return self

    def __next__(self):
        block = next(self.blocks)
        GIVEN[self.name] += 1
        return block

    def close(self):
        CLOSED[self.name] += 1


def blocks(start_response, q, values):
    start_response("200 OK", list(TEXT))
    return Counted(q.get("id", "-"), values)
