"""Flask and Django, from PyPI, on their own routes."""

import http.client
import socket

import pytest
import requests

from support.wsgi import SECRET, SIZES, ask, chunked, sha


@pytest.fixture(params=["flask_app", "django_app"])
def framework(request, gateway, python, worker_class):
    return gateway(f"Tests/System/wsgi_apps/{request.param}.py", "-k", worker_class, python=python)


def test_framework_pages(framework):
    assert "works" in ask(framework, "/").text
    assert ask(framework, "/unicode/%C3%BC").text == "h\u00e9llo \u00fc"
    assert ask(framework, "/external", headers={"Host": "example.org:99"}).text == "http://example.org:99/"
    assert ask(framework, "/missing").status_code == 404
    assert ask(framework, "/", "HEAD").content == b""


def test_framework_json_and_form(framework):
    answer = ask(framework, "/json?a=1", "POST", json={"key": ["v", 1]}).json()
    assert answer == {"received": {"key": ["v", 1]}, "args": {"a": "1"}}
    form = {"name": "J\u00fcrgen", "empty": "", "sign": "a&b=c"}
    assert ask(framework, "/form", "POST", data=form).json() == form


@pytest.mark.parametrize("size", SIZES)
def test_framework_sees_a_chunked_body_as_any_other(framework, size):
    data = b"x" * size
    expected = {"announced": str(size), "length": size, "sha256": sha(data)}
    for body in (data, chunked(data, 60_000)):
        assert ask(framework, "/upload", "POST", data=body).json() == expected
    form, fields = {"name": "x" * size}, {"Content-Type": "application/x-www-form-urlencoded"}
    body = chunked(b"name=" + data, 60_000)
    assert ask(framework, "/form", "POST", data=body, headers=fields).json() == form
    parts = requests.Request("POST", "http://h/", files={"file": ("name.bin", data)}).prepare()
    fields = {"Content-Type": parts.headers["Content-Type"]}
    answer = ask(framework, "/upload", "POST", data=chunked(parts.body, 60_000), headers=fields).json()
    assert answer == {"announced": str(len(parts.body)), "length": size, "sha256": sha(data)}


def test_framework_uploads_of_100_mb(framework):
    data = bytes(range(256)) * 409_600
    for more in ({"files": {"file": ("big.bin", data)}}, {"data": data}, {"data": chunked(data, 1 << 20)}):
        answer = ask(framework, "/upload", "POST", **more).json()
        assert (answer["length"], answer["sha256"]) == (len(data), sha(data))


def test_framework_downloads(framework):
    whole = bytes(range(256)) * 409_600
    answer = ask(framework, f"/download/{len(whole)}")
    assert answer.headers["Content-Length"] == str(len(whole)) and answer.content == whole
    assert b"the secret of the app" in ask(framework, "/send-file").content


def test_framework_streams(framework):
    answer = ask(framework, "/stream/abc?count=1000")
    assert answer.text == "abc\n" * 1000 and answer.headers["Transfer-Encoding"] == "chunked"


def test_streams_side_by_side_keep_their_contexts(framework):
    """The generators of two slow clients alternate on one thread; each must keep its own request context."""
    streams = []
    for word in ("one", "two"):
        wire = framework.connect(receive_buffer=8192)
        wire.request("GET", f"/stream/{word}?count=400&size=20000").read_head()
        streams.append((wire, word))
    assert "works" in ask(framework, "/").text
    left = {word for _, word in streams}
    while left:
        for wire, word in streams:
            if word in left:
                chunk = wire.read_chunk()
                assert set(chunk) <= set(f"{word}\n".encode())
                if not chunk:
                    left.discard(word)
    for wire, _ in streams:
        wire.close()
    assert "Traceback" not in framework.error_log()


def test_framework_redirects_and_cookies(framework):
    answer = ask(framework, "/redirect")
    assert answer.status_code == 302 and answer.headers["Location"] == "/"
    with requests.Session() as session:
        assert [session.get(framework.base_url + "/count", timeout=30).text for _ in range(3)] == ["1", "2", "3"]
        assert session.cookies["plain"] == "value"


def test_framework_exception_stays_in_the_log(framework):
    answer = ask(framework, "/fail")
    assert answer.status_code == 500 and SECRET not in answer.text
    framework.wait_for_log(f"RuntimeError: {SECRET}")
    assert "works" in ask(framework, "/").text


def test_idle_connection_is_reused_by_clients(framework):
    connection = http.client.HTTPConnection(framework.host, framework.port, timeout=30)
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.getresponse().read()
        used = connection.sock
        assert isinstance(used, socket.socket)
    connection.close()
