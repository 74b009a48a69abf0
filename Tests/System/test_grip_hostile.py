"""Clients, apps and publishers that mean harm to the server that holds their requests: what they may have is bounded,
what is wrong is logged once, and nobody else notices."""

import json
import threading

import pytest

from support import procfs, wait
from support.gripped import Play, Side, answer, hold, instruct, publish
from support.metrics import Metrics
from support.wire import Wire

# Of resident memory that a worker may gain, in bytes.
SLACK = 40 << 20


class Held(Side):
    """A server that holds, with what its tests ask of it."""

    def __init__(self, server, short_path):
        super().__init__("evgateway", server.address, server.address, str(short_path / "publish"),
                         lambda play, requests, channels: self.held() >= requests)
        self.server, self.metrics = server, Metrics(short_path / "admin")

    def held(self):
        return self.metrics.value("evgateway_requests_held")

    def until_held(self, count):
        self.metrics.wait_for(count, "evgateway_requests_held")

    def resident(self):
        return procfs.resident_bytes(self.server.worker_pids()[0])

    def works(self):
        """Somebody else is served, and a hold of theirs is answered."""
        play = Play(self, "works")
        play.plan(hold("response", "works-a", body=""))
        client = play.ask()
        wait.until(lambda: len(play.asked()) == 1, "it is asked")
        play.respond("well\n")
        assert client.answer()["body"] == "well\n"
        play.close()

    def log(self, pattern):
        return self.server.log.matches(pattern)


@pytest.fixture
def held(gateway, short_path):
    def start(*flags, **more):
        server = gateway("gripped:app", "-k", "inline", "--grip", "--publish-bind", f"unix:{short_path}/publish",
                         "--admin-bind", f"unix:{short_path}/admin", *flags, **more)
        return Held(server, short_path)
    return start


@pytest.fixture
def play(held):
    """One worker, and what is played on it."""
    play = Play(held(), "it")
    yield play
    play.side.works()
    play.close()


# Clients

@pytest.mark.parametrize("fields", [
    [("Grip-Sig", "forged")], [("GRIP-LAST", "it-a; last-id=7")], [("Grip_Last", "it-a; last-id=7")],
    [("Grip-Feature", "all"), ("grip-feature", "more")], [("Grip-Hold", "response"), ("Grip-Channel", "it-a")],
])
def test_what_clients_say_of_grip_reaches_no_app(play, fields):
    play.plan(answer(body="plain\n"))
    assert play.ask(fields=fields).answer()["body"] == "plain\n"
    assert play.asked()[0]["grip"] == {"HTTP_GRIP_SIG": "(present)", "HTTP_GRIP_FEATURE": "(present)"}


def test_polls_that_come_and_go(play):
    """Each subscribes to a channel of its own, and leaves at once, or never reads."""
    play.plan(instruct({"hold": {"channels": [{"name": f"it-{number}"} for number in range(20)]}}))
    for _ in range(3):
        clients = [play.ask() for _ in range(100)]
        play.side.until_held(100)
        for client in clients:
            client.wire.reset()
        play.side.until_held(0)
    play.clients.clear()
    before = play.side.resident()
    for _ in range(3):
        clients = [play.ask() for _ in range(100)]
        play.side.until_held(100)
        for client in clients:
            client.wire.reset()
        play.side.until_held(0)
    assert play.side.resident() < before + SLACK


def test_a_client_that_closes_is_missed_soon(held):
    """A FIN says no more than that it sends nothing; one that is there still gets its message, and nobody knows."""
    side = held("--half-close-grace", 300)
    play = Play(side, "it")
    play.plan(hold("response", "it-a", body=""))
    client = play.ask()
    side.until_held(1)
    client.wire.close()
    side.until_held(0)
    client = play.ask()
    side.until_held(1)
    client.wire.half_close()
    assert client.wire.read_head().status == 100
    play.respond("well\n")
    assert client.answer()["body"] == "well\n"
    side.works()
    side.metrics.wait_for(2, "evgateway_channel_items_total")
    side.metrics.wait_for(1, "evgateway_channel_messages_total", result="delivered")
    play.close()


