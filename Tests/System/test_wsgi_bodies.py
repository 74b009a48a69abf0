"""What a WSGI app may return: iterables of every kind, close(), back-pressure, HEAD, lengths, files."""

import hashlib

import pytest
import requests

from support import wait
from support.wsgi import APP, ask, settled


def assert_closed(server, name, times=1):
    """close() is called after the end of a response. In class threads, the client may get that end before."""
    closed = lambda: ask(server, f"/closed?id={name}").json()
    wait.until(lambda: closed() >= times, "close() is called")
    assert closed() == times


@pytest.fixture
def server(gateway, python, worker_class):
    return gateway(APP, "-k", worker_class, python=python)


# Bodies


@pytest.mark.parametrize("target, body", [
    ("/generator", b"block 0\nblock 1\nblock 2\n"), ("/empty-blocks?id=e", b"ab"), ("/late-start", b"late"),
    ("/nothing?as=list", b""), ("/nothing?as=tuple", b""), ("/nothing?as=generator", b""), ("/nothing?as=empty", b""),
    ("/nothing?as=empties", b""), ("/sequence?as=list", b"one two three"), ("/sequence?as=tuple", b"one two three"),
    ("/sequence?as=iter", b"one two three"), ("/sequence?as=set", b"one two three"),
    ("/sequence?as=long", b"x" * 500_000),
])
def test_iterables_of_every_kind(server, target, body):
    for _ in range(2):
        answer = ask(server, target)
        assert (answer.status_code, answer.content) == (200, body)
        answer = ask(server, target, "HEAD")
        assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("kind", ["bytearray", "str"])
def test_blocks_that_are_no_bytes_are_a_500(server, kind):
    assert ask(server, "/sequence?as=" + kind).status_code == 500
    server.wait_for_log("TypeError")


def test_length_is_added_when_it_is_known_and_chunks_are_used_else(server):
    with server.connect() as wire:
        assert wire.get("/unread").get("Content-Length") == "2"
        assert wire.get("/sequence?as=list").get("Content-Length") == "13"
        assert wire.get("/nothing?as=list").get("Content-Length") == "0"
        assert wire.get("/generator").get("Transfer-Encoding") == "chunked"
    with server.connect() as wire:
        answer = wire.request("GET", "/generator", version="1.0").read()
        assert answer.until_close and answer.body == b"block 0\nblock 1\nblock 2\n"


def test_each_block_is_sent_before_the_next_is_asked_for(server, tmp_path):
    with server.connect() as wire:
        wire.request("GET", f"/steps?id=s&file={tmp_path / 'go'}").read_head()
        assert wire.read_chunk() == b"first\n"
        (tmp_path / "go").touch()
        assert wire.read_chunk() == b"second\n"
        assert wire.read_chunk() == b""
    assert_closed(server, "s")


def test_slow_reader_holds_the_generator(gateway, python, worker_class):
    """The iterable is ahead of the client at most by the kernel's buffers and the high-water mark. A spool, which only
    class threads has, would take all of it."""
    server = gateway(APP, "-k", worker_class, "--spool-limit", 0, python=python)
    with server.connect(receive_buffer=8192) as wire:
        wire.request("GET", "/many?id=slow&size=65536&count=3200").read_head()   # 200 MB
        given = settled(lambda: ask(server, "/given?id=slow").json())
        assert 0 < given < 400
        total = 0
        while chunk := wire.read_chunk():
            total += len(chunk)
        assert total == 3200 * 65536
    assert ask(server, "/given?id=slow").json() == 3200
    assert_closed(server, "slow")


def test_other_requests_are_served_while_a_fast_reader_streams(server):
    with server.connect() as wire:
        wire.request("GET", "/endless?id=fast").read_head()
        for _ in range(20):
            wire.read_chunk()
            assert ask(server, "/unread").content == b"ok"


