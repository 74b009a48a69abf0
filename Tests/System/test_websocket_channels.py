"""WebSockets that listen on channels: what is published, by whichever worker or over HTTP, reaches their clients
without the app."""

import base64
import json

import pytest
import websocket

from conftest import PYTHON
from support import procfs, wait
from support.frames import close_of
from support.gateway import ROOT, Gateway
from support.gripped import publish
from support.metrics import Metrics

APPS = ROOT / "Tests" / "System" / "asgi_apps"
# Of resident memory that a worker may gain, in bytes.
SLACK = 40 << 20


class Listener:
    """A client whose app does what it is told."""

    def __init__(self, client):
        self.client = client
        self.told = json.loads(client.recv())

    def ask(self, **what):
        self.client.send(json.dumps(what))
        return json.loads(self.client.recv())

    def listen(self, channel, **more):
        assert self.ask(type="evgateway.subscribe", channel=channel, **more) == "done"
        return self

    def next(self):
        opcode, data = self.client.recv_data(control_frame=True)
        return {1: "text", 2: "binary", 9: "ping"}[opcode], data


class Served:
    def __init__(self, gateway, dial, folder, app, *flags):
        self.publisher, self.dial = str(folder / "publish"), dial
        self.server = gateway(app, "--publish-bind", f"unix:{self.publisher}", "--admin-bind", f"unix:{folder}/admin",
                              *flags)
        self.metrics = Metrics(folder / "admin")

    def publish(self, channel, **formats):
        document = {"items": [{"channel": channel, **{name.replace("_", "-"): said for name, said in formats.items()}}]}
        assert publish(self.publisher, json.dumps(document).encode())["status"] == 200

    def say(self, channel, *texts, **more):
        for text in texts:
            self.publish(channel, ws_message={"content": text}, **more)

    def client(self):
        return Listener(self.dial(self.server))

    def of_workers(self, count):
        """A client of each of so many workers."""
        found = {}

        def look():
            client = self.client()
            found.setdefault(client.told["pid"], client)
            return len(found) == count
        wait.until(look, "every worker has a client")
        return list(found.values())


@pytest.fixture
def serve(gateway, dial, short_path):
    def start(*flags, app="listening_app:app"):
        return Served(gateway, dial, short_path, app, "-k", "asgi", "--grip", "--pythonpath", APPS, *flags)
    return start


def test_items_reach_the_sockets_of_all_workers(serve):
    served = serve("--workers", 2)
    clients = [client.listen("room") for client in served.of_workers(2)]
    served.publish("room", http_stream={"content": "of streams"})
    served.publish("room", ws_message={"content": "caf\u00e9"})
    served.publish("room", ws_message={"content-bin": "AP8="})
    served.publish("room", ws_message={"content": "now", "type": "ping"})
    for client in clients:
        assert [client.next() for _ in range(3)] == [
            ("text", "caf\u00e9".encode()), ("binary", b"\x00\xff"), ("ping", b"now")]
    clients[0].client.send(json.dumps({"publish": ["room", "from the app"]}))
    assert {clients[0].next(), clients[0].next()} == {("text", b'"done"'), ("text", b"from the app")}
    assert clients[1].next() == ("text", b"from the app")
    assert clients[1].ask(type="evgateway.unsubscribe", channel="room") == "done"
    served.say("room", "to one")
    served.publish("room", ws_message={"action": "close", "code": 4001, "reason": "enough"})
    assert clients[0].next() == ("text", b"to one")
    assert close_of(clients[0].client) == (4001, "enough")
    assert clients[1].ask(unsubscribe={}).startswith("TypeError")
    for client in clients:
        client.client.shutdown()
    served.metrics.wait_for(0, "evgateway_channels")


def test_frameworks_that_send_no_other_messages_call(serve):
    served = serve()
    ann, bob = served.client(), served.client()
    assert {"evgateway.subscribe", "evgateway.unsubscribe"} < set(ann.told["extensions"])
    for client, name in ((ann, "ann"), (bob, "bob")):
        assert client.ask(subscribe={"channel": "room", "filters": ["skip-self", "var-subst"],
                                     "meta": {"user": name}}) == "done"
    served.say("room", "to %(user)s", meta={"sender": "ann"})
    served.say("room", "hello, %(user)s")
    assert bob.next() == ("text", b"to bob") and bob.next() == ("text", b"hello, bob")
    assert ann.next() == ("text", b"hello, ann")


