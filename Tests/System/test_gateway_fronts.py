"""The real nginx and the real Apache in front, by uwsgi, FastCGI and SCGI: uwsgi_pass, fastcgi_pass, scgi_pass, and
mod_proxy_uwsgi, mod_proxy_fcgi, mod_proxy_scgi, over TCP and over unix sockets."""

import hashlib
import http.client
import json
import os
import pathlib
import re
import signal
import tempfile

import pytest

from conftest import APPS, PYTHON, end
from support import wait
from support.fronts import CLIENT, asking
from support.gateway import Gateway
from support.load import Load
from support.passing import FRONTS, UNBUFFERED, Nginx
from support.wire import Wire

# Addresses of their own, since the kernel chooses the ports.
HOSTS = {"uwsgi": "127.0.0.1", "fastcgi": "127.0.0.3", "scgi": "127.0.0.4"}


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="evg") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@pytest.fixture(scope="module")
def server(folder):
    """One server for all, with two addresses for each protocol: `at` of it."""
    binds = []
    for protocol, host in HOSTS.items():
        binds += ["-b", f"{protocol}://{host}:0", "-b", f"{protocol}://unix:{folder}/{protocol}"]
    server = Gateway([*binds, "--socket-mode", "666", "--workers", "2", "-k", "threads", "--threads", "4",
                      "--forwarded-allow-ips", "192.0.2.1", "--access-logfile", folder / "access.log",
                      "--python", PYTHON, "--pythonpath", APPS, "contract:app"])
    server.wait_until_ready(2)

    def at(protocol, over):
        if over == "unix":
            return f"{folder}/{protocol}"
        found = re.search(rf"{protocol}://{HOSTS[protocol]}:(\d+)", server.error_log())
        return HOSTS[protocol], int(found[1])
    server.at, server.access = at, folder / "access.log"
    yield server
    end([server])


CASES = [(name, protocol, over) for name in FRONTS for protocol in HOSTS for over in ("tcp", "unix")]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def front(request, folder, server):
    name, protocol, over = request.param
    own = folder / "-".join(request.param)
    own.mkdir(mode=0o755)
    with FRONTS[name](own, protocol, server.at(protocol, over), kept=(name, protocol) == ("nginx", "fastcgi")) as front:
        front.name, front.over = name, over
        yield front


@pytest.fixture
def asks(front):
    """Factory: see `asking`."""
    with asking(front) as ask:
        yield ask


def test_request_passes(asks, front):
    seen = json.loads(asks("GET", "/echo?a=b%20c", headers={
        "X-One": "1", "Cookie": "a=b", "Host": "shop.example", "X-Forwarded-For": "203.0.113.9"}).read())
    assert (seen["method"], seen["path"], seen["query"], seen["remote"]) == ("GET", "/echo", "a=b%20c", CLIENT)
    assert seen["fields"]["X_ONE"] == "1" and seen["fields"]["COOKIE"] == "a=b"
    assert seen["fields"]["HOST"] == "shop.example" and seen["content_length"] in (None, "", "0")
    assert "TRANSFER_ENCODING" not in seen["fields"] and "CONNECTION" not in seen["fields"]


def test_paths_are_those_of_the_client(asks, front):
    for target in ("/", "/nowhere", "/a%20b/caf%C3%A9", "/status/204"):
        asks("GET", target).read()
    assert asks("GET", "/nowhere").status == 404
    assert asks("GET", "/status/404").read() == b"a body\n"


def test_uploads_pass(asks):
    for size in (0, 1, 70_000, 3_000_000):
        body = os.urandom(size)
        seen = json.loads(asks("POST", "/echo", body=body).read())
        assert (seen["length"], seen["sha256"]) == (size, hashlib.sha256(body).hexdigest())


def test_upload_without_a_length_passes(asks, front):
    body = os.urandom(200_000)
    answer = asks("POST", "/echo", body=iter([body[:1000], body[1000:]]), encode_chunked=True,
                  headers={"Transfer-Encoding": "chunked"})
    if front.name == "apache" and front.protocol != "fastcgi":
        assert answer.status == 411     # by Apache
        return
    seen = json.loads(answer.read())
    assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_answers_of_all_kinds_pass(asks):
    assert len(asks("GET", "/bytes?count=20000000").read()) == 20_000_000
    assert asks("GET", "/stream?count=1000").read().endswith(b"1000\n")
    head = asks("HEAD", "/bytes?count=1000")
    assert (head.status, head.read()) == (200, b"")
    for status in (204, 304, 404, 503):
        answer = asks("GET", f"/status/{status}")
        assert (answer.status, answer.read()) == (status, b"" if status < 400 else b"a body\n")
    assert asks("GET", "/raise").status == 500
    assert asks("GET", "/field?name=X-Own&value=1").getheader("X-Own") == "1"


def test_answer_that_breaks_off_is_not_whole(asks, front):
    """Without a length, the end of a connection is the end of the answer for uwsgi and SCGI. A reset is not, and unix
    sockets have none. Apache does not always see it, and mod_proxy_scgi takes whatever comes for whole."""
    if (front.name, front.protocol) == ("apache", "scgi"):
        return
    targets = ["/lengths?announced=100000&given=50000"]
    if front.protocol == "fastcgi" or (front.name, front.over) == ("nginx", "tcp"):
        targets.append("/stream?count=100&size=10000&raise_at=50")
    for target in targets:
        answer = asks("GET", target)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            answer.read()
            assert answer.status == 502
            raise ConnectionResetError
    assert asks("GET", "/").status == 200


