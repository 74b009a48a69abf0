"""Cases beside Pushpin: requests that are held for one answer, and what is said of a hold in JSON."""

import base64

from .gripped import answer, hold, instruct, replaced

BINARY = bytes(range(256))
CASES = {}


def case(function):
    CASES[function.__name__.replace("_", " ")] = function
    return function


def held(*fields, body="timed out\n", mode="response", channel="{}-a", **more):
    """An answer that holds the request; `{}` in a value stands for the key of the play."""
    return lambda key: hold(mode, channel.replace("{}", key),
                            *((name, value.replace("{}", key)) for name, value in fields), body=body, **more)


def answered(*fields, items=({"http-response": {"body": "news\n"}},), channels=1, more=None, ask=None, then=None,
             **instructions):
    """The request is held, the items are published, and the client is answered."""
    def run(play):
        play.plan(held(*fields, **instructions)(play.key), *(then or ()))
        client = play.ask(**(ask or {}))
        play.until_held(1, channels)
        for item in items:
            play.publish(replaced(item, play.key))
        play.seen["answer"] = client.answer()
        if more:
            more(play, client)
        play.seen["asked"] = play.asked()
    return run


def said(make, **ask):
    """The app's answer, as the client sees it at once: no hold comes of it."""
    def run(play):
        play.plan(make(play.key) if callable(make) else make)
        play.seen["answer"] = play.ask(**ask).answer()
    return run


def response(body="news\n", **more):
    return {**more.pop("item", {}), "http-response": {"body": body, **more}}


def again(text="called again\n"):
    return answer(("X-Again", "1"), body=text)


