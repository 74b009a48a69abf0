"""Certificates: which one a client gets, when they are read, what is wrong with them, and those of clients."""

import json
import os
import shutil
import ssl
import subprocess

import pytest

from support import wait
from support.certificates import Authority, SecureWire, openssl
from support.classes import CLASSES
from support.settings import FLAGS, refusal, run
from support.wire import Wire

INLINE = CLASSES["inline"]


@pytest.fixture
def files(authority, tmp_path):
    """Copies of the certificate and the key, to be replaced."""
    for name in ("server.pem", "server.key"):
        shutil.copy(authority.folder / name, tmp_path / name)
    return tmp_path


def flags_of(folder):
    return ["--certfile", folder / "server.pem", "--keyfile", folder / "server.key"]


def replace(path, text):
    """As certbot does it, and any careful editor."""
    path.with_suffix(".new").write_bytes(text)
    os.replace(path.with_suffix(".new"), path)


# Which addresses


def test_each_address_says_whether_it_speaks_tls(gateway, authority, short_path):
    flags = flags_of(authority.folder)
    server = gateway("both:wsgi", "-k", "inline", *flags, "-b", "127.0.0.1:0", "-b", f"http://unix:{short_path}/plain")
    with Wire(f"{short_path}/plain") as wire:
        assert wire.get("/x?id=1").body == b"me 1"
    assert server.log.matches(r"Listening at: https://127") and server.log.matches(r"Listening at: unix:")
    with Wire(server.address) as wire:
        assert wire.get("/").status == 400
    refused = run(*FLAGS, "-b", "https://127.0.0.1:0", "contract")
    assert refusal(refused) == "evgateway: --bind: https://127.0.0.1:0 needs --certfile"


@pytest.mark.parametrize("flags", [
    ["--ssl-certfile", "server.pem", "--ssl-keyfile", "server.key"],
    ["--certfile", "both.pem"], ["-b", "https://127.0.0.1:0", "--certfile", "both.pem"],
    ["--protocol", "https", "--certfile", "both.pem"]])
def test_names_of_the_settings(gateway, files, authority, flags):
    (files / "both.pem").write_bytes((files / "server.pem").read_bytes() + (files / "server.key").read_bytes())
    server = gateway(*INLINE, "--chdir", files, *flags)
    assert dialled(server, authority).get("/x?id=1").body == b"me 1"


def dialled(server, authority, context=None, **more):
    return SecureWire(server.address, context or authority.context(), **more)


# What is wrong with them


@pytest.mark.parametrize("flags, reason", [
    (["--certfile", "nowhere.pem"], "--certfile: cannot read nowhere.pem: No such file or directory"),
    (["--certfile", "server.pem"], "--keyfile: no private key in server.pem (PEM)"),
    (["--certfile", "server.key"], "--certfile: no certificate in server.key (PEM)"),
    (["--certfile", "server.pem", "--keyfile", "other.key"], "--keyfile: other.key is not the key of the certificate"),
    (["--certfile", "server.pem", "--keyfile", "secret.key"],
     "--keyfile-password: secret.key is encrypted: write --keyfile-password"),
    (["--certfile", "server.pem", "--keyfile", "secret.key", "--keyfile-password", "wrong"],
     "--keyfile-password: not the password of secret.key"),
    (["--certfile", "both.pem", "--ciphers", "NOTHING"], "--ciphers: 'NOTHING': no cipher match"),
    (["--certfile", "both.pem", "--cert-reqs", "2"], "--cert-reqs: needs --ca-certs"),
    (["--certfile", "both.pem", "--cert-reqs", "2", "--ca-certs", "server.key"],
     "--ca-certs: no certificate in it (PEM)"),
    (["--certfile", "both.pem", "--ssl-min-version", "1.1"], "--ssl-min-version: '1.1' is unknown: choose 1.2 or 1.3"),
    (["--certfile", "both.pem", "--sni-dir", "nowhere"], "--sni-dir: there is no folder nowhere"),
    (["--keyfile", "server.key"], "--keyfile: needs --certfile"),
    (["--certfile", "."], "--certfile: cannot read .: it is no file, or too large"),
])
def test_mistakes_are_found_before_the_server_starts(files, authority, flags, reason):
    authority.issue("other", into=files)
    (files / "both.pem").write_bytes((files / "server.pem").read_bytes() + (files / "server.key").read_bytes())
    openssl("pkcs8", "-topk8", "-in", files / "server.key", "-out", files / "secret.key", "-passout", "pass:right")
    for more in ([], ["--check-config"]):
        result = run(*FLAGS, "-b", "127.0.0.1:0", *flags, *more, "both:wsgi", cwd=files)
        assert refusal(result) == f"evgateway: {reason}"


