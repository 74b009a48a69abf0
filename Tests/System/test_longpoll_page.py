"""The chat's page in two browsers, through nginx and two workers. One loses its connection and gets what it missed."""

import pytest

from support.chat import Service, hear_all
from support.chromium import Browser, Gate
from test_longpoll_service import TWINS

STATE = "document.querySelector('#state').dataset.state"
TEXTS = "Array.from(document.querySelectorAll('#log li'), (item) => item.lastChild.textContent)"
NAMES = "Array.from(document.querySelectorAll('#log li b'), (item) => item.textContent)"
IDS = "Array.from(document.querySelectorAll('#log li'), (item) => Number(item.dataset.id))"
PROBLEM = "document.querySelector('#problem').textContent"
TYPED = "document.querySelector('#text').value"
MARKUP = '<img src=x onerror="document.title = 1"><b>&amp; "quotes" \U0001f642</b>'


@pytest.fixture(params=TWINS)
def people(request, short_path, tmp_path):
    """Ann's page, Bob's page, the gate between Bob and the service, and the service."""
    with (Service(short_path, *TWINS[request.param]) as service,
          Gate(service.address) as front, Gate(service.address) as gate,
          Browser(tmp_path / "ann") as one, Browser(tmp_path / "bob") as other):
        ann, bob = one.open(front.url), other.open(gate.url)
        for page, name in ((ann, "Ann"), (bob, "Bob")):
            page.wait_for(STATE, "connected")
            page.type("#name", name)
        yield ann, bob, gate, service


def say(page, text):
    page.type("#text", text)
    page.press_enter()
    page.wait_for(TYPED, "")


def test_two_browsers_chat_and_one_that_was_cut_off_catches_up(people):
    ann, bob, gate, service = people
    said = [MARKUP, "hello"]
    say(ann, said[0])
    bob.wait_for(TEXTS, said[:1])
    say(bob, said[1])
    for page in (ann, bob):
        page.wait_for(TEXTS, said)
        assert page.value(NAMES) == ["Ann", "Bob"]
        assert page.value("document.querySelectorAll('#log img, #log b *').length") == 0  # text is not read as HTML
        assert page.value("document.title") == "Chat"
        assert page.value("document.querySelectorAll('#log li.own').length") == 1

    gate.shut()
    bob.wait_for(STATE, "reconnecting")
    for number in range(3):
        said.append(f"while Bob is away {number}")
        say(ann, said[-1])
    ann.wait_for(TEXTS, said)
    bob.type("#text", "can you hear me?")
    bob.press_enter()
    bob.wait_for(f"{PROBLEM} !== ''")
    assert bob.value(TYPED) == "can you hear me?" and bob.value(TEXTS) == said[:2]

    gate.open()
    bob.wait_for(STATE, "connected")
    bob.wait_for(TEXTS, said)
    bob.press_enter()
    said.append("can you hear me?")
    for page in (ann, bob):
        page.wait_for(TEXTS, said)
        assert page.value(IDS) == list(range(1, len(said) + 1))
    assert bob.value(PROBLEM) == ""
    with service.connect() as wire:
        assert hear_all(wire, len(said)) == (len(said), said)


def test_page_that_is_opened_later_shows_what_was_said(people):
    ann, bob, _, _ = people
    for number in range(30):
        say(ann, f"number {number}")
    say(bob, "thirty!")
    bob.wait_for(IDS, list(range(1, 32)))
    bob.command("Page.reload")
    bob.wait_for(IDS, list(range(12, 32)))
    assert bob.value("document.querySelector('#name').value") == "Bob"
    say(ann, "one more")
    bob.wait_for(IDS, list(range(12, 33)))
    assert bob.value("(({scrollHeight, scrollTop, clientHeight}) => scrollHeight - scrollTop - clientHeight < 2)"
                     "(document.querySelector('#log'))")  # the newest message is visible