@pytest.mark.parametrize("reset", [False, True])
def test_close_is_called_when_the_client_leaves(server, reset):
    name = f"left-{reset}"
    wire = server.connect(receive_buffer=8192)
    wire.request("GET", f"/endless?id={name}").read_head()
    wire.reset() if reset else wire.close()
    assert_closed(server, name)
    given = ask(server, f"/given?id={name}").json()
    assert ask(server, f"/given?id={name}").json() == given and ask(server, f"/closed?id={name}").json() == 1


@pytest.mark.parametrize("target", [
    "/empty-blocks?id={}", "/many?id={}&size=10&count=3", "/file?id={}&size=1000", "/file?id={}&size=1000&kind=memory",
    "/file?id={}&size=1000&kind=hidden", "/boom-later?id={}&after=0", "/boom-later?id={}&after=2", "/text-block?id={}",
    "/text-block?id={}&second=1", "/length?id={}&announced=8&given=10&as=generator",
    "/length?id={}&announced=12&given=10&as=generator", "/boom-in-close?id={}",
])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_close_is_called_once(server, target, method):
    with server.connect() as wire:
        wire.request(method, target.format("once"), fields=[("Connection", "close")])
        wire.read_until_close()
    assert_closed(server, "once")


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_more_than_announced_is_cut_off_and_logged(server, kind):
    with server.connect() as wire:
        answer = wire.get(f"/length?announced=8&given=10&as={kind}")
        assert (answer.get("Content-Length"), answer.body) == ("8", b"k" * 8)
        assert wire.get("/unread").body == b"ok"
    server.wait_for_log("Content-Length")
    assert len([line for line in server.error_log().splitlines() if "Content-Length" in line]) == 1


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_less_than_announced_closes_the_connection(server, kind):
    with server.connect() as wire:
        wire.request("GET", f"/length?announced=12&given=10&as={kind}")
        assert wire.read_head().get("Content-Length") == "12"
        assert wire.read_until_close() == b"k" * 10


def test_head_has_the_headers_of_get(server):
    for target in ("/unread", "/file?size=1000", "/headers"):
        get, head = ask(server, target), ask(server, target, "HEAD")
        assert head.content == b"" and get.content
        assert head.headers["Content-Length"] == get.headers["Content-Length"], target


# Files


@pytest.mark.parametrize("query, start, stop", [
    ("size=0", 0, 0), ("size=1", 0, 1), ("size=3000000", 0, 3_000_000), ("size=1000&offset=10", 10, 1000),
    ("size=100000&read=7", 7, 100_000), ("size=1000&length=100", 0, 100), ("size=1000&offset=2000", 0, 0),
])
@pytest.mark.parametrize("kind", ["real", "memory", "hidden"])
def test_file_wrapper_sends_from_where_the_file_stands(server, query, start, stop, kind):
    whole = bytes(range(256)) * (stop // 256 + 1)
    for _ in range(2):
        answer = ask(server, f"/file?{query}&kind={kind}&id=f")
        assert answer.content == whole[start:stop]
        if kind == "real":
            assert answer.headers["Content-Length"] == str(stop - start)
    assert_closed(server, "f", 2)


def test_file_wrapper_over_a_pipe_is_read(server):
    assert ask(server, "/pipe").content == b"through a pipe"


def test_download_of_100_mb_by_file_wrapper(server):
    expected = hashlib.sha256(bytes(range(256)) * 409_600).hexdigest()
    got = hashlib.sha256()
    with requests.get(server.base_url + "/file?size=104857600", stream=True, timeout=60) as answer:
        assert answer.headers["Content-Length"] == "104857600"
        for block in answer.iter_content(1 << 20):
            got.update(block)
    assert got.hexdigest() == expected


def test_file_shorter_than_announced_closes_the_connection(server):
    with server.connect() as wire:
        wire.request("GET", "/file?size=10&length=100").read_head()
        assert len(wire.read_until_close()) == 10
