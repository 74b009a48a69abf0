"""What trusted proxies say in fields: each class sees the same, real frameworks behind a real nginx follow it, and
uvicorn and waitress see what evgateway sees."""

import json
import re
import subprocess

import pytest

from conftest import PYTHON
from support.classes import CLASSES
from support.gateway import ROOT
from support.nginx import Nginx
from support.wire import Wire

TESTS = ROOT / "Tests" / "System"
ALIKE = TESTS / "gunicorn_apps"
ASGI = ("asyncio", "uvloop")


@pytest.fixture
def alike(gateway, called_by):
    """Starts an app that answers with its environ or its scope."""
    def start(*flags, **more):
        _, *class_flags = CLASSES[called_by]
        app = "alike_app:asgi" if called_by in ASGI else "alike_app:application"
        return gateway(app, *class_flags, "--pythonpath", ALIKE, *flags, **more)
    return start


def facts(server, *fields, target="/a/b", host="app.test", version=b"1.1"):
    """What the app sees, in the words of an environ; the status if that is not 200."""
    with server.connect() as wire:
        lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in fields)
        wire.send(b"GET %s HTTP/%s\r\nHost: %s\r\n%s\r\n" % (target.encode(), version, host.encode(), lines))
        answer = wire.read()
        if answer.status != 200:
            assert answer.closes
            wire.expect_close()
            return answer.status
    told = json.loads(answer.body)
    if "environ" in told:
        environ = told["environ"]
        return {"scheme": environ["wsgi.url_scheme"], "address": environ["REMOTE_ADDR"], "port": environ["REMOTE_PORT"],
                "host": environ["HTTP_HOST"], "server": environ["SERVER_NAME"], "server port": environ["SERVER_PORT"],
                "root": environ["SCRIPT_NAME"], "path": environ["SCRIPT_NAME"] + environ["PATH_INFO"],
                "fields": sorted(name[5:] for name in environ if name.startswith("HTTP_"))}
    scope = told["scope"]
    address, port = scope["client"] or ("", "")
    names = [(name.upper().replace("-", "_"), value) for name, value in scope["headers"]]
    return {"scheme": scope["scheme"], "address": address, "port": str(port or ""), "host": dict(names)["HOST"],
            "server": scope["server"][0], "server port": str(scope["server"][1]), "root": scope["root_path"],
            "path": scope["path"], "fields": sorted(name for name, _ in names)}


def test_scheme_alone_is_taken_over(alike):
    """As under gunicorn, and from a trusted peer only."""
    server = alike()
    plain = facts(server)
    told = facts(server, ("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9"),
                 ("X-Forwarded-Host", "h"), ("X-Forwarded-Port", "1"), ("X-Forwarded-Prefix", "/p"),
                 ("Forwarded", "for=203.0.113.9;proto=http"))
    assert told["scheme"] == "https" and told["address"] == "127.0.0.1" and int(told["port"]) > 0
    for name in ("host", "server", "server port", "root", "path"):
        assert told[name] == plain[name], name
    assert facts(server, ("X-Forwarded-Proto", "http"))["scheme"] == "http"
    assert facts(server, ("X-Forwarded-Ssl", "on"))["scheme"] == "https"
    assert facts(server, ("X-Forwarded-Ssl", "on"), ("X-Forwarded-Proto", "http")) == 400
    assert facts(server)["scheme"] == "http"


def test_scheme_is_told_by_the_fields_of_the_settings(alike, tmp_path):
    (tmp_path / "gunicorn.conf.py").write_text("secure_scheme_headers = {'X-TLS': 'yes'}\n")
    server = alike("-c", tmp_path / "gunicorn.conf.py")
    assert [facts(server, field)["scheme"] for field in (("x-tls", "yes"), ("X-Tls", "YES"),
                                                         ("X-Forwarded-Proto", "https"))] == ["https", "http", "http"]


def test_others_are_not_believed(alike):
    server = alike("--forwarded-allow-ips", "10.0.0.0/8,::1", "--proxy-headers", "--trusted-proxy-headers",
                   "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port,x-forwarded-prefix")
    plain = facts(server)
    told = facts(server, ("X-Forwarded-Proto", "https"), ("X-Forwarded-Ssl", "off"), ("X-Forwarded-For", "203.0.113.9"),
                 ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Port", "1"), ("X-Forwarded-Prefix", "/p"),
                 ("SCRIPT_NAME", "/a"), ("Forwarded", "for=203.0.113.9"))
    for name in ("scheme", "address", "host", "server", "server port", "root", "path"):
        assert told[name] == plain[name], name
    assert "SCRIPT_NAME" not in told["fields"]


