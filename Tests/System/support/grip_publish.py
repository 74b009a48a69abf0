"""Cases beside Pushpin: documents of items, good and bad, and requests that publish nothing."""

import json

from .grip_cases import held
from .gripped import publish

CASES = {}


def document(value, **more):
    """What a publisher is told."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()

    def run(play):
        play.seen["told"] = publish(play.side.publisher, data, **more)
    return run


def item(**more):
    return {"items": [{"channel": "nobody", **more}]}


RESPONSE = {"http-response": {"body": "x"}}
CASES.update({
    "published": document(item(**RESPONSE)),
    "published, all that an item may have": document(item(**RESPONSE, **{
        "id": "1", "prev-id": "0", "meta": {"a": "b"}, "size": 3, "no-seq": True, "unknown": [1],
        "http-stream": {"content": "x"}, "ws-message": {"content": "x"}})),
    "published, a list of none": document({"items": []}),
    "published, for a path without the slash": document(item(**RESPONSE), target="/publish"),
    "published, told in JSON": document(item(**RESPONSE), fields=[("Accept", "application/json")]),
    "published, told in nothing known": document(item(**RESPONSE), fields=[("Accept", "image/png")]),
    "published, GET": document(b"", method="GET"),
    "published, elsewhere": document(item(**RESPONSE), target="/elsewhere"),
    "published, the root": document(b"", method="GET", target="/"),
    "published, no JSON": document(b"{items"),
    "published, nothing": document(b""),
    "published, a list": document([]),
    "published, no items": document({}),
    "published, items that are none": document({"items": {}}),
    "published, an item that is none": document({"items": ["x"]}),
    "published, no channel": document({"items": [RESPONSE]}),
    "published, a channel that is a number": document({"items": [{"channel": 1, **RESPONSE}]}),
    "published, no formats": document(item()),
    "published, empty formats": document(item(formats={})),
    "published, formats that are none": document(item(formats=[])),
    "published, a format that is none": document(item(**{"http-response": "x"})),
    "published, an answer without a body": document(item(**{"http-response": {}})),
    "published, a body that is a number": document(item(**{"http-response": {"body": 1}})),
    "published, a code of 1000": document(item(**{"http-response": {"code": 1000, "body": ""}})),
    "published, a code below 0": document(item(**{"http-response": {"code": -1, "body": ""}})),
    "published, a code that is a word": document(item(**{"http-response": {"code": "ok", "body": ""}})),
    "published, a code in letters": document(item(**{"http-response": {"code": "200", "body": ""}})),
    "published, a reason that is a number": document(item(**{"http-response": {"reason": 1, "body": ""}})),
    "published, fields that are a word": document(item(**{"http-response": {"headers": "x", "body": ""}})),
    "published, a field of three": document(item(**{"http-response": {"headers": [["a", "b", "c"]], "body": ""}})),
    "published, a field that is a number": document(item(**{"http-response": {"headers": {"a": 1}, "body": ""}})),
    "published, an action that is none": document(item(**{"http-response": {"action": "jump", "body": ""}})),
    "published, a stream without content": document(item(**{"http-stream": {}})),
    "published, a stream's content that is a number": document(item(**{"http-stream": {"content": 1}})),
    "published, an id that is a number": document(item(id=1, **RESPONSE)),
    "published, a prev-id that is a number": document(item(**{"prev-id": 1}, **RESPONSE)),
    "published, meta that is a list": document(item(meta=[], **RESPONSE)),
    "published, meta with a number": document(item(meta={"a": 1}, **RESPONSE)),
    "published, a size that is a word": document(item(size="big", **RESPONSE)),
    "published, filters that are a word": document(item(**{"http-response": {"content-filters": "x", "body": ""}})),
    "published, base64 that is none": document(item(**{"http-response": {"body-bin": "?"}})),
    "published, an unknown format": document(item(**{"http-other": {"body": "x"}})),
    "published, bytes that are not UTF-8": document(
        b'{"items": [{"channel": "\xff", "http-response": {"body": "x"}}]}'),
    "published, a good item beside a bad one": lambda play: beside_a_bad_one(play),
})


def beside_a_bad_one(play):
    """None of a document with a mistake is published."""
    play.plan(held()(play.key))
    client = play.ask()
    play.until_held()
    good = {"channel": play.channel(), "http-response": {"body": "of the bad document\n"}}
    play.seen["told"] = publish(play.side.publisher, json.dumps({"items": [good, {"channel": "x"}]}).encode())
    play.respond("of the good document\n")
    play.seen["answer"] = client.answer()