@pytest.mark.parametrize("wanted, refusal", [
    ({"channel": ""}, "ValueError: the channel is empty"), ({"channel": "a\r\nb"}, "ValueError: the channel has a"),
    ({"channel": "x" * 1001}, "ValueError: the channel is longer"), ({"channel": "\ud800"}, "UnicodeEncodeError"),
    ({"channel": None}, "TypeError: a channel must be a str"), ({"channel": 7}, "TypeError: a channel must be a str"),
    ({}, "KeyError"), ({"channel": "a", "filters": "skip-self"}, "TypeError: filters must be an iterable"),
    ({"channel": "a", "filters": [1]}, "TypeError: a filter"), ({"channel": "a", "filters": 1}, "TypeError"),
    ({"channel": "a", "filters": ["skip-self"] * 6}, "ValueError: too many filters for channel 'a'"),
    ({"channel": "a", "filters": ["skip-self"] * 1000}, "ValueError: too many filters"),
    ({"channel": "a", "meta": []}, "TypeError: meta must be a dict"),
    ({"channel": "a", "meta": {"user": 1}}, "TypeError: a value of meta"),
    ({"channel": "a", "meta": {str(number): "" for number in range(65)}}, "ValueError: more than 64 entries"),
    ({"channel": "a", "meta": {str(number): "" for number in range(1000)}}, "ValueError: too many entries"),
    ({"channel": "a", "slow_clients": "wait"}, "ValueError: slow_clients"),
    ({"channel": "a", "slow_clients": 1}, "ValueError: slow_clients"),
], ids=range(18))
def test_what_is_no_channel_is_refused(refusing, wanted, refusal):
    assert refusing.ask(type="evgateway.subscribe", **wanted).startswith(refusal)
    if "channel" in wanted:
        assert refusing.ask(subscribe=wanted).startswith(refusal)
    # Whoever listened would be told first, or next.
    assert [refusing.ask(publish=["a", "nobody listens"]) for _ in range(2)] == ["done", "done"]


@pytest.fixture(scope="module")
def refusing():
    """One client, that listens on nothing whatever it asks for."""
    server = Gateway(["listening_app:app", "-k", "asgi", "--grip", "-b", "127.0.0.1:0", "--python", str(PYTHON),
                      "--pythonpath", str(APPS)])
    try:
        server.wait_until_ready()
        client = websocket.create_connection(f"ws://127.0.0.1:{server.port}/", timeout=30)
        yield Listener(client)
        client.shutdown()
    finally:
        assert server.clean_up() == []


def test_a_hundred_channels_and_no_more(serve):
    served = serve()
    client = served.client()
    for number in range(100):
        client.listen(f"room-{number}")
    assert client.ask(type="evgateway.subscribe", channel="one more") == (
        "ValueError: a WebSocket listens on 100 channels at most")
    assert client.ask(type="evgateway.unsubscribe", channel="room-7") == "done"
    client.listen("one more").listen("room-8", filters=["skip-self"])
    served.say("one more", "heard")
    assert client.next() == ("text", b"heard")


def test_clients_that_read_too_little(serve):
    """One loses its socket, the other one messages, and nobody else anything; nothing is kept for them."""
    served = serve()
    closed, skipped, reader = (served.client().listen("room", slow_clients=what) for what in ("close", "skip", None))
    before = procfs.resident_bytes(reader.told["pid"])
    large = bytes(600_000)
    for _ in range(100):
        served.publish("room", ws_message={"content-bin": base64.b64encode(large).decode()})
        assert reader.next() == ("binary", large)
    assert procfs.resident_bytes(reader.told["pid"]) < before + SLACK
    while (opcode := closed.client.recv_data(control_frame=True)[0]) == websocket.ABNF.OPCODE_BINARY:
        pass
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    wait.until(lambda: 1013 in json.loads(served.server.get("/ends").body), "its app is told")
    skipped.client.send(json.dumps({"type": "evgateway.unsubscribe", "channel": "room"}))
    count = 0
    while skipped.next()[1] != b'"done"':
        count += 1
    assert 0 < count < 100
    skipped.listen("other")
    served.say("other", "on")
    assert skipped.next() == ("text", b"on")
    assert served.metrics.value("evgateway_channel_messages_total", result="dropped") >= 100 - count


def test_without_the_setting_there_are_no_channels(gateway, dial):
    client = Listener(dial(gateway("listening_app:app", "-k", "asgi", "--pythonpath", APPS)))
    assert not [name for name in client.told["extensions"] if "subscribe" in name]
    assert client.ask(type="evgateway.subscribe", channel="a") == "ValueError: channels need --grip"
    assert client.ask(subscribe={"channel": "a"}).startswith("KeyError")


def test_swift_app(gateway, example, dial, short_path):
    served = Served(gateway, dial, short_path, example("websocket-echo"), "--grip", "--workers", 2)
    clients = [dial(served.server, "/channel") for _ in range(12)]
    served.metrics.wait_for(2, "evgateway_channels")
    clients[0].send("hello")
    assert {client.recv() for client in clients} == {"hello"}
    served.say("everybody", "all")
    assert {client.recv() for client in clients} == {"all"}
    served.publish("everybody", ws_message={"action": "close"})
    assert {close_of(client) for client in clients} == {(1000, "")}
