"""103 Early Hints before the response: `wsgi.early_hints`, as gunicorn has it, and the extension of ASGI."""

import pytest

from support.classes import CLASSES
from support.wsgi import WSGI_CLASSES


@pytest.fixture
def hinting(gateway, called_by):
    app, *flags = CLASSES[called_by]
    return gateway(app.replace("both", "hinting"), *flags, "--lifespan", "off")


def links(head):
    assert head.status == 103 and head.get("content-length") is None and head.get("date") is None
    return head.all("link")


def test_hints_come_before_the_response(hinting, called_by):
    with hinting.connect() as client:
        for _ in range(2):
            client.request("GET", "/two")
            assert links(client.read_head()) == ["</a.css>; rel=preload", "</b.js>"]
            second = client.read_head()
            if called_by in WSGI_CLASSES:
                assert second.status == 103 and second.get("x-more") == "\xe9" and second.get("date") == "now"
            else:
                assert links(second) == ["</c>"]
            answer = client.read()
            assert (answer.status, answer.body) == (200, b"fine")
        assert client.get("/").body == b"fine"


def test_no_hints_go_to_an_old_client(hinting):
    with hinting.connect() as client:
        answer = client.request("GET", "/two", version="1.0").read()
        assert (answer.status, answer.body) == (200, b"fine")


def test_late_hints_are_dropped(hinting, called_by):
    with hinting.connect() as client:
        answer = client.get("/late")
        assert (answer.status, answer.body, answer.interim) == (200, b"begun fine", [])
        if called_by in WSGI_CLASSES:   # also those of a request that is over
            assert [client.get("/kept").interim for _ in range(3)] == [[]] * 3


def test_fields_are_checked(hinting, called_by):
    said = (b"ValueError ValueError TypeError TypeError TypeError ValueError" if called_by in WSGI_CLASSES
            else b"ValueError TypeError TypeError KeyError")
    answer = hinting.get("/bad")
    assert (answer.status, answer.body) == (200, said)