CASES.update({
    "answered": answered(("X-App", "1")),
    "answered with a code, a reason and fields": answered(("X-App", "1"), items=[response(
        code=201, reason="Made", headers=[["X-One", "1"], ["X-Two", "a"], ["X-Two", "b"]])]),
    "fields as an object": answered(items=[response(headers={"X-One": "1", "Content-Type": "text/html"})]),
    "a field that the held answer has too": answered(("X-App", "1"), ("X-App", "2"), items=[response(
        headers=[["x-app", "3"]])]),
    "a code without a reason": answered(items=[response(code=404)]),
    "a code that nobody knows": answered(items=[response(code=299)]),
    "no content": answered(items=[response("", code=204)]),
    "an empty body": answered(items=[response("")]),
    "a binary body": answered(items=[{"http-response": {"body-bin": base64.b64encode(BINARY).decode()}}]),
    "a large body": answered(items=[response("0123456789" * 50_000)]),
    "letters beyond ASCII": answered(channel="{}-caf\xc3\xa9", items=[
        response("caf\u00e9", item={"channel": "caf\u00e9"})]),
    "a channel with spaces and signs": answered(channel="{}-b c/d%20&e", items=[
        response(item={"channel": "b c/d%20&e"})]),
    "several channels, the last": answered(("Grip-Channel", "{}-b"), ("Grip-Channel", "{}-c"), channels=3, items=[
        response(item={"channel": "c"})]),
    "several channels, joined by commas": answered(channel="{}-a, {}-b,{}-c", channels=3, items=[
        response(item={"channel": "b"})]),
    "one channel twice": answered(channel="{}-a, {}-a"),
    "the first answers, the second comes too late": answered(items=[response("first\n"), response("second\n")]),
    "several items in a document": lambda play: several(play),
    "an item of another format": answered(items=[{"http-stream": {"content": "nothing"}}, response()]),
    "an item of both formats": answered(items=[
        {"http-stream": {"content": "nothing"}, "http-response": {"body": "x"}}]),
    "formats in their own object": answered(items=[{"formats": {"http-response": {"body": "x"}}}]),
    "an action that says send": answered(items=[response(action="send")]),
    "close is nothing for an answer": answered(items=[{"http-response": {"action": "close"}}, response()]),
    "HEAD": answered(ask={"method": "HEAD"}),
    "POST with a body": answered(ask={"method": "POST", "body": b"some=body"}),
    "HTTP 1.0": answered(ask={"version": "1.0"}),
    "the client closes after it": answered(ask={"fields": [("Connection", "close")]}),
    "the connection is used again": answered(more=lambda play, client: (
        play.plan(answer(body="next\n")), client.wire.request(target=f"/case/{play.key}/next"),
        play.seen.update(next=client.answer()))),
    # What the app says of the answer
    "exposed fields": answered(("X-One", "1"), ("X-Two", "2"), ("Grip-Expose-Headers", "X-Two")),
    "several exposed fields": answered(("X-One", "1"), ("X-Two", "2"), ("X-Three", "3"),
                                       ("Grip-Expose-Headers", "x-two"), ("Grip-Expose-Headers", "x-three")),
    "an item's own Grip fields": answered(items=[response(headers=[["Grip-Other", "1"], ["X-One", "1"]])]),
    "meta without a filter": answered(("Grip-Set-Meta", "user=me")),
    "other Grip fields": answered(("Grip-Unknown", "1"), ("grip-lower", "2")),
    # Times
    "timed out": answered(("X-App", "1"), ("Grip-Timeout", "5"), items=[]),
    "timed out with a status": answered(("Grip-Status", "404 Nobody Came"), ("Grip-Timeout", "1"), items=[]),
    "timed out with a status without a reason": answered(("Grip-Status", "203"), ("Grip-Timeout", "1"), items=[]),
    "timed out, of a HEAD": answered(("Grip-Timeout", "1"), items=[], ask={"method": "HEAD"}),
    "timed out, binary": answered(("Grip-Timeout", "1"), items=[], body=BINARY),
    "timed out, with no content": answered(("Grip-Timeout", "1"), items=[], body="", status="204 No Content"),
    "timed out, some fields": answered(("X-One", "1"), ("X-Two", "2"), ("Grip-Expose-Headers", "X-Two"),
                                       ("Grip-Timeout", "1"), items=[]),
    # Positions
    "prev-id that matches": answered(channel="{}-a; prev-id=1", items=[response(item={"id": "2", "prev-id": "1"})]),
    "prev-id in quotes": answered(channel='{}-a; prev-id="1"', items=[response(item={"id": "2", "prev-id": "1"})]),
    "prev-id that does not match": answered(channel="{}-a; prev-id=1", then=[again()], items=[
        response(item={"id": "3", "prev-id": "2"})]),
    "an item without prev-id": answered(channel="{}-a; prev-id=1", then=[again()], items=[response(item={"id": "3"})]),
    "no prev-id asks for nothing": answered(items=[response(item={"id": "3", "prev-id": "2"})]),
    "one of two channels does not match": answered(
        channel="{}-a; prev-id=1, {}-b; prev-id=7", channels=2, then=[again()], items=[
            response(item={"channel": "b", "id": "9", "prev-id": "8"})]),
    "one id twice": answered(channel="{}-b, {}-a", channels=2, items=[
        {"id": "1", "http-stream": {"content": "x"}}, response("again\n", item={"id": "1"}),
        response(item={"channel": "b"})]),
    # Of this channel nobody has heard before: what was published while the app looked, nobody has seen.
    "the app looks once more": answered(channel="{}-d; prev-id=0", then=[again()], items=[]),
    "hint": answered(then=[again()], items=[{"http-response": {"action": "hint"}}]),
    "hint, of a POST": answered(then=[again()], items=[{"http-response": {"action": "hint"}}],
                                ask={"method": "POST", "body": b"some=body"}),
    "hint, and held again": lambda play: held_again(play),
    # Filters
    "skip-self": answered(("Grip-Set-Meta", "user=me"), channel="{}-a; filter=skip-self", items=[
        response("mine\n", item={"meta": {"sender": "me"}}), response("theirs\n", item={"meta": {"sender": "you"}})]),
    "skip-users": answered(("Grip-Set-Meta", "user=me"), channel="{}-a; filter=skip-users", items=[
        response("not me\n", item={"meta": {"skip_users": "you, me"}}),
        response("me\n", item={"meta": {"skip_users": "you"}})]),
    "require-sub": answered(channel="{}-a; filter=require-sub, {}-b", channels=2, items=[
        response("c\n", item={"meta": {"require_sub": "{}-c"}}),
        response("b\n", item={"meta": {"require_sub": "{}-b"}})]),
    "var-subst": answered(("Grip-Set-Meta", 'user="me"'), channel="{}-a; filter=var-subst", items=[
        response("hello %(user)s, 100%%\n")]),
    "var-subst of what is not set": answered(channel="{}-a; filter=var-subst", items=[
        response("hello %(user)s\n"), response("hello\n")]),
    "build-id": answered(("Grip-Set-Meta", 'id_format="at-%({}-a)s"'), channel="{}-a; prev-id=1; filter=build-id",
                         items=[response("id: %I\n", item={"id": "2", "prev-id": "1"})]),
    "two filters": answered(("Grip-Set-Meta", "user=me"), channel="{}-a; filter=skip-self; filter=skip-users", items=[
        response("mine\n", item={"meta": {"sender": "me"}}),
        response("skipped\n", item={"meta": {"skip_users": "me"}}), response()]),
    "a filter that nobody knows": answered(channel="{}-a; filter=unknown"),
    "filters of the content that match": answered(
        ("Grip-Set-Meta", "user=me"), channel="{}-a; filter=var-subst",
        items=[response("%(user)s\n", **{"content-filters": ["var-subst"]})]),
    "filters of the content that do not match": answered(items=[
        response(**{"content-filters": ["var-subst"]}), response("good\n")]),
    # Instructions that are wrong, or none
    "Grip-Hold of a word": said(answer(("Grip-Hold", "forever"), ("Grip-Channel", "x"))),
    "Grip-Timeout of a word": said(held(("Grip-Timeout", "soon"))),
    "Grip-Timeout below 0": said(held(("Grip-Timeout", "-1"))),
    "Grip-Channel of nothing": answered(("Grip-Timeout", "1"), channel="", channels=0, items=[]),
    "Grip-Status of a word": said(held(("Grip-Status", "fine"))),
    "Grip-Status of 1000": said(held(("Grip-Status", "1000 Many"))),
    "Grip-Keep-Alive of a mode": said(held(("Grip-Keep-Alive", "x; mode=often"))),
    "Grip-Keep-Alive of a format": said(held(("Grip-Keep-Alive", "x; format=hex"))),
    "Grip-Keep-Alive of a time": said(held(("Grip-Keep-Alive", "x; timeout=soon"))),
    "Grip-Keep-Alive that ends in a backslash": said(held(("Grip-Keep-Alive", "x\\; format=cstring"))),
    "Grip-Link without brackets": said(held(("Grip-Link", "/next; rel=next"), mode="stream")),
    "Grip-Link of a time": said(held(("Grip-Link", "</next>; rel=next; timeout=soon"), mode="stream")),
    "a channel without a hold": said(answer(("Grip-Channel", "x"), ("X-App", "1"), body="at once\n")),
    "only a status": said(answer(("Grip-Status", "202 Fine"), body="at once\n")),
    "a plain answer": said(answer(("X-App", "1"), body="at once\n")),
    "a plain answer to HEAD": said(answer(body="at once\n"), method="HEAD"),
    "an answer of 500": said(answer(status="500 Broken", body="sorry\n")),
    # What clients send
    "a client's own Grip fields": answered(ask={"fields": [
        ("Grip-Sig", "x"), ("Grip-Last", "{}-a; last-id=5"), ("grip-feature", "all"), ("Grip-Other", "1")]}),
})