def test_client_is_in_the_log(asks, server, front):
    target = f"/client-{front.directory.name}"
    asks("GET", target).read()
    [line] = wait.until(lambda: [line for line in server.access.read_text().splitlines() if target in line],
                        "the request is in the log")
    assert line.startswith(f"{CLIENT} - - [") and f'"GET {target} HTTP/1.1" 404' in line


def test_reload_loses_no_request(front, server):
    with Load(front.address, clients=4, one_shot=2) as load:
        for _ in range(2):
            load.wait_for_more(100)
            before = server.wait_for_workers(2)
            server.signal(signal.SIGHUP)
            server.wait_for_workers(2, besides=before)
        load.wait_for_more(100)
        load.stop()
    assert set(load.outcomes) == {"ok"}, f"{load.failures[:10]}\n{front.error_log()[-3000:]}"


# nginx alone


@pytest.fixture
def nginx(gateway, short_path):
    """Factory of a server and the nginx before it."""
    def start(protocol, app, *flags, more="", **options):
        server = gateway(app, "--protocol", protocol, *flags)
        return server, Nginx(short_path, protocol, server.address, more=more, **options)
    return start


@pytest.mark.parametrize("protocol", HOSTS)
def test_unbuffered_bodies_pass_both_ways(nginx, protocol):
    server, front = nginx(protocol, "contract:app", more=UNBUFFERED.format(protocol))
    body = os.urandom(3_000_000)
    with front, Wire(front.address) as uploads, Wire(front.address) as client:
        answer = uploads.request("POST", "/echo", body=body).read()
        if protocol == "scgi" and answer.status == 400:
            # This nginx tells the length of what it has read so far.
            server.wait_for_log("two variables contradict each other")
        else:
            seen = json.loads(answer.body)
            assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
        client.request("GET", "/stream?count=3&delay=0.2")
        client.read_head()
        assert client.read_chunk() == b"......1\n"


@pytest.mark.parametrize("protocol", HOSTS)
@pytest.mark.parametrize("target", ["/wait", "/ticks"])
def test_app_is_told_that_a_client_has_left(nginx, protocol, target):
    server, front = nginx(protocol, "fronted:asgi", more=UNBUFFERED.format(protocol))
    with front:
        with Wire(front.address) as client:
            client.request("GET", target)
            server.wait_for_log("waiting") if target == "/wait" else client.read_head()
        server.wait_for_log("the client has left")


def test_connections_of_fastcgi_are_kept(nginx):
    server, front = nginx("fastcgi", "contract:app", kept=True)
    with front, Wire(front.address) as client:
        for _ in range(20):
            assert client.get("/").status == 200
        (worker,) = server.worker_pids()
        table = pathlib.Path(f"/proc/{worker}/net/tcp").read_text()
        port = f":{server.port:04X}"
        ours = [line.split()[3] for line in table.splitlines()[1:] if line.split()[1].endswith(port)]
    assert ours.count("01") == 1 and ours.count("06") == 0, ours


@pytest.mark.parametrize("protocol", HOSTS)
def test_repeated_fields_pass(nginx, protocol):
    server, front = nginx(protocol, "contract:app")
    with front, Wire(front.address) as client:
        answer = client.get("/echo", fields=[("X-A", "1"), ("X-A", "2"), ("Proxy", "http://evil"), ("X_A", "3")])
    seen = json.loads(answer.body)["fields"]
    assert seen["X_A"] in ("1,2", "1, 2") and "PROXY" not in seen


@pytest.mark.parametrize("protocol", HOSTS)
def test_app_below_a_prefix(nginx, protocol):
    """With the lines of the documentation of Flask and Django."""
    script = f"{protocol}_param SCRIPT_NAME /shop;"
    split = "fastcgi_split_path_info ^(/shop)(/.*)$; fastcgi_param PATH_INFO $fastcgi_path_info;"
    server, front = nginx(
        protocol, "fronted:wsgi", "--root-path", "/shop" if protocol == "uwsgi" else "",
        locations=f"location /shop {{ include /etc/nginx/{protocol}_params; {protocol}_pass app; "
                  + {"uwsgi": "", "scgi": script, "fastcgi": split}[protocol] + " }")
    with front, Wire(front.address) as client:
        told = json.loads(client.get("/shop/a%20b?c").body)
    assert (told["SCRIPT_NAME"], told["PATH_INFO"], told["QUERY_STRING"]) == ("/shop", "/a b", "c")


@pytest.mark.parametrize("protocol", HOSTS)
def test_rewritten_path_is_the_apps(nginx, protocol):
    rewrite = "rewrite ^/old/(.*)$ /new/$1?x=1 break;"
    info = f"{protocol}_param PATH_INFO $document_uri;" if protocol == "scgi" else ""
    server, front = nginx(protocol, "fronted:wsgi", more=rewrite + info)
    with front, Wire(front.address) as client:
        told = json.loads(client.get("/old/a%2Fb").body)
    assert (told["PATH_INFO"], told["QUERY_STRING"]) == ("/new/a/b", "x=1")
