"""An app behind a real Pushpin: without --grip, evgateway passes on what the app says to it, and what it says to the
app."""

import json

import pytest

from support.gripped import Side, hold, publish
from support.pushpin import Pushpin


@pytest.fixture(params=["inline", "threads", "gevent"])
def side(request, gateway, short_path):
    server = gateway("gripped:app", "-k", request.param)
    with Pushpin(short_path, server.address) as pushpin:
        side = Side("pushpin", pushpin.address, server.address, pushpin.publish_address, pushpin.is_held)
        pushpin.until_it_passes_items(side)
        yield side


def test_holds_are_pushpins(side):
    """A long poll and a stream at the same time; the fields of the app reach Pushpin, and no client."""
    poll, stream = side.play_of("poll"), side.play_of("stream")
    poll.plan(hold("response", "poll-a", body="timed out\n"))
    stream.plan(hold("stream", "stream-a", ("X-App", "1"), body="first\n"))
    waits, goes_on = poll.ask(), stream.ask()
    head = goes_on.begin()
    assert head["status"] == "200 OK" and head["fields"]["x-app"] == ["1"] and "grip-hold" not in head["fields"]
    assert goes_on.until("first\n") == "first\n"
    poll.until_held()
    stream.until_held()
    items = [{"channel": "poll-a", "http-response": {"body": "news\n"}},
             {"channel": "stream-a", "http-stream": {"content": "more\n"}}]
    assert publish(side.publisher, json.dumps({"items": items}).encode())["status"] == 200
    assert waits.answer()["body"] == "news\n" and goes_on.until("more\n") == "more\n"
    assert poll.asked() == [{"request": "GET /case/poll/", "body": "",
                             "grip": {"HTTP_GRIP_SIG": "(present)", "HTTP_GRIP_FEATURE": "(present)"}}]
    poll.close()
    stream.close()


def test_without_pushpin_the_fields_are_the_apps(gateway):
    """What an app says to a proxy that is not there reaches the client, as from any server."""
    server = gateway("gripped:app", "-k", "inline")
    side = Side("alone", server.address, server.address, None, None)
    play = side.play_of("alone")
    play.plan(hold("response", "a", body="at once\n"))
    answer = play.ask(fields=[("Grip-Sig", "mine")]).answer()
    assert answer["body"] == "at once\n" and answer["fields"]["grip-hold"] == ["response"]
    assert play.asked()[0]["grip"] == {"HTTP_GRIP_SIG": "(present)"}
    play.close()