def test_encrypted_key_is_opened_by_its_password(gateway, files, authority):
    openssl("pkcs8", "-topk8", "-in", files / "server.key", "-out", files / "secret.key", "-passout", "pass:right")
    flags = ["--certfile", files / "server.pem", "--keyfile", files / "secret.key"]
    server = gateway(*INLINE, *flags, env={"EVGATEWAY_KEYFILE_PASSWORD": "right"})
    assert dialled(server, authority).get("/x?id=1").status == 200
    (worker,) = server.worker_pids()
    with open(f"/proc/{worker}/environ", "rb") as file:
        assert file.read() is not None
    server = gateway(*INLINE, *flags, "--keyfile-password", "right")
    assert dialled(server, authority).get("/x?id=1").status == 200


def test_programs_serve_over_tls(program, files, authority):
    """With uvicorn's keywords, its defaults among them."""
    server = program(f"""
import evgateway, ssl

async def app(scope, receive, send):
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}})
    await send({{"type": "http.response.body", "body": scope["scheme"].encode()}})

evgateway.run(app, port=0, lifespan="off", ssl_keyfile="{files}/server.key", ssl_certfile="{files}/server.pem",
              ssl_keyfile_password=None, ssl_version=17, ssl_cert_reqs=ssl.CERT_REQUIRED, ssl_ciphers="TLSv1",
              ssl_ca_certs="{authority.certificate}")
""")
    assert dialled(server, authority, with_client(authority, authority.issue("program"))).get("/").body == b"https"


# When they are read


def test_changed_files_are_used_without_a_word_to_open_connections(gateway, files, authority):
    server = gateway(*INLINE, "-w", 2, *flags_of(files))
    pids = server.worker_pids()
    old = dialled(server, authority)
    assert old.common_name == "server" and old.get("/x?id=1").status == 200
    chain, key = authority.issue("renewed", into=authority.folder)
    replace(files / "server.key", key.read_bytes())
    replace(files / "server.pem", chain.read_bytes())
    server.wait_for_log("Certificates have changed and are used from now on")
    wait.until(lambda: all(dialled(server, authority).common_name == "renewed" for _ in range(8)), "it is used")
    assert old.get("/x?id=2").body == b"me 2" and server.worker_pids() == pids


def test_broken_files_change_nothing(gateway, files, authority):
    server = gateway(*INLINE, *flags_of(files))
    replace(files / "server.pem", b"-----BEGIN CERTIFICATE-----\nnothing\n")
    server.wait_for_log(r"\[ERROR\] Certificates have changed and cannot be used: --certfile: .*; those of before stay")
    assert dialled(server, authority).common_name == "server"
    server.signal(1)
    server.wait_for_log(r"\[ERROR\] Reload refused: --certfile: ")
    assert dialled(server, authority).common_name == "server"
    chain, key = authority.issue("mended")
    replace(files / "server.key", key.read_bytes())
    replace(files / "server.pem", chain.read_bytes())
    server.wait_for_log("are used from now on")
    wait.until(lambda: dialled(server, authority).common_name == "mended", "the new one is used")


def test_reload_reads_them_again(gateway, files, authority):
    """Where no event tells of a change: the files are named by other names in the settings."""
    chain, key = authority.issue("second", into=files)
    (files / "evgateway.toml").write_text(
        f'certfile = "{files}/server.pem"\nkeyfile = "{files}/server.key"\nbind = ["127.0.0.1:0"]\n')
    server = gateway(*INLINE, "-c", files / "evgateway.toml", bare=False)
    (files / "evgateway.toml").write_text(f'certfile = "{chain}"\nkeyfile = "{key}"\nbind = ["127.0.0.1:0"]\n')
    before = server.worker_pids()
    server.signal(1)
    server.wait_for_workers(1, besides=before)
    assert dialled(server, authority).common_name == "second"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up what root may read")
