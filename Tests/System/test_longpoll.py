"""The long-poll chat in Flask and in Swift: both give the same answers, and share one file and one bus."""

import json

import pytest

from support.chat import FOLDER, Redis, hear, hear_all, say

TWINS = ["flask", "swift"]


@pytest.fixture
def redis(short_path):
    with Redis(short_path) as server:
        yield server


@pytest.fixture
def file(tmp_path):
    return tmp_path / "messages"


@pytest.fixture
def serve(gateway, example):
    """Factory: `serve("flask", file)` starts one worker of an app; without a file, messages are in its memory."""
    def start(twin, file="", *flags, hold=60):
        env = {"CHAT_HOLD": str(hold), "CHAT_FILE": str(file), "CHAT_PAGE": str(FOLDER / "page" / "index.html")}
        if twin == "swift":
            return gateway(example("longpoll"), *flags, env=env)
        return gateway("Examples/longpoll/app.py", "-k", "gevent", "--cancel-on-disconnect", *flags, env=env)
    return start


@pytest.fixture(params=TWINS)
def chat(request, serve):
    """One worker without a file, which holds polls for a short time."""
    return serve(request.param, hold=0.2)


def say_numbers(wire, count):
    for number in range(count):
        say(wire, str(number))


def waiting(server, after):
    """A client that waits for messages after the id `after`."""
    return server.connect().request("GET", f"/messages?after={after}")


def heard(wire):
    with wire:
        return [message["text"] for message in json.loads(wire.read().body)["messages"]]


def test_page(chat):
    answer = chat.get("/")
    assert answer.status == 200 and answer.get("content-type") == "text/html; charset=utf-8"
    assert answer.body == (FOLDER / "page" / "index.html").read_bytes()


def test_message_is_told(chat):
    with chat.connect() as wire:
        posted = say(wire, 'say "hi" \\ to\nall: \u00e9\u4e16\U0001f642', name="b\u00e9a")
        assert posted.status == 201 and json.loads(posted.body) == {"id": 1}
        answer = wire.get("/messages?after=0")
    assert answer.get("cache-control") == "no-store" and answer.get("content-type") == "application/json"
    assert json.loads(answer.body) == {"last": 1, "messages": [
        {"id": 1, "name": "b\u00e9a", "text": 'say "hi" \\ to\nall: \u00e9\u4e16\U0001f642'}]}


def test_hold_ends_with_nothing(chat):
    with chat.connect() as wire:
        assert hear(wire, 0) == (0, [])
        say(wire, "first")
        assert hear(wire, 1) == (1, [])


def test_answers_are_bounded_and_go_on(chat):
    with chat.connect() as wire:
        for number in range(1, 1051):
            assert say(wire, str(number)).status == 201
        assert hear(wire) == (1050, [str(number) for number in range(1031, 1051)])
        assert hear(wire, 1000) == (1050, [str(number) for number in range(1001, 1051)])
        assert hear(wire, 900) == (1000, [str(number) for number in range(901, 1001)])
        assert hear(wire, 0) == (150, [str(number) for number in range(51, 151)])  # the newest 1000 are kept
        # An id from before the server was restarted.
        assert hear(wire, 999_999) == (150, [str(number) for number in range(51, 151)])


@pytest.mark.parametrize("after", ["", "x", "-1", "+1", "1.0", "1e3", "%31%30x", "1" * 19, "%D9%A3"])
def test_bad_id_is_400(chat, after):
    with chat.connect() as wire:
        answer = wire.request("GET", "/messages?after=" + after).read()
    assert answer.status == 400 and list(json.loads(answer.body)) == ["error"]


@pytest.mark.parametrize("body", [
    b"", b"[", b"[]", b"null", b'{"name": "ann"}', b'{"text": "hi"}', b'{"name": "", "text": "hi"}',
    b'{"name": "ann", "text": ""}', b'{"name": 1, "text": "hi"}', b'{"name": "ann", "text": null}',
    b'{"name": "%s", "text": "hi"}' % (b"x" * 41), b'{"name": "ann", "text": "%s"}' % (b"x" * 2001),
    b'{"name": "\\ud800", "text": "hi"}', b'{"name": "ann", "text": "\xff"}', b"[" * 16_000,
], ids=range(15))
def test_bad_message_is_400(chat, body):
    with chat.connect() as wire:
        answer = wire.request("POST", "/messages", body=body).read()
        assert answer.status == 400 and list(json.loads(answer.body)) == ["error"]
        assert hear(wire) == (0, [])


