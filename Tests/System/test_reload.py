"""--reload: workers start anew when a file of the app changes, however an editor saves it, and whatever it says."""

import os
import re
import shutil

import pytest

from support import wait
from support.classes import CLASSES

SOURCE = """
import helper


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/later":
        import later
        start_response("200 OK", [])
        return [later.text]
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/stream":
        return iter(lambda: b"tick", None)
    return [b"{text} " + helper.text]


async def asgi(scope, receive, send):
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    if scope["path"] == "/stream":
        while True:
            await send({{"type": "http.response.body", "body": b"tick", "more_body": True}})
    await send({{"type": "http.response.body", "body": b"{text} " + helper.text}})
"""


@pytest.fixture
def dev(gateway, tmp_path):
    """Factory: `dev(called_by, *flags)` serves app.py in `tmp_path`, which imports helper.py, with --reload."""
    (tmp_path / "helper.py").write_text("text = b'one'\n")
    if not (tmp_path / "app.py").exists():
        (tmp_path / "app.py").write_text(SOURCE.format(text="one"))

    def start(called_by="threads", *flags, app=None, **more):
        name, *chosen = CLASSES[called_by]
        return gateway(app or name.replace("both", "app"), *chosen, "--lifespan", "off", "--reload",
                       "--graceful-timeout", 300, *flags, cwd=tmp_path, **more)
    return start


def until_answer(server, body, target="/"):
    seen = []

    def answered():
        seen[:] = [server.get(target)]
        return seen[0] if seen[0].body == body else None
    return wait.until(answered, lambda: f"the answer is {body}, not {seen[0].body}\n{server.error_log()}")


def until_failure(server, text):
    seen = []

    def answered():
        seen[:] = [server.get("/")]
        return seen[0] if seen[0].status == 500 and text in seen[0].body.decode() else None
    return wait.until(answered, lambda: f"a page says {text}, not {seen[0].body}\n{server.error_log()}")


def reloads(server):
    return server.log.matches(r"Worker reloading: (.*) modified")


# What is watched


def test_change_is_served(dev, called_by, tmp_path):
    """Also one that leaves the file's size as it was, in the same second: Python's compiled files do not tell them
    apart."""
    server = dev(called_by)
    assert server.get("/").body == b"one one"
    for text in ("two", "six", "ten"):
        (tmp_path / "helper.py").write_text(f"text = b'{text}'\n")
        until_answer(server, f"one {text}".encode())
    (tmp_path / "app.py").write_text(SOURCE.format(text="two"))
    until_answer(server, b"two ten")
    assert {match[1] for match in reloads(server)} == {"helper.py", "app.py"}
    assert len(server.log.matches("--reload is for development")) == 1


def test_all_workers_are_replaced(dev, tmp_path):
    server = dev("threads", "--workers", 3)
    before = server.worker_pids()
    (tmp_path / "helper.py").write_text("text = b'two'\n")
    server.wait_for_workers(3, besides=before)
    until_answer(server, b"one two")


def test_module_that_is_imported_later_is_watched(dev, tmp_path):
    server = dev()
    (tmp_path / "later.py").write_text("text = b'first'\n")
    until_answer(server, b"first", "/later")
    (tmp_path / "later.py").write_text("text = b'second'\n")
    until_answer(server, b"second", "/later")


def rename_over(path, text):
    path.with_name("4913").write_text("")
    path.with_name("helper.py~").write_text(text)
    os.replace(path.with_name("helper.py~"), path)


def delete_and_create(path, text):
    path.unlink()
    path.write_text(text)


def move_away(path, text):
    """As vim does with backupcopy=no."""
    os.rename(path, path.with_name("helper.py~"))
    path.write_text(text)


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def through_link(path, text):
    path.resolve().write_text(text)


@pytest.mark.parametrize("save", [rename_over, delete_and_create, move_away, append, through_link])
def test_ways_to_save(dev, tmp_path, save):
    if save is through_link:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "helper.py").rename(tmp_path / "elsewhere" / "helper.py")
        (tmp_path / "helper.py").symlink_to(tmp_path / "elsewhere" / "helper.py")
    server = dev()
    for text in ("two", "six"):
        save(tmp_path / "helper.py", f"text = b'{text}'\n")
        until_answer(server, f"one {text}".encode())