def test_a_client_that_sends_on_while_it_is_held(play):
    """What it sends waits in the kernel, beyond what the server reads ahead."""
    play.plan(hold("response", "it-a", body=""))
    client = play.ask()
    play.side.until_held(1)
    before = play.side.resident()
    client.wire.socket.setblocking(False)
    sent = 0
    try:
        while sent < 64 << 20:
            sent += client.wire.socket.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 4000)
    except BlockingIOError:
        pass
    assert sent < 64 << 20 and play.side.resident() < before + SLACK
    play.side.works()


# Apps

def test_ten_thousand_channels(play):
    """More than a hold may have are refused, and told once."""
    play.plan(instruct({"hold": {"channels": [{"name": f"it-{number}"} for number in range(10_000)]}, "response": {}}))
    assert play.ask().answer()["status"] == "502 Bad Gateway"
    assert len(play.side.log("GRIP instruction cannot be followed")) == 1
    fields = [("Grip-Hold", "response"), *(("Grip-Channel", f"it-{number}") for number in range(200))]
    play.plan(answer(*fields, body=""))
    assert play.ask().answer()["status"] == "502 Bad Gateway"


@pytest.mark.parametrize("document", [
    answer(kind="application/grip-instruct", body="x" * 1000, times=100_000),
    answer(kind="application/grip-instruct", body="[" * 1000, times=90),
    answer(("Grip-Hold", "response"), ("Grip-Channel", "it-a"), body="x" * 1000, times=100_000),
], ids=["JSON of 100 MB", "deep JSON", "a held answer of 100 MB"])
def test_a_body_that_is_too_much(play, document):
    play.plan(document)
    play.ask().answer()
    before = play.side.resident()
    for _ in range(3):
        assert play.ask().answer()["status"] == "502 Bad Gateway"
    assert play.side.resident() < before + SLACK
    assert len(play.side.log("GRIP instruction cannot be followed")) == 4


@pytest.mark.parametrize("name", ["a\x00b", "a\r\nX-Evil: 1", "a\x1b[31m", "x" * 100_000, ""])
def test_names_of_channels_that_harm(play, name):
    """Neither the log nor another field gets what is in them."""
    play.plan(instruct({"hold": {"channels": [{"name": name}]}}))
    result = play.ask().answer()
    assert result["status"] == "502 Bad Gateway" and "x-evil" not in result["fields"]
    told = publish(play.side.publisher, json.dumps(
        {"items": [{"channel": name, "http-response": {"body": "x"}}]}).encode())
    assert told["status"] == 400
    log = play.side.server.error_log()
    assert len(play.side.log("GRIP instruction cannot be followed")) == 1
    assert not any(code < 32 and code != 10 for code in log.encode()) and not any(
        line.startswith("X-Evil") for line in log.splitlines()) and len(log) < 20_000


FORGED = [["X-Evil", "a\r\nX-Other: b"], ["X\r\nY", "a"], ["Content-Length", "3"], ["Transfer-Encoding", "chunked"],
          ["Connection", "upgrade"], ["", "a"], ["X Y", "a"], ["X-Null", "a\x00b"], ["Trailer", "X-One"]]


@pytest.mark.parametrize("field", FORGED, ids=lambda field: repr(field[0]))
def test_fields_that_would_change_the_framing(play, field):
    """Of a message, and of the answer in a document: the client reads one whole answer, and the next one after it."""
    play.plan(instruct({"hold": {"channels": [{"name": "it-a"}], "timeout": 5}, "response": {
        "headers": [field, ["X-Good", "1"]], "body": "timed out\n"}}))
    client = play.ask()
    while not play.asked():
        pass
    publish(play.side.publisher, json.dumps({"items": [
        {"channel": "it-a", "http-response": {"headers": [field, ["X-Good", "2"]], "body": "news\n"}}]}).encode())
    if play.side.held():
        play.respond("second\n")
    result = client.answer()
    assert result["status"] in ("200 OK", "502 Bad Gateway")
    assert not {"x-evil", "x-other", "trailer", "upgrade"} & set(result["fields"]) and "chunked" not in str(result)
    client.wire.request(target="/seen/it")
    assert client.answer()["status"] == "200 OK"


@pytest.mark.parametrize("code", [0, 99, 100, 101, 103, 204, 304, 999, 1000])
def test_codes_that_are_none_or_have_no_body(play, code):
    play.plan(hold("response", "it-a", body=""))
    client = play.ask()
    play.side.until_held(1)
    told = publish(play.side.publisher, json.dumps({"items": [
        {"channel": "it-a", "http-response": {"code": code, "body": "news\n"}}]}).encode())
    if told["status"] == 400:
        play.respond("second\n")
    result = client.answer()
    assert result["status"][:3] in (str(code) if told["status"] == 200 else "200", "200")
    client.wire.request(target="/seen/it")
    assert client.answer()["status"] == "200 OK"


