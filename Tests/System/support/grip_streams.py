"""Cases beside Pushpin: responses that go on with what is published, and links to further pages."""

import base64

from .grip_cases import BINARY, held, said
from .gripped import answer, instruct, replaced

CASES = {}


def streamed(*fields, steps=None, ask=None, channels=1, body="first\n", then=(), mode="stream", link=None, **more):
    """The head and the first body come at once; `steps(play, client)` go on, until the mark END or the end."""
    def run(play):
        link_field = [("Grip-Link", link)] if link else []
        play.plan(held(*fields, *link_field, mode=mode, body=body, **more)(play.key),
                  *(make(play.key) if callable(make) else make for make in then))
        client = play.ask(**(ask or {}))
        play.seen["head"] = client.begin()
        if client.head and isinstance(body, str) and body:
            play.seen["first"] = client.until(body[-6:])
        if channels:
            play.until_held(1, channels)
        (steps or until_mark)(play, client)
        play.seen["asked"] = play.asked()
    return run


def until_mark(play, client):
    play.stream("one\n", "two\n", "END")
    play.seen["more"] = client.until("END")


def items(*documents, end="END", **more):
    """Publishes these, then the mark, and reads up to it."""
    def steps(play, client):
        for document in documents:
            play.publish(replaced(document, play.key))
        play.publish({"http-stream": {"content": end}, **replaced(more.get("last", {}), play.key)})
        play.seen["more"] = client.until(end)
    return steps


def ends(*documents):
    """Publishes these; the last ends the response."""
    def steps(play, client):
        for document in documents:
            play.publish(replaced(document, play.key))
        play.seen["rest"] = client.rest()
    return steps


def until(mark, count=1):
    def steps(play, client):
        play.seen["more"] = [client.until(mark) for _ in range(count)]
    return steps


def content(text="more\n", **more):
    return {**more, "http-stream": {"content": text}}


CLOSE = {"http-stream": {"action": "close"}}
HINT = {"http-stream": {"action": "hint"}}


def page(text, *fields, link=None):
    """A page without a hold."""
    return lambda key: answer(*fields, *([("Grip-Link", link.replace("{}", key))] if link else []), body=text)


