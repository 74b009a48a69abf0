"""WebSockets of Swift apps: the chat's page in two browsers, and the examples with a client of somebody else's."""

from signal import SIGHUP

import pytest
import websocket

from support import wait
from support.chromium import Browser, Gate
from support.frames import close_of

STATE = "document.querySelector('#state').dataset.state"
LINES = "Array.from(document.querySelectorAll('#log li'), (item) => item.textContent)"
MARKUP = '<img src=x onerror="document.title = 1"> \U0001f642'


# The chat


def enter(page, name):
    page.wait_for(STATE, "offline")
    page.type("#name", name)
    page.press_enter()
    page.wait_for(STATE, "connected")


def say(page, text):
    page.type("#text", text)
    page.press_enter()
    page.wait_for("document.querySelector('#text').value", "")


def test_two_tabs_chat_and_one_that_loses_its_connection_is_missed(gateway, example, short_path, tmp_path):
    gateway(example("websocket-chat"), "--bind", f"unix:{short_path}/chat")
    with (Gate(f"{short_path}/chat") as front, Gate(f"{short_path}/chat") as gate,
          Browser(tmp_path / "profile") as browser):
        ann, bob = browser.open(front.url), browser.open(gate.url)
        enter(ann, "Ann")
        enter(bob, "Bob")
        ann.wait_for(LINES, ["Ann has come", "Bob has come"])
        say(ann, MARKUP)
        bob.wait_for(LINES, ["Bob has come", f"Ann: {MARKUP}"])
        assert bob.value("document.querySelectorAll('#log img').length") == 0  # text is not read as HTML
        say(bob, "hello")
        said = [f"Ann: {MARKUP}", "Bob: hello"]
        ann.wait_for(LINES, ["Ann has come", "Bob has come", *said])

        gate.shut()
        bob.wait_for(STATE, "reconnecting")
        ann.wait_for(LINES, ["Ann has come", "Bob has come", *said, "Bob has left"])
        say(ann, "are you there?")
        gate.open()
        bob.wait_for(STATE, "connected")
        said.append("Ann: are you there?")
        bob.wait_for(LINES, [*said, "Bob has come"])
        ann.wait_for(LINES, ["Ann has come", "Bob has come", *said[:2], "Bob has left", said[2], "Bob has come"])


@pytest.mark.parametrize("said", [["A\nB"], ["x" * 41], [b"Ann"], ["Ann", "x" * 2001], ["Ann", ""]])
def test_chat_sends_away_who_breaks_its_rules(gateway, example, dial, said):
    client = dial(gateway(example("websocket-chat")), "/chat")
    for message in said:
        client.send_binary(message) if isinstance(message, bytes) else client.send(message)
    if len(said) > 1:
        assert client.recv() == "came\nAnn"
    assert close_of(client)[0] == 1008


# The echo


@pytest.fixture
def echo(gateway, example):
    return lambda *flags: gateway(example("websocket-echo"), *flags)


@pytest.mark.parametrize("path", ["/echo", "/echo-task"])
def test_messages_come_back_as_they_were_sent(echo, dial, path):
    client = dial(echo(), path)
    for text in ("", "caf\u00e9 \U0001f600", "x" * 125, "x" * 70_000, "x" * 3_000_000):
        client.send(text)
        assert client.recv() == text
    client.send_binary(bytes(range(256)) * 300)
    assert client.recv_data() == (websocket.ABNF.OPCODE_BINARY, bytes(range(256)) * 300)
    client.close(1001)


def test_a_message_reaches_everybody(echo, dial):
    server = echo()
    clients = [dial(server, "/broadcast") for _ in range(50)]
    clients[7].send("one")
    assert {client.recv() for client in clients} == {"one"}
    for client in clients[:10]:
        client.shutdown()
    wait.until(lambda: server.get("/count").body == b"40\n", "forty are left")
    clients[11].send("two")
    assert {client.recv() for client in clients[10:]} == {"two"}


def test_a_reload_sends_sockets_to_the_new_worker(echo, dial):
    server = echo("--graceful-timeout", 300)
    clients = [dial(server, path) for path in ("/echo", "/echo-task", "/idle", "/broadcast")]
    start = server.log.position()
    server.signal(SIGHUP)
    for client in clients:
        assert close_of(client)[0] == 1012
        client.close(1012)
    server.log.wait_for(r"Worker exiting", start=start)
    again = dial(server, "/echo")
    again.send("a")
    assert again.recv() == "a"