def several(play):
    play.plan(held()(play.key))
    client = play.ask()
    play.until_held()
    play.publish({"channel": "b", "http-response": {"body": "b\n"}}, {"channel": "a", "http-response": {"body": "a\n"}})
    play.seen["answer"] = client.answer()


def held_again(play):
    """The app that is called again holds the request once more, for another channel."""
    play.plan(held()(play.key), held(channel="{}-b")(play.key))
    client = play.ask()
    play.until_held()
    play.publish({"http-response": {"action": "hint"}})
    play.until_held(2)
    play.respond("of the first\n")
    play.respond("of the second\n", channel="b")
    play.seen.update(answer=client.answer(), asked=play.asked())


@case
def missed_while_nobody_listened(play):
    """An item that came before the hold: the hold names an older one, and the app is called again."""
    play.plan(held(channel="{}-a; prev-id=1")(play.key), held(channel="{}-a; prev-id=1")(play.key), again())
    first = play.ask(more="first")
    play.until_held()
    play.respond("two\n", id="2", **{"prev-id": "1"})
    play.seen["first"] = first.answer()
    play.seen["late"] = play.ask(more="late").answer()
    play.seen["asked"] = play.asked()


@case
def two_clients_of_one_channel(play):
    play.plan(held()(play.key))
    clients = [play.ask(), play.ask()]
    play.until_held(2)
    play.respond("news\n")
    play.seen["answers"] = [client.answer() for client in clients]


@case
def a_second_request_while_the_first_is_held(play):
    """It waits for its turn on the connection."""
    play.plan(held()(play.key), answer(body="the second\n"))
    client = play.ask()
    play.until_held()
    client.wire.request(target=f"/case/{play.key}/second")
    play.respond("the first\n")
    play.seen["first"], play.seen["second"] = client.answer(), client.answer()