CASES.update({
    "a stream": streamed(("X-App", "1")),
    "a stream without a first body": streamed(body=""),
    "a stream whose first body comes in parts": streamed(body="0123456789" * 10 + "\n", parts=7),
    "a stream whose first body is binary": streamed(body=BINARY),
    "a stream whose first body is large": streamed(body="0123456789" * 30_000 + "\n"),
    "a stream with a status": streamed(("Grip-Status", "202 Going On")),
    "a stream with exposed fields": streamed(("X-One", "1"), ("X-Two", "2"), ("Grip-Expose-Headers", "X-One")),
    "a stream to HEAD": lambda play: stream_to_head(play),
    "a stream to HTTP 1.0": lambda play: stream_to_the_old(play),
    "a stream to a client that closes after it": streamed(ask={"fields": [("Connection", "close")]},
                                                          steps=ends(content(), CLOSE)),
    "a stream of several channels": streamed(channel="{}-a, {}-b", channels=2, steps=items(
        content("1\n"), content("2\n", channel="b"), content("3\n"))),
    "a binary item": streamed(steps=items({"http-stream": {"content-bin": base64.b64encode(BINARY).decode()}})),
    "a large item": streamed(steps=items(content("0123456789" * 50_000))),
    "an empty item": streamed(steps=items(content(""))),
    "an item for answers is nothing for a stream": streamed(steps=items({"http-response": {"body": "no"}})),
    "an item for a channel that is not listened to": streamed(steps=items(content("no", channel="b"))),
    "closed by an item": streamed(steps=ends(content(), CLOSE)),
    "closed at once": streamed(steps=ends(CLOSE)),
    "nothing after the close": streamed(steps=ends(CLOSE, content("no"))),
    "a hint without a link": streamed(steps=items(HINT, content())),
    "sent by name": streamed(steps=items({"http-stream": {"action": "send", "content": "x"}})),
    "one id twice, in a stream": streamed(steps=items(content("1\n", id="7"), content("2\n", id="7"))),
    "items in a wrong order": streamed(steps=items(
        content("1\n", id="1"), content("3\n", id="3", **{"prev-id": "2"}), content("2\n", id="2", **{"prev-id": "1"}),
        last={"id": "4", "prev-id": "3"})),
    "the connection is used after a stream": streamed(steps=lambda play, client: (
        play.publish(CLOSE), play.seen.update(rest=client.rest()), play.plan(answer(body="next\n")),
        client.wire.request(target=f"/case/{play.key}/next"), play.seen.update(next=client.answer()))),
    # Keep-alive
    "keep-alive": streamed(("Grip-Keep-Alive", "idle; timeout=1"), steps=until("idle", 2)),
    "keep-alive, raw": streamed(("Grip-Keep-Alive", "a\\nb; format=raw; timeout=1"), steps=until("b")),
    "keep-alive, cstring": streamed(("Grip-Keep-Alive", ":\\n\\x41\\r\\\\z; format=cstring; timeout=1"),
                                    steps=until("z")),
    "keep-alive, base64": streamed(("Grip-Keep-Alive", "AAEC/2VuZA==; format=base64; timeout=1"), steps=until("end")),
    "keep-alive, idle": streamed(("Grip-Keep-Alive", "idle; timeout=1; mode=idle"), steps=until("idle")),
    "keep-alive, interval": streamed(("Grip-Keep-Alive", "idle; timeout=1; mode=interval"), steps=until("idle", 2)),
    "keep-alive, time 0": streamed(("Grip-Keep-Alive", "idle; timeout=0"), steps=until("idle")),
    # Filters
    "skip-self, in a stream": streamed(("Grip-Set-Meta", "user=me"), channel="{}-a; filter=skip-self", steps=items(
        content("mine\n", meta={"sender": "me"}), content("theirs\n", meta={"sender": "you"}))),
    "skip-users, in a stream": streamed(("Grip-Set-Meta", "user=me"), channel="{}-a; filter=skip-users", steps=items(
        content("not me\n", meta={"skip_users": " me,you"}), content("me\n", meta={"skip_users": "them"}))),
    "require-sub, in a stream": streamed(channel="{}-a; filter=require-sub", steps=items(
        content("no\n", meta={"require_sub": "{}-b"}), content("yes\n", meta={"require_sub": "{}-a"}))),
    "var-subst, in a stream": streamed(("Grip-Set-Meta", "user=me, room=7"), channel="{}-a; filter=var-subst",
                                       steps=items(content("%(user)s in %(room)s\n"))),
    "a filter that fails": streamed(channel="{}-a; filter=var-subst", steps=ends(content("%(user)s"), CLOSE)),
    "build-id, in a stream": lambda play: built(play),
    # Links
    "a page with a link": streamed(mode="stream", steps=ends(HINT), link="</case/{}/next>; rel=next",
                                   then=[page("the last page\n")]),
    "a hint asks for the link": streamed(link="</case/{}/next?after=first>; rel=next", steps=lambda play, client: (
        play.publish(HINT), play.until_asked(2), play.seen.update(page=client.until("page\n")), play.stream("END"),
        play.seen.update(more=client.until("END"))), then=[
            held(("Grip-Link", "</case/{}/next?after=2>; rel=next"), mode="stream", body="a page\n")]),
    "a link to the whole address": streamed(link="<http://test/case/{}/next>; rel=next", steps=ends(HINT),
                                            then=[page("the last page\n")]),
    "a link from here": streamed(link="<next?page=2>; rel=next", steps=ends(HINT), then=[page("the last page\n")]),
    "a link of another kind": streamed(link="</case/{}/next>; rel=other", steps=items(HINT, content())),
    "a link that is called by itself": streamed(link="</case/{}/next>; rel=next; timeout=1", then=[page("a page\n")],
                                                steps=lambda play, client: play.seen.update(rest=client.rest())),
    "a link that answers later": streamed(link="</case/{}/next>; rel=next", steps=ends(HINT), then=[
        answer(status="503 Not Now", body="not now"), page("the last page\n")]),
    "a link that holds for one answer": streamed(link="</case/{}/next>; rel=next", steps=ends(HINT), then=[
        held(body="no\n")]),
    "a link whose page is wrong": streamed(link="</case/{}/next>; rel=next", steps=ends(HINT), then=[
        answer(("Grip-Hold", "forever"), body="no\n")]),
    "a missed item asks for the link": streamed(
        channel="{}-a; prev-id=1", link="</case/{}/next>; rel=next", steps=ends(content(id="3", **{"prev-id": "2"})),
        then=[page("what was missed\n")]),
    "items that follow": streamed(channel="{}-a; prev-id=1", link="</case/{}/next>; rel=next", steps=items(
        content("2\n", id="2", **{"prev-id": "1"}), content("3\n", id="3", **{"prev-id": "2"}),
        last={"id": "4", "prev-id": "3"})),
    "prev-id without a link": streamed(channel="{}-a; prev-id=1", channels=0,
                                       steps=lambda play, client: play.seen.update(rest=client.rest())),
    "a link that is gone": streamed(("Grip-Link", "</case/{}/gone>; rel=gone"), link="</case/{}/next>; rel=next",
                                    steps=ends(HINT), then=[page("the last page\n")]),
    "pages": lambda play: pages(play),
    # JSON
    "JSON, a stream": lambda play: by_json(play, {"mode": "stream"}, until_mark),
    "JSON, keep-alive": lambda play: by_json(play, {"mode": "stream", "keep-alive": {"content": "idle", "timeout": 1}},
                                             until("idle")),
    "JSON, binary keep-alive": lambda play: by_json(
        play, {"mode": "stream", "keep-alive": {"content-bin": "AAEC/2VuZA==", "timeout": 1}}, until("end")),
    "a stream held for a word": said(answer(("Grip-Hold", "streaming"), body="no\n")),
})