def test_an_app_that_lies_about_its_position(play):
    """It says each time that the client has an id that never comes: each message asks it again, and no more."""
    play.plan(hold("response", "it-a; prev-id=never", body="gave up\n"))
    client = play.ask()
    play.side.until_held(1)
    for number in range(30):
        play.respond(f"{number}\n", id=str(number), **{"prev-id": str(number - 1)})
    play.side.works()
    assert 1 <= len(play.asked()) <= 40
    client.wire.reset()
    play.side.until_held(0)


def test_a_link_that_leads_to_itself(play):
    """A page without a hold whose link is itself: as long as the client reads, but nobody else waits for it."""
    play.plan(answer(("Grip-Link", "</case/it/>; rel=next"), body=""))
    client = play.ask()
    assert client.begin()["status"] == "200 OK"
    for _ in range(5):
        play.side.works()
    client.wire.reset()
    count = len(play.asked())
    play.plan(answer(body="the last\n"))
    wait.until(lambda: play.side.held() == 0, "it has ended")
    assert count > 0


def test_a_link_to_somewhere_else(play):
    """The server asks only its own app."""
    play.plan(hold("stream", "it-a", ("Grip-Link", "<http://192.0.2.1/secret>; rel=next"), body="first\n"))
    client = play.ask()
    client.begin()
    play.side.until_held(1)
    play.publish({"http-stream": {"action": "hint"}})
    play.stream("END")
    assert client.until("END") == "first\nEND"
    assert len(play.side.log("leads to another server")) == 1


# Publishers

def test_a_flood_to_one_who_does_not_read(play):
    """Others get all of it in order. What waits for the one who does not read is bounded, and it is told."""
    play.plan(hold("stream", "it-a", body="first\n"))
    slow = Wire(play.side.address, receive_buffer=4096).request(target="/case/it/")
    fast = play.ask()
    fast.begin()
    play.side.until_held(2)
    before, piece, got = play.side.resident(), "x" * 100_000, []

    def read():
        line = b""
        while b"END" not in line:
            *lines, line = (line + fast.wire.read_chunk()).split(b"\n")
            got.extend(text.partition(b":")[0] for text in lines if text != b"first")
    reader = threading.Thread(target=read)
    reader.start()
    for number in range(600):
        play.stream(f"{number}:{piece}\n")
    play.stream("END")
    reader.join(60)
    assert got == [b"%d" % number for number in range(600)]
    assert play.side.resident() < before + SLACK
    slow.close()
    fast.wire.close()
    play.side.until_held(0)


def test_publishers_that_are_faster_than_anybody(play):
    """Several at once, on one channel: each one's messages in its order, none twice."""
    play.plan(hold("stream", "it-a", body="first\n"))
    client = play.ask()
    client.begin()
    play.side.until_held(1)

    def say(who):
        with Wire(play.side.publisher) as wire:
            for start in range(0, 1000, 50):
                items = [{"channel": "it-a", "http-stream": {"content": f"{who}:{number}\n"}}
                         for number in range(start, start + 50)]
                document = json.dumps({"items": items}).encode()
                assert wire.request("POST", "/publish/", body=document).read().status == 200
    publishers = [threading.Thread(target=say, args=(who,)) for who in range(4)]
    for thread in publishers:
        thread.start()
    for thread in publishers:
        thread.join()
    play.stream("END")
    lines = client.until("END").splitlines()[1:-1]
    for who in range(4):
        assert [line for line in lines if line.startswith(f"{who}:")] == [f"{who}:{number}" for number in range(1000)]


def test_a_channel_for_everything(play):
    """A million names in what is published leave nothing behind."""
    document = [json.dumps({"items": [{"channel": f"{start}-{number}", "id": "1", "http-stream": {"content": "x"}}
                                      for number in range(10_000)]}).encode() for start in range(20)]
    with Wire(play.side.publisher) as wire:
        for text in document[:2]:
            wire.request("POST", "/publish/", body=text).read()
        before = play.side.resident()
        for text in document[2:]:
            assert wire.request("POST", "/publish/", body=text).read().status == 200
    assert play.side.resident() < before + SLACK