# JSON

def told(document, items=({"http-response": {"body": "news\n"}},), **more):
    """As `answered`, with the instructions of a document."""
    def run(play):
        play.plan(instruct(replaced(document, play.key)), *more.get("then", ()))
        client = play.ask()
        if items is not None:
            play.until_held(1, more.get("channels", 1))
        for item in items or ():
            play.publish(item)
        play.seen["answer"] = client.answer()
        play.seen["asked"] = play.asked()
    return run


ONE = [{"name": "{}-a"}]
CASES.update({
    "JSON, a hold": told({"hold": {"mode": "response", "channels": ONE}}),
    "JSON, a hold without a mode": told({"hold": {"channels": ONE}}),
    "JSON, a response": told({"hold": {"mode": "response", "channels": ONE, "timeout": 1}, "response": {
        "code": 203, "reason": "Late", "headers": [["X-One", "1"]], "body": "timed out\n"}}, items=[]),
    "JSON, a response with fields as an object": told({"hold": {"channels": ONE, "timeout": 1}, "response": {
        "headers": {"X-One": "1"}, "body-bin": base64.b64encode(BINARY).decode()}}, items=[]),
    "JSON, no response": told({"hold": {"channels": ONE, "timeout": 1}}, items=[]),
    "JSON, fields of the response and of the item": told({"hold": {"channels": ONE}, "response": {
        "headers": {"X-One": "1"}}}, items=[response(headers={"X-Two": "2"})]),
    "JSON, prev-id": told({"hold": {"channels": [{"name": "{}-a", "prev-id": "1"}]}}, then=[again()], items=[
        response(item={"id": "3", "prev-id": "2"})]),
    "JSON, filters and meta": told({"hold": {"meta": {"user": "me"}, "channels": [
        {"name": "{}-a", "filters": ["skip-self", "var-subst"]}]}}, items=[
            response("mine\n", item={"meta": {"sender": "me"}}), response("hello %(user)s\n")]),
    "JSON, several channels": told({"hold": {"channels": [{"name": "{}-b"}, {"name": "{}-a"}]}}, channels=2),
    "JSON, a response and no hold": told({"response": {"code": 404, "headers": {"X-One": "1"}, "body": "no\n"}},
                                         items=None),
    "JSON, nothing": told({}, items=None),
    "JSON, fields too": lambda play: json_and_fields(play),
    "JSON that is none": said(instruct("{hold")),
    "JSON, a list": said(instruct("[]")),
    "JSON, a hold of a word": said(instruct({"hold": "response"})),
    "JSON, a mode that is none": said(instruct({"hold": {"mode": "forever", "channels": []}})),
    "JSON, no channels": said(instruct({"hold": {"mode": "response"}})),
    "JSON, a channel without a name": said(instruct({"hold": {"channels": [{}]}})),
    "JSON, a channel that is a word": said(instruct({"hold": {"channels": ["a"]}})),
    "JSON, a time that is a word": said(instruct({"hold": {"channels": [], "timeout": "soon"}})),
    "JSON, a time below 0": said(instruct({"hold": {"channels": [], "timeout": -1}})),
    "JSON, a filter that is a number": said(instruct({"hold": {"channels": [{"name": "a", "filters": [1]}]}})),
    "JSON, meta that is a number": said(instruct({"hold": {"channels": [], "meta": {"user": 1}}})),
    "JSON, a code of 1000": said(instruct({"response": {"code": 1000}})),
    "JSON, fields that are a word": said(instruct({"response": {"headers": "X-One: 1"}})),
    "JSON, a field of three": said(instruct({"response": {"headers": [["X", "1", "2"]]}})),
    "JSON, a body that is a number": said(instruct({"response": {"body": 1}})),
    "JSON, with 201": said(instruct({"hold": {"channels": []}}, status="201 Created")),
})


def json_and_fields(play):
    """Fields of the response beside the document: a channel of each, and a field of the app."""
    document = instruct({"hold": {"channels": [{"name": f"{play.key}-a"}]}})
    document["fields"] += [["Grip-Channel", f"{play.key}-b"], ["X-App", "1"]]
    play.plan(document)
    client = play.ask()
    play.until_held(1, 2)
    play.respond("news\n", channel="b")
    play.seen["answer"] = client.answer()