def test_key_of_root_serves_workers_of_another_user(gateway, files, authority):
    os.chmod(files / "server.key", 0o600)
    server = gateway("contract:app", "-k", "inline", *flags_of(files), "--user", "nobody", "--group", "nogroup")
    (worker,) = server.worker_pids()
    with open(f"/proc/{worker}/status") as file:
        assert "Uid:\t65534" in file.read()
    assert dialled(server, authority).get("/").status == 200
    chain, key = authority.issue("later")
    os.chmod(key, 0o600)
    replace(files / "server.key", key.read_bytes())
    os.chmod(files / "server.key", 0o600)
    replace(files / "server.pem", chain.read_bytes())
    wait.until(lambda: dialled(server, authority).common_name == "later", "the new one is used")


# By name


def test_certificate_is_that_of_the_name(gateway, files, authority):
    folder = files / "names"
    (folder / "deep.example").mkdir(parents=True)
    for name, hosts in (("one.example", ["one.example"]), ("_.two.example", ["*.two.example"])):
        chain, key = authority.issue(name.replace("_", "star"), *hosts)
        (folder / f"{name}.pem").write_bytes(chain.read_bytes() + key.read_bytes())
    chain, key = authority.issue("deep", "deep.example")
    shutil.copy(chain, folder / "deep.example" / "fullchain.pem")
    shutil.copy(key, folder / "deep.example" / "privkey.pem")
    server = gateway(*INLINE, *flags_of(files), "--sni-dir", folder)
    anything = authority.context(check_hostname=False)
    for asked, got in (
            ("one.example", "one.example"), ("ONE.example", "one.example"), ("a.two.example", "star.two.example"),
            ("deep.example", "deep"), ("two.example", "server"), ("a.b.two.example", "server"), (None, "server")):
        assert dialled(server, authority, anything, name=asked).common_name == got, asked
    # A name more, while it runs.
    chain, key = authority.issue("new", "new.example")
    (folder / "new.example.tmp").write_bytes(chain.read_bytes() + key.read_bytes())
    os.replace(folder / "new.example.tmp", folder / "new.example.pem")
    wait.until(lambda: dialled(server, authority, anything, name="new.example").common_name == "new", "it is used")


# Sessions


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_session_is_resumed_by_every_worker(secured, authority, version):
    server = secured("contract:app", "-w", 3)
    context = authority.context(maximum_version=version)
    pids = set()
    with server.dial(context) as wire:
        pids.add(wire.get("/pid").body)
        session = wire.socket.session
    for _ in range(40):
        with server.dial(context, session=session) as wire:
            pids.add(wire.get("/pid").body)
            assert wire.socket.session_reused
            session = wire.socket.session
    assert len(pids) > 1
    before = server.worker_pids()
    server.signal(1)
    server.wait_for_workers(3, besides=before)
    with server.dial(context, session=session) as wire:
        assert wire.get("/pid").status == 200 and wire.socket.session_reused


def test_early_data_is_not_taken(secured, tmp_path):
    server = secured(*INLINE)
    common = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_3"]
    request = b"GET /x?id=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    first = subprocess.run([*common, "-sess_out", tmp_path / "session", "-ign_eof"], input=request,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert b"me 1" in first.stdout and b"Max Early Data: 0" in first.stdout, first.stdout


def test_staple_is_sent_to_those_who_ask(gateway, files, authority):
    (files / "staple").write_bytes(b"0\x03\x0a\x01\x01")     # "malformed request", which is a response
    server = gateway(*INLINE, *flags_of(files), "--ocsp-file", files / "staple")
    asked = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-status"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert b"OCSP Response Status: malformedrequest" in asked.stdout, asked.stdout
    assert dialled(server, authority).get("/x?id=1").status == 200


# Those of clients


@pytest.fixture(scope="module")
def client(authority):
    chain, key = authority.issue("client", subject="/C=CH/O=Räte & Co/CN=Ann")
    return chain, key


def with_client(authority, client, **more):
    context = authority.context(**more)
    context.load_cert_chain(*client)
    return context


