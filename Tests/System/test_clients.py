"""Widely used clients (curl, requests, httpx) with every worker class: requests and responses arrive complete."""

import asyncio
import os
import subprocess

import httpx
import pytest
import requests

DATA = os.urandom(3_000_000)
ECHOED = "/echo"
STREAM, STREAMED = "/stream?count=50&size=40000", b"x" * 2_000_000


@pytest.fixture
def server(both):
    return both()


def pieces(size=70_000):
    return (DATA[start:start + size] for start in range(0, len(DATA), size))


# curl


def curl(server, *arguments, target="/me?id=1", data=b""):
    """Returns the body, and the protocol log of `curl -v`."""
    done = subprocess.run(
        ["curl", "-sS", "-v", "--max-time", "60", "--noproxy", "*", *arguments, server.base_url + target],
        input=data, capture_output=True, timeout=90)
    said = done.stderr.decode("latin-1")
    assert done.returncode == 0, said
    return done.stdout, said


def test_curl_gets(server):
    assert curl(server)[0] == b"me 1"
    assert curl(server, target=STREAM)[0] == STREAMED
    assert curl(server, "--http1.0", target=STREAM)[0] == STREAMED
    body, said = curl(server, "--head")
    assert b"HTTP/1.1 200 OK" in body and b"Content-Length: 4\r\n" in body.title()


def test_curl_keeps_its_connection(server):
    urls = [f"{server.base_url}/me?id={number}" for number in range(5)]
    body, said = curl(server, "--write-out", " %{num_connects};", *urls)
    assert body == b"me 0 1;me 1 0;me 2 0;me 3 0;me 4 0;me 1 0;" and said.count("Re-using existing connection") == 5


@pytest.mark.parametrize("expects", [True, False])
def test_curl_uploads_a_file(server, tmp_path, expects):
    file = tmp_path / "data"
    file.write_bytes(DATA)
    body, said = curl(server, "-T", str(file), "-H", "Expect: 100-continue" if expects else "Expect:", target=ECHOED)
    assert body == DATA and ("HTTP/1.1 100 Continue" in said) is expects
    assert "> PUT /echo HTTP/1.1" in said and f"> Content-Length: {len(DATA)}" in said


@pytest.mark.parametrize("expects", [True, False])
def test_curl_uploads_what_it_is_piped(server, expects):
    body, said = curl(
        server, "-T", "-", "-H", "Expect: 100-continue" if expects else "Expect:", target=ECHOED, data=DATA)
    assert body == DATA and "> Transfer-Encoding: chunked" in said
    assert ("HTTP/1.1 100 Continue" in said) is expects


def test_curl_posts_forms(server, tmp_path):
    assert curl(server, "-d", "a=1&b=%20", target=ECHOED)[0] == b"a=1&b=%20"
    (tmp_path / "data").write_bytes(DATA)
    body, _ = curl(server, "-F", f"file=@{tmp_path}/data", "-F", "a=1", target=ECHOED)
    assert DATA in body and b'name="a"\r\n\r\n1\r\n' in body


# requests


def test_requests_session(server):
    with requests.Session() as session:
        for number in range(5):
            answer = session.get(f"{server.base_url}/me", params={"id": number}, timeout=60)
            assert answer.status_code == 200 and answer.text == f"me {number}"
        assert session.head(f"{server.base_url}/me", timeout=60).headers["Content-Length"] == "7"
        assert len({session.get(f"{server.base_url}/peer", timeout=60).text for _ in range(5)}) == 1


def test_requests_uploads_and_downloads_in_pieces(server):
    with requests.Session() as session:
        assert session.post(server.base_url + ECHOED, data=DATA, timeout=60).content == DATA
        assert session.post(server.base_url + ECHOED, data=pieces(), timeout=60).content == DATA
        answer = session.post(server.base_url + ECHOED, files={"file": DATA}, timeout=60)
        assert DATA in answer.content
        with session.get(server.base_url + STREAM, stream=True, timeout=60) as answer:
            assert answer.headers["Transfer-Encoding"] == "chunked"
            assert b"".join(answer.iter_content(1000)) == STREAMED
        # A response that is not read to its end costs only its connection.
        with session.get(server.base_url + STREAM, stream=True, timeout=60) as answer:
            assert next(answer.iter_content(1000)) == b"x" * 1000
        assert session.get(f"{server.base_url}/me", timeout=60).text == "me None"


# httpx


def test_httpx_client(server):
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        for number in range(5):
            answer = client.get("/me", params={"id": number})
            assert answer.text == f"me {number}" and answer.http_version == "HTTP/1.1"
        assert len({client.get("/peer").text for _ in range(5)}) == 1
        assert client.post(ECHOED, content=DATA).content == DATA
        assert client.post(ECHOED, content=pieces()).content == DATA
        with client.stream("GET", STREAM) as answer:
            assert b"".join(answer.iter_bytes(1000)) == STREAMED
        with client.stream("GET", STREAM) as answer:
            assert len(next(answer.iter_raw())) > 0
        assert client.get("/me").text == "me None"


def test_httpx_async_client_asks_many_at_once(server):
    """Uploads and downloads in pieces beside short requests, on fewer connections than there are requests."""
    async def chunks():
        for piece in pieces(300_000):
            yield piece

    async def ask(client, number):
        if number % 10 == 0:
            return (await client.post(ECHOED, content=chunks())).content == DATA
        if number % 10 == 5:
            async with client.stream("GET", STREAM) as answer:
                return b"".join([piece async for piece in answer.aiter_bytes()]) == STREAMED
        return (await client.get("/me", params={"id": number})).text == f"me {number}"

    async def all_of_them():
        limits = httpx.Limits(max_connections=20)
        async with httpx.AsyncClient(base_url=server.base_url, timeout=60, limits=limits) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(100)))

    assert asyncio.run(all_of_them()) == [True] * 100


# A Swift app


def test_swift_app_is_asked_by_all(gateway, example):
    server = gateway(example("longpoll-chat"))
    assert curl(server, "-d", "from curl", target="/messages")[0] == b'{"id": 1}'
    posted = requests.post(f"{server.base_url}/messages", data=iter([b"from ", b"requests"]), timeout=60)
    assert posted.json() == {"id": 2}
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        assert client.post("/messages", content=iter([b"from ", b"httpx"])).json() == {"id": 3}
        texts = [message["text"] for message in client.get("/messages?since=0").json()]
    assert texts == ["from curl", "from requests", "from httpx"]

    async def wait_for_the_next():
        async with httpx.AsyncClient(base_url=server.base_url, timeout=60) as client:
            waiting = [asyncio.create_task(client.get("/messages?since=3")) for _ in range(20)]
            while (await client.get("/waiting")).text != "20":
                await asyncio.sleep(0.01)
            await client.post("/messages", content=b"to all")
            return [answer.json() for answer in await asyncio.gather(*waiting)]

    assert asyncio.run(wait_for_the_next()) == [[{"id": 4, "text": "to all"}]] * 20