def test_poll_sees_the_same(dev, tmp_path):
    server = dev("threads", "--reload-engine", "poll", "--reload-extra-file", "*.txt")
    rename_over(tmp_path / "helper.py", "text = b'two'\n")
    until_answer(server, b"one two")
    (tmp_path / "new.txt").write_text("x")
    server.wait_for_log(r"Worker reloading: new\.txt modified")
    (tmp_path / "app.py").write_text("import missing\n")
    until_failure(server, "No module named 'missing'")
    (tmp_path / "missing.py").write_text("")
    until_failure(server, "has no attribute")


def test_many_files_at_once_are_few_starts(dev, tmp_path):
    names = [f"part{number}" for number in range(40)]
    for name in names:
        (tmp_path / f"{name}.py").write_text("text = b'one'\n")
    (tmp_path / "helper.py").write_text(f"import {', '.join(names)}\ntext = b''.join({{m.text for m in "
                                        f"({', '.join(names)})}})\n")
    server = dev()
    for name in names:
        (tmp_path / f"{name}.py").write_text("text = b'two'\n")
    until_answer(server, b"one two")
    assert len(reloads(server)) < len(names) / 4
    assert re.search(r"part\d+\.py, part\d+\.py, part\d+\.py and \d+ more", server.error_log())


def test_extra_files(dev, tmp_path):
    (tmp_path / "templates" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "ignored").mkdir()
    (tmp_path / "folder" / "below" / "a.txt").write_text("")
    server = dev("threads", *(word for entry in ("plain.css", "templates/**/*.html", "folder", "ignored")
                              for word in ("--reload-extra-file", entry)), "--reload-exclude", "ignored",
                 "--reload-exclude", "*.log")
    quiet = ["templates/a.txt", "folder/x.log", "folder/x.swp", "ignored/file", "templates/deep/.hidden.html", "other"]
    for place in ("plain.css", "templates/top.html", "templates/deep/below.html", "folder/below/a.txt", "folder/new"):
        for name in quiet:
            (tmp_path / name).write_text(place)
        (tmp_path / place).write_text("new")
        server.wait_for_log(rf"Worker reloading: {re.escape(place)} modified")
        server.wait_for_log("Worker ready", count=len(reloads(server)) + 1)
    (tmp_path / "templates" / "made").mkdir()
    (tmp_path / "templates" / "made" / "late.html").write_text("")
    server.wait_for_log(r"Worker reloading: templates/made/late\.html modified")


def test_environment_and_configuration_are_read_again(dev, tmp_path):
    (tmp_path / ".env").write_text("TEXT=one\n")
    (tmp_path / "gunicorn.conf.py").write_text("env_file = '.env'\nraw_env = ['MORE=one']\n")
    (tmp_path / "app.py").write_text(
        "import os\n\n\ndef wsgi(environ, start_response):\n    start_response('200 OK', [])\n"
        "    return [(os.environ['TEXT'] + ' ' + os.environ['MORE']).encode()]\n")
    server = dev()
    assert server.get("/").body == b"one one"
    (tmp_path / ".env").write_text("TEXT=two\n")
    until_answer(server, b"two one")
    (tmp_path / "gunicorn.conf.py").write_text("env_file = '.env'\nraw_env = ['MORE=two']\n")
    until_answer(server, b"two two")
    position = server.log_position()
    (tmp_path / "gunicorn.conf.py").write_text("timeout = 'soon'\n")
    server.wait_for_log("Reload refused: gunicorn.conf.py:1: timeout: 'soon'", start=position)
    assert server.get("/").body == b"two two"
    (tmp_path / "gunicorn.conf.py").write_text("env_file = '.env'\nraw_env = ['MORE=six']\n")
    until_answer(server, b"two six")


# Code that cannot be loaded


@pytest.mark.parametrize("broken, said", [
    ("def wsgi(:\n", "SyntaxError"), ("import nothing_of_this_name\n", "nothing_of_this_name"),
    ("raise RuntimeError('<b>no</b>')\n", "RuntimeError: <b>no</b>"), ("wsgi = asgi = 3\n", "not callable"),
], ids=["syntax", "import", "raises", "object"])
def test_broken_code_is_shown_until_it_is_mended(dev, tmp_path, broken, said):
    server = dev()
    (tmp_path / "app.py").write_text(broken)
    page = until_failure(server, said)
    assert page.get("content-type") == "text/plain; charset=utf-8" and page.get("x-content-type-options") == "nosniff"
    assert page.get("cache-control") == "no-store"
    assert said in server.error_log()
    with server.connect() as client:
        assert client.request("POST", "/", body=b"x" * 100_000).read().status == 500
    (tmp_path / "app.py").write_text(SOURCE.format(text="two"))
    until_answer(server, b"two one")


