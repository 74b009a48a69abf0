"""Functions that make the app: called as APP says, and told apart from apps in each worker class."""

import pytest

from support.classes import CLASSES

APPS = """
import evgateway

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"made"]

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"made"})

def make_wsgi(debug=False):
    return wsgi

def make_asgi(debug=False):
    return asgi

def create_app():
    return wsgi

def fails():
    raise ValueError("of the factory")

def none():
    pass

def needs(configuration, *, word):
    return wsgi
"""


@pytest.fixture
def made(gateway, called_by, tmp_path):
    """Factory: `made(suffix, *flags)` starts the factory of the class's kind."""
    (tmp_path / "made.py").write_text(APPS)
    app, *flags = CLASSES[called_by]
    kind = app.partition(":")[2]
    return lambda suffix="", *more, **options: gateway(
        f"made:make_{kind}{suffix}", *flags, *more, "--pythonpath", tmp_path, **options)


@pytest.mark.parametrize("suffix, flags", [("()", []), ("(debug=True)", []), ("", ["--factory"])])
def test_both_ways_to_name_a_factory(made, suffix, flags):
    assert made(suffix, *flags).get().body == b"made"


def test_a_factory_that_is_taken_for_the_app(made, called_by):
    server = made(wait=False)
    assert server.wait() == 4
    name = f"made:make_{CLASSES[called_by][0].partition(':')[2]}"
    assert len(server.log.matches(
        rf"\[ERROR\] '{name}' takes no request; is it a factory, a function that makes the app\? "
        rf"Then write {name}\(\), or use --factory$")) == 1
    assert "Traceback" not in server.error_log()


@pytest.fixture
def threads(gateway, tmp_path):
    (tmp_path / "made.py").write_text(APPS)
    return lambda app, *flags, **more: gateway(app, "-k", "threads", *flags, "--pythonpath", tmp_path, **more)


def test_a_module_alone_has_usual_factories(threads):
    assert threads("made", "--factory").get().body == b"made"


@pytest.mark.parametrize("app, flags, code, reason", [
    ("made:fails", ["--factory"], 3, "made:fails failed: ValueError: of the factory"),
    ("made:none()", [], 4, "'made:none()' is not callable, it is a NoneType"),
    ("made:needs()", [], 4, "made:needs() failed: TypeError: needs() missing 1 required positional argument"),
    ("made:wsgi", ["--factory"], 4,
     "made:wsgi failed: TypeError: wsgi() missing 2 required positional arguments: 'environ' and 'start_response'"
     "; leave out --factory if it is the app"),
    ("made", [], 4, "'made' has no attribute 'application' or 'app'; did you mean made:create_app()?"),
])
def test_mistakes(threads, app, flags, code, reason):
    server = threads(app, *flags, wait=False)
    assert server.wait() == code
    assert [line for line in server.error_log().splitlines() if "[ERROR]" in line and reason in line]