def test_longest_message_is_taken_and_a_longer_body_is_413(chat):
    with chat.connect() as wire:
        assert say(wire, "\U0001f642" * 2000, name="\u00e9" * 40).status == 201
    with chat.connect() as wire:
        assert wire.request("POST", "/messages", body=b" " * 20_000).read().status == 413


@pytest.mark.parametrize("method, target, status", [("DELETE", "/messages", 405), ("GET", "/nowhere", 404)])
def test_what_is_not_there(chat, method, target, status):
    with chat.connect() as wire:
        assert wire.request(method, target).read().status == status


@pytest.mark.parametrize("speaker", TWINS)
@pytest.mark.parametrize("listener", TWINS)
def test_servers_share_the_room(serve, file, redis, speaker, listener):
    speakers, listeners = (serve(twin, file, "--bus", f"unix:{redis.path}") for twin in (speaker, listener))
    for server in (speakers, listeners):
        server.wait_for_log("The bus reaches other servers")
    clients = [waiting(listeners, 0) for _ in range(20)]
    assert listeners.get("/health").status == 200   # and so they wait
    with speakers.connect() as wire:
        assert say(wire, 'to "all": \u00e9\U0001f642').status == 201
    assert [heard(client) for client in clients] == [['to "all": \u00e9\U0001f642']] * 20
    with listeners.connect() as wire:
        assert say(wire, "back").status == 201
        assert hear_all(wire, 2) == (2, ['to "all": \u00e9\U0001f642', "back"])


@pytest.mark.parametrize("twin", TWINS)
def test_worker_that_begins_later_knows_the_history(serve, file, twin):
    with serve("flask", file).connect() as wire:
        say_numbers(wire, 5)
    with serve(twin, file).connect() as wire:
        assert hear(wire, 3) == (5, ["3", "4"])
        assert hear(wire) == (5, list("01234"))


@pytest.mark.parametrize("twin", TWINS)
def test_id_from_a_worker_that_is_ahead_waits(serve, file, twin):
    """The client has seen a message of which this worker has not been told. The history is not lost."""
    server = serve(twin, file)
    with server.connect() as wire:
        say_numbers(wire, 3)
        keep(file, 4)
        ahead = waiting(server, 4)
        assert server.get("/health").status == 200
        say(wire, "fifth")
        assert heard(ahead) == ["fifth"]


@pytest.mark.parametrize("twin", TWINS)
def test_lines_that_are_no_messages_are_passed_over(serve, file, twin):
    file.write_bytes(b'x\n[]\n{"id":0,"name":"ann","text":"a"}\n\0\n')
    server = serve(twin, file)
    with server.connect() as wire:
        assert json.loads(say(wire, "sense").body) == {"id": 1}
        keep(file, 2)
        with file.open("ab") as lines:
            lines.write(b'{"id":3,"name":"a writer that was kil')
        assert json.loads(say(wire, "after").body) == {"id": 3}
        assert hear(wire, 0) == (3, ["sense", "kept", "after"])


@pytest.mark.parametrize("twin", TWINS)
def test_file_begins_anew_when_it_is_long(serve, file, twin):
    server = serve(twin, file)
    with server.connect() as wire:
        say(wire, "first")
        with file.open("ab") as lines:
            lines.write(b"x" * (8 << 20) + b"\n")
        say(wire, "second")
        assert file.stat().st_size < 1000
        say(wire, "third")
        assert hear(wire, 0) == (3, ["first", "second", "third"])


@pytest.mark.parametrize("twin", TWINS)
def test_clients_see_that_the_history_was_lost(serve, file, twin):
    server = serve(twin, file)
    with server.connect() as wire:
        say_numbers(wire, 3)
        held = waiting(server, 3)
        assert server.get("/health").status == 200
        keep(file.with_name("other"), 1)
        file.with_name("other").replace(file)
        assert json.loads(say(wire, "after").body) == {"id": 2}
        assert heard(held) in (["kept"], ["kept", "after"])


@pytest.mark.parametrize("twin", TWINS)
def test_message_that_cannot_be_kept_is_refused(serve, file, twin):
    server = serve(twin, file.parent / "missing" / "messages", hold=0.2)
    with server.connect() as wire:
        answer = say(wire, "nobody hears this")
        assert answer.status == 503 and answer.get("retry-after") == "1"
        assert list(json.loads(answer.body)) == ["error"]
        assert hear(wire, 0) == (0, [])


def keep(file, number):
    """Adds a message of which nobody is told."""
    with file.open("a") as lines:
        lines.write(json.dumps({"id": number, "name": "ann", "text": "kept"}, separators=(",", ":")) + "\n")