def test_app_that_is_broken_at_the_start_is_waited_for(dev, called_by, tmp_path):
    (tmp_path / "app.py").write_text("def broken(:\n")
    server = dev(called_by)
    page = until_failure(server, "SyntaxError")
    assert f'File "{tmp_path}/app.py", line 1' in page.body.decode()
    (tmp_path / "app.py").write_text("import missing\n" + SOURCE.format(text="two"))
    until_failure(server, "No module named 'missing'")
    (tmp_path / "missing").mkdir()
    (tmp_path / "missing" / "__init__.py").write_text("")
    until_answer(server, b"two one")
    assert server.stop() == 0


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_class_is_chosen_when_the_app_can_be_loaded(gateway, tmp_path, interface):
    (tmp_path / "app.py").write_text("def broken(:\n")
    server = gateway(f"app:{interface}", "--reload", "--lifespan", "off", "-k", "auto", cwd=tmp_path)
    until_failure(server, "SyntaxError")
    (tmp_path / "helper.py").write_text("text = b'one'\n")
    (tmp_path / "app.py").write_text(SOURCE.format(text="two"))
    until_answer(server, b"two one")
    assert server.log.matches(r"Using worker: (\w+)")[-1][1] == {"wsgi": "gevent", "asgi": "asgi"}[interface]


LIFESPAN = """
async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"well"})
"""


def test_lifespan_that_fails_is_shown(gateway, tmp_path):
    (tmp_path / "app.py").write_text(LIFESPAN)
    server = gateway("app:asgi", "-k", "asgi", "--reload", cwd=tmp_path)
    until_failure(server, "no database")
    (tmp_path / "app.py").write_text(LIFESPAN.replace("failed", "complete"))
    until_answer(server, b"well")


# The moment of the change


def test_open_stream_holds_nothing_up(dev, called_by, tmp_path):
    server = dev(called_by)
    (pid,) = server.worker_pids()
    with server.connect() as client:
        client.request("GET", "/stream").read_head()
        (tmp_path / "helper.py").write_text("text = b'two'\n")
        until_answer(server, b"one two")
        server.wait_for_workers(1, besides=[pid])


def test_stop_does_not_wait_for_a_stream(dev):
    server = dev("threads")
    with server.connect() as client:
        client.request("GET", "/stream").read_head()
        assert server.stop() == 0


# What it does not go together with


def test_preload_has_no_effect_with_it(dev, tmp_path):
    server = dev("threads", "--preload")
    assert len(server.log.matches(r"\[WARNING\] --preload has no effect: with --reload each worker loads the app")) == 1
    (tmp_path / "helper.py").write_text("text = b'two'\n")
    until_answer(server, b"one two")


def test_swift_app_is_told_that_it_has_no_effect(gateway, example):
    server = gateway(example("hello"), "--reload")
    assert server.log.matches(r"\[WARNING\] --reload has no effect: a Swift app is a program")
    assert server.get("/").status == 200


PROGRAM = """
import sys
import evgateway


def app(environ, start_response):
    start_response('200 OK', [])
    return [b'fine']


if __name__ == "__main__":
    try:
        evgateway.run(app, reload=True)
    except TypeError as error:
        print(error, file=sys.stderr)
    evgateway.run("served:wsgi", port=0, reload=True, reload_dirs=["templates"], reload_includes=["*.html"],
                  reload_excludes=["x"], reload_delay=0.1, lifespan="off")
"""


def test_program_reloads_an_app_that_it_names(program, tmp_path):
    (tmp_path / "helper.py").write_text("text = b'one'\n")
    (tmp_path / "served.py").write_text(SOURCE.format(text="one"))
    (tmp_path / "templates").mkdir()
    server = program(PROGRAM)
    assert "serve(): reload wants the app as 'module:attribute'" in server.error_log()
    shutil.copy(tmp_path / "helper.py", tmp_path / "templates" / "index.html")
    server.wait_for_log(r"Worker reloading: templates/index\.html modified")
    (tmp_path / "helper.py").write_text("text = b'two'\n")
    until_answer(server, b"one two")