@pytest.mark.parametrize("class_", ["inline", "threads", "gevent", "asgi"])
def test_app_is_told_of_the_client(secured, authority, client, class_):
    app = "fronted:asgi" if class_ == "asgi" else "fronted:wsgi"
    server = secured(app, "-k", class_, "--cert-reqs", "required", "--ca-certs", authority.certificate)
    with server.dial(with_client(authority, client)) as wire:
        told = json.loads(wire.get("/").body)
        pem = client[0].read_text()
        name = r"CN=Ann,O=R\C3\A4te & Co,C=CH"
        if class_ == "asgi":
            tls = told["tls"]
            assert tls["client_cert_name"] == name and tls["client_cert_chain"][0] in pem
            return
        assert told["SSL_CLIENT_VERIFY"] == "SUCCESS" and told["SSL_CLIENT_S_DN"] == name
        assert told["SSL_CLIENT_I_DN"] == "CN=Authority of the tests" and told["SSL_CLIENT_CERT"] in pem
        serial = openssl("x509", "-in", client[0], "-noout", "-serial").decode().strip()
        assert serial == f"serial={told['SSL_CLIENT_M_SERIAL']}"
        dates = openssl("x509", "-in", client[0], "-noout", "-dates").decode().split("\n")
        assert dates[0] == f"notBefore={told['SSL_CLIENT_V_START']}"
        assert dates[1] == f"notAfter={told['SSL_CLIENT_V_END']}"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_without_a_good_certificate_is_refused(secured, authority, client, tmp_path, version):
    server = secured(*INLINE, "--cert-reqs", "2", "--ca-certs", authority.certificate)
    strange = Authority(tmp_path / "other").issue("client")
    for context in (authority.context(maximum_version=version),
                    with_client(authority, strange, maximum_version=version)):
        with pytest.raises((ssl.SSLError, ConnectionResetError, BrokenPipeError)):
            with server.dial(context) as wire:      # TLS 1.3 tells the client later
                wire.get("/x?id=1")
    with server.dial(with_client(authority, client)) as wire:
        assert wire.get("/x?id=1").status == 200


def test_client_may_do_without_where_it_is_optional(secured, authority, client):
    server = secured("fronted:wsgi", "-k", "inline", "--cert-reqs", "CERT_OPTIONAL", "--ca-certs",
                     authority.certificate)
    with server.dial() as wire:
        assert json.loads(wire.get("/").body)["SSL_CLIENT_VERIFY"] == "NONE"
    with server.dial(with_client(authority, client)) as wire:
        assert json.loads(wire.get("/").body)["SSL_CLIENT_VERIFY"] == "SUCCESS"


def test_access_log_names_the_client(secured, authority, client, tmp_path):
    log = tmp_path / "log"
    server = secured("fronted:wsgi", "-k", "threads", "--cert-reqs", "required", "--ca-certs", authority.certificate,
                     "--access-logfile", log, "--access-logformat", "%({SSL_CLIENT_S_DN}e)s %({SSL_PROTOCOL}e)s")
    with server.dial(with_client(authority, client)) as wire:
        wire.get("/")
    wait.until(log.read_text, "a line")
    assert "CN=Ann" in log.read_text() and "TLSv1.3" in log.read_text()


def test_session_of_a_client_keeps_its_certificate(secured, authority, client):
    server = secured("fronted:wsgi", "-k", "inline", "-w", 2, "--cert-reqs", "required", "--ca-certs",
                     authority.certificate)
    context = with_client(authority, client, maximum_version=ssl.TLSVersion.TLSv1_2)
    with server.dial(context) as wire:
        wire.get("/")
        session = wire.socket.session
    with server.dial(context, session=session) as wire:
        assert "CN=Ann" in json.loads(wire.get("/").body)["SSL_CLIENT_S_DN"] and wire.socket.session_reused


def test_processes_of_the_app_do_not_inherit_the_keys(secured):
    """The file in memory by which workers get new certificates is closed when something else is executed."""
    server = secured(*INLINE)
    (worker,) = server.worker_pids()
    found = [number for number, path in procfs_links(worker) if "memfd:evgateway" in path]
    assert found
    for number in found:
        with open(f"/proc/{worker}/fdinfo/{number}") as file:
            flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
        assert flags & 0o2000000      # O_CLOEXEC


def procfs_links(pid):
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield number, os.readlink(f"/proc/{pid}/fd/{number}")
        except FileNotFoundError:
            continue