def built(play):
    """The page and the items name the position that the client has after them."""
    fields = [("Grip-Set-Meta", "id_format=%({}-a)s"), ("Grip-Link", "</case/{}/next>; rel=next")]
    play.plan(held(*fields, mode="stream", channel="{}-a; prev-id=1; filter=build-id", body="first\n")(play.key))
    client = play.ask()
    play.seen["head"], play.seen["first"] = client.begin(), client.until("first\n")
    play.until_held()
    play.publish({"id": "2", "prev-id": "1", "http-stream": {"content": "at %I END"}})
    play.seen["more"] = client.until("END")


def stream_to_head(play):
    play.plan(held(mode="stream", body="first\n")(play.key))
    client = play.ask(method="HEAD")
    play.seen["head"] = client.begin()
    play.seen["asked"] = play.asked()


def stream_to_the_old(play):
    play.plan(held(mode="stream", body="first\n")(play.key))
    client = play.ask(version="1.0")
    play.until_held()
    play.publish(replaced(content(), play.key))
    play.publish(CLOSE)
    play.seen["answer"] = client.answer()


def pages(play):
    """Three pages one after the other, without a hold, then a hold."""
    play.plan(page("one\n", ("X-App", "1"), link="</case/{}/2>; rel=next")(play.key),
              page("two\n", ("X-App", "2"), link="</case/{}/3>; rel=next")(play.key),
              held(mode="stream", body="three\n")(play.key))
    client = play.ask(more="1")
    play.seen["head"], play.seen["first"] = client.begin(), client.until("three\n")
    play.until_held()
    play.stream("END")
    play.seen["more"] = client.until("END")
    play.seen["asked"] = play.asked()


def by_json(play, hold, steps):
    play.plan(instruct({"hold": {**hold, "channels": [{"name": f"{play.key}-a"}]}, "response": {
        "headers": {"Content-Type": "text/event-stream"}, "body": "first\n"}}))
    client = play.ask()
    play.seen["head"], play.seen["first"] = client.begin(), client.until("first\n")
    play.until_held()
    steps(play, client)


def missed_twice(play):
    """The page that a missed item asks for is followed by live items."""
    link = ("Grip-Link", "</case/{}/next>; rel=next")
    play.plan(held(link, mode="stream", channel="{}-a; prev-id=1", body="first\n")(play.key),
              held(link, mode="stream", channel="{}-a; prev-id=3", body="two, three\n")(play.key))
    client = play.ask()
    play.seen["head"], play.seen["first"] = client.begin(), client.until("first\n")
    play.until_held()
    play.publish(content("3\n", id="3", **{"prev-id": "2"}))
    play.seen["page"] = client.until("three\n")
    play.publish(content("END", id="4", **{"prev-id": "3"}))
    play.seen["more"] = client.until("END")
    play.seen["asked"] = play.asked()


CASES["a missed item, and live ones after the page"] = missed_twice