def test_client_is_the_one_that_the_proxies_name(alike):
    server = alike("--proxy-headers", "--forwarded-allow-ips", "127.0.0.1,10.0.0.0/8", "--access-logfile", "-")
    said = ("X-Forwarded-For", "6.6.6.6, 203.0.113.9:4711, 10.0.0.1")
    told = facts(server, said, ("X-Forwarded-Proto", "https"))
    assert (told["scheme"], told["address"], told["port"]) == ("https", "203.0.113.9", "4711")
    assert facts(server, ("X-Forwarded-For", "2001:DB8::1"))["address"] == "2001:db8::1"
    assert facts(server, ("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "203.0.113.7"))["address"] \
        == "203.0.113.7"
    told = facts(server, ("X-Forwarded-For", "unknown, 10.0.0.1"))
    assert (told["address"], told["port"]) == ("", "")
    assert facts(server)["address"] == "127.0.0.1"
    server.output.wait_for(r"^203\.0\.113\.9 - - .*GET /a/b")


def test_host_port_and_prefix_are_taken_over_where_the_proxy_writes_them(alike, called_by):
    server = alike("--trusted-proxy-headers", "x-forwarded-for x-forwarded-proto x-forwarded-host",
                   "--trusted-proxy-headers", "x-forwarded-port,x-forwarded-prefix")
    told = facts(server, ("X-Forwarded-Host", "evil.example, shop.example"), ("X-Forwarded-Proto", "https"),
                 ("X-Forwarded-Prefix", "/shop/"), ("X-Forwarded-For", "203.0.113.9"), ("Cookie", "secret"))
    assert told == {"scheme": "https", "address": "203.0.113.9", "port": "", "host": "shop.example",
                    "server": "shop.example", "server port": "443", "root": "/shop", "path": "/shop/a/b",
                    "fields": told["fields"]}
    for _ in range(3):      # the same fields again, of which a class may have kept what it made
        told = facts(server, ("X-Forwarded-Host", "a.example:8443"), ("Cookie", "secret"))
        assert (told["host"], told["server"], told["server port"]) == ("a.example:8443", "a.example", "8443")
        told = facts(server, ("X-Forwarded-Host", "b.example:8443"), ("Cookie", "secret"))
        assert (told["host"], told["server"]) == ("b.example:8443", "b.example")
    told = facts(server, ("X-Forwarded-Host", "a.example"), ("X-Forwarded-Port", "8443"))
    assert told["host"] == "a.example:8443" and told["server port"] == "8443"
    told = facts(server, ("X-Forwarded-Prefix", "/a"), target="/a/b")
    assert told["root"] == "/a" and told["path"] == "/a/a/b"     # the proxy has cut it off
    assert facts(server, ("X-Forwarded-Prefix", "/p"), target="/")["path"] == "/p/"
    for bad in (("X-Forwarded-Host", "a b"), ("X-Forwarded-Port", "x"), ("X-Forwarded-Prefix", "//evil.example")):
        assert facts(server, bad) == 400


def test_forwarded_is_the_only_source_where_it_is_asked_for(alike):
    server = alike("--trusted-proxy-headers", "forwarded", "--forwarded-allow-ips", "127.0.0.1,10.0.0.0/8")
    forged = (("X-Forwarded-Proto", "http"), ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Ssl", "on"))
    told = facts(server, ("Forwarded", 'for=6.6.6.6;host=evil, for="[2001:db8::1]:80";proto=https;host=shop.example'),
                 *forged)
    assert (told["scheme"], told["address"], told["port"], told["host"]) \
        == ("https", "2001:db8::1", "80", "shop.example")
    told = facts(server, *forged)
    assert (told["scheme"], told["address"]) == ("http", "127.0.0.1")
    assert facts(server, ("Forwarded", "for=_hidden;proto=https"))["address"] == ""
    assert facts(server, ("Forwarded", 'for="203.0.113.9')) == 400


def test_no_field_is_read_where_that_is_asked_for(alike):
    server = alike("--no-proxy-headers")
    told = facts(server, ("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9"))
    assert (told["scheme"], told["address"]) == ("http", "127.0.0.1")


def test_hops_are_counted_where_proxies_have_no_known_address(alike):
    server = alike("--proxy-headers", "--forwarded-allow-ips", "*", "--trusted-proxy-count", 1)
    assert facts(server, ("X-Forwarded-For", "6.6.6.6, 203.0.113.9"))["address"] == "203.0.113.9"


def test_script_name_of_a_proxy(alike):
    server = alike("--root-path", "/outer")
    for path, script in (("/a/b", "/a"), ("/a/b", "/a/b"), ("/x", "/a")):
        told = facts(server, ("SCRIPT_NAME", script), target=path)
        assert (told["root"], told["path"]) == (script, path if path.startswith(script) else script + path)
        assert "SCRIPT_NAME" in told["fields"]
    assert facts(server, ("SCRIPT_NAME", ""), target="/outer/x")["root"] == ""
    assert facts(server, ("SCRIPT_NAME", "a")) == 400


@pytest.mark.parametrize("header_map", ["drop", "refuse", "dangerous"])
def test_names_with_an_underscore(alike, called_by, header_map):
    server = alike("--header-map", header_map, "--forwarder-headers", "REMOTE_USER")
    told = facts(server, ("X_A", "1"), ("X-A", "2"), ("CONTENT_LENGTH", "3"))
    if header_map == "refuse":
        assert told == 400
    elif header_map == "drop":
        assert told["fields"] == ["HOST", "X_A"]
    else:
        assert set(told["fields"]) == {"CONTENT_LENGTH", "HOST", "X_A"}
    assert "REMOTE_USER" in facts(server, ("REMOTE_USER", "me"))["fields"]


def test_peer_of_a_unix_socket_is_believed(alike, short_path):
    server = alike("--bind", f"unix:{short_path}/app", "--proxy-headers")
    told = facts(server, ("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.9"))
    assert (told["scheme"], told["address"]) == ("https", "203.0.113.9")


# Frameworks behind nginx

DJANGO = """
from django.conf import settings
settings.configure(SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECURE_SSL_REDIRECT=True,
                   {more}
                   MIDDLEWARE=["django.middleware.security.SecurityMiddleware"])
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse(request.build_absolute_uri()))]
application = get_wsgi_application()
"""
FASTAPI = """
from fastapi import FastAPI, Request
app = FastAPI()

@app.get("/items/")
def items(request: Request):
    return str(request.url), request.client.host
"""
OF_NGINX = "proxy_set_header X-Forwarded-Proto https;"


@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_django_behind_tls_redirects_no_more(gateway, tmp_path, short_path, over):
    (tmp_path / "secure_site.py").write_text(DJANGO.format(more=""))
    bind = ["--bind", f"unix:{short_path}/app", "--socket-mode", "666"] if over == "unix" else []
    server = gateway("secure_site", *bind, "--pythonpath", tmp_path)
    upstream = f"unix:{short_path}/app" if over == "unix" else f"{server.host}:{server.port}"
    with Nginx(short_path, upstream, fields=OF_NGINX) as nginx, Wire(nginx.address) as client:
        answer = client.request("GET", "/", fields=[("X-Forwarded-Proto", "http")]).read()
        assert (answer.status, answer.body) == (200, b"https://test/")
    assert server.get("/").status == 301


def test_fastapi_behind_tls_redirects_to_https(gateway, tmp_path, short_path):
    (tmp_path / "items.py").write_text(FASTAPI)
    server = gateway("items:app", "-k", "uvicorn.workers.UvicornWorker", "--pythonpath", tmp_path)
    with Nginx(short_path, f"{server.host}:{server.port}", fields=OF_NGINX) as nginx, Wire(nginx.address) as client:
        answer = client.get("/items")
        assert (answer.status, answer.get("location")) == (307, "https://test/items/")
        assert json.loads(client.get("/items/").body) == ["https://test/items/", "192.0.2.7"]
    assert server.get("/items").get("location") == "http://test/items/"


# Beside uvicorn and waitress

REQUESTS = [
    [], [("X-Forwarded-For", "203.0.113.9")], [("X-Forwarded-For", "6.6.6.6, 203.0.113.9")],
    [("X-Forwarded-For", "203.0.113.9, 127.0.0.1")], [("X-Forwarded-For", "203.0.113.9:4711")],
    [("X-Forwarded-For", "[2001:db8::1]:4711")], [("X-Forwarded-For", "[2001:db8::1]")],
    [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https")], [("X-Forwarded-Proto", "http")],
    [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.9")], [("X-Forwarded-Proto", "wss")],
    [("X-Forwarded-For", "")], [("X-Forwarded-For", "127.0.0.1")], [("X-Forwarded-Host", "evil.example")],
    [("Forwarded", "for=6.6.6.6;proto=https")],
]
OF_WAITRESS = [
    [("X-Forwarded-Host", "shop.example")], [("X-Forwarded-Host", "shop.example:8443")],
    [("X-Forwarded-Host", "shop.example"), ("X-Forwarded-Port", "8443")], [("X-Forwarded-Port", "8443")],
    [("X-Forwarded-Host", "shop.example"), ("X-Forwarded-Proto", "https")],
    [("X-Forwarded-Host", "evil.example, shop.example"), ("X-Forwarded-Proto", "https")],
    [("X-Forwarded-Host", "shop.example"), ("X-Forwarded-Port", "443"), ("X-Forwarded-Proto", "http")],
]
SERVERS = {
    "uvicorn": "import uvicorn; uvicorn.run('alike_app:asgi', port=0, proxy_headers=True)",
    "waitress": "import waitress, alike_app; "
                "names = {f'x-forwarded-{part}' for part in ('for', 'proto', 'host', 'port')}; "
                "server = waitress.create_server(alike_app.application, host='127.0.0.1', port=0, "
                "trusted_proxy='127.0.0.1', trusted_proxy_count=1, clear_untrusted_proxy_headers=False, "
                "trusted_proxy_headers=names); "
                "print(f'on http://127.0.0.1:{server.effective_port} ', flush=True); server.run()",
}


class Peer:
    """uvicorn or waitress, with the app that tells what it sees."""

    def __init__(self, name):
        self.process = subprocess.Popen([PYTHON, "-c", SERVERS[name]], cwd=ALIKE, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        for line in self.process.stdout:
            if found := re.search(r"on http://127\.0\.0\.1:(\d+) ", line):
                self.address = "127.0.0.1", int(found[1])
                return self
        raise AssertionError("it does not listen")

    def connect(self):
        return Wire(self.address)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def alike_facts(server, fields, *names):
    told = facts(server, *fields)
    return {name: told[name] for name in names}


def test_asgi_app_sees_what_it_sees_under_uvicorn(gateway):
    server = gateway("alike_app:asgi", "--proxy-headers", "--pythonpath", ALIKE)
    with Peer("uvicorn") as peer:
        # uvicorn gives the scheme of WebSockets to HTTP.
        for fields in [fields for fields in REQUESTS if fields != [("X-Forwarded-Proto", "wss")]]:
            names = ["scheme", "address", "host", "root", "path", "fields"]
            names += ["port"] if any(name == "X-Forwarded-For" and value for name, value in fields) else []
            if fields == [("X-Forwarded-For", "127.0.0.1")]:
                names.remove("port")
            assert alike_facts(server, fields, *names) == alike_facts(peer, fields, *names), fields


def test_wsgi_app_sees_what_it_sees_under_waitress(gateway):
    server = gateway("alike_app:application", "--trusted-proxy", "127.0.0.1", "--trusted-proxy-count", 1,
                     "--trusted-proxy-headers", "x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port",
                     "--pythonpath", ALIKE)
    # waitress takes an empty element and an IPv6 address with its port for addresses; WebSockets have no scheme there.
    left_out = ([("X-Forwarded-For", "")], [("X-Forwarded-For", "[2001:db8::1]:4711")], [("X-Forwarded-Proto", "wss")])
    with Peer("waitress") as peer:
        for fields in [fields for fields in REQUESTS + OF_WAITRESS if fields not in left_out]:
            names = ["scheme", "address", "host"]
            # With a host alone waitress leaves the port that it listens on.
            names += ["server port"] if {"X-Forwarded-Proto", "X-Forwarded-Port"} & {name for name, _ in fields} else []
            names += ["server"] if any(name == "X-Forwarded-Host" for name, _ in fields) else []
            assert alike_facts(server, fields, *names) == alike_facts(peer, fields, *names), fields
