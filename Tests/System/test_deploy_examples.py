"""The files of Examples/deploy that are no proxy's: units, containers, a cluster, logs. Their commands serve the app,
the tools that read them accept them, and their times, ports and paths agree with the settings."""

import contextlib
import gzip
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request

import pytest

from conftest import PYTHON, end
from support import dockerfile, wait
from support.fronts import FOLDER, binary, replaced, user_and_group
from support.gateway import BUILD, LAUNCHER, READY, ROOT, Gateway, Log, environment
from support.load import Load
from support.wire import Wire
from test_longpoll_deploy import joined

SANDBOX = ROOT / "Tests" / "System" / "support" / "sandbox.py"
ENVIRONMENT = {"VIRTUAL_ENV": str(PYTHON.parent.parent), "PYTHONDONTWRITEBYTECODE": "1",
               "PATH": f"{BUILD}:{os.environ['PATH']}"}
UNITS = ["hello.service", "hello.socket"]


def text(name):
    return (FOLDER / name).read_text()


def documents(name):
    """What a YAML file holds. Debian's Python has a reader, which the test's own need not have."""
    read = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))"
    done = subprocess.run(["/usr/bin/python3", "-c", read], input=text(name), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def settings():
    """The settings as the server reads them."""
    printed = subprocess.run([LAUNCHER, "--print-config"], cwd=FOLDER, env={**os.environ, **ENVIRONMENT},
                             capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^(\w+) = (.*?)\s+#", printed, re.M))


@pytest.fixture
def place():
    """A folder whose `srv` has what the images copy, and whose `run` and `log` replace those of the service."""
    with tempfile.TemporaryDirectory(prefix="evg") as name:
        folder = pathlib.Path(name)
        for part in ("srv", "run", "log"):
            (folder / part).mkdir()
        for sources, target, stage in dockerfile.copied(dockerfile.stages(text("Dockerfile"))[-1]):
            assert target == "./" and stage is None
            for source in sources:
                if source != "evgateway-*.whl":
                    shutil.copy(FOLDER / source, folder / "srv" / source)
        yield folder


@pytest.fixture
def serves(place):
    """Factory: `serves(words)` runs a command of a file in the place of its paths until all workers are ready."""
    started = []

    def serve(words, env=None, before=("env",), knock=None):
        server = Gateway([moved(word, place) for word in words], cwd=place / "srv", program=before,
                         env={**ENVIRONMENT, **(env or {})})
        started.append(server)
        if knock:
            server.log.wait_for("Listening on")
            Wire(str(knock)).close()
        server.log.wait_for_distinct(READY, 2)
        return server
    yield serve
    end(started)


def moved(text, place):
    for old, new in [("/srv/hello/.venv/bin/evgateway", LAUNCHER), ("/srv/hello", place / "srv"),
                     ("/run/hello.sock", place / "hello.sock"), ("/run/hello", place / "run"),
                     ("/var/log/hello", place / "log"), ("0.0.0.0:8000", "127.0.0.1:0")]:
        text = text.replace(old, str(new))
    return text


def works(address):
    with Wire(address) as client:
        assert client.get("/healthz").body == b"ok\n"
        assert b"Hello, World!" in client.get("/").body
        body = bytes(2_000_000)
        assert json.loads(client.request("POST", "/upload", body=body).read().body)["length"] == len(body)


def line_of(name, start):
    [line] = [line for line in joined(text(name)) if line.startswith(start)]
    return shlex.split(line[len(start):])


# systemd


def test_service_serves_with_the_hardening_of_its_unit(serves, place):
    """Workers are forked, reloaded and replaced under the filter of system calls, which here kills."""
    server = serves(line_of("hello.service", "ExecStart="), before=[sys.executable, SANDBOX, FOLDER / "hello.service"])
    with open(f"/proc/{server.pid}/status") as status:
        state = dict(line.split(":\t", 1) for line in status.read().splitlines() if ":\t" in line)
    assert (state["NoNewPrivs"], state["Seccomp"], int(state["CapEff"], 16)) == ("1", "2", 0)
    assert int((place / "run" / "evgateway.pid").read_text()) == server.pid
    assert (place / "run" / "app.sock").stat().st_mode & 0o777 == 0o660
    works(str(place / "run" / "app.sock"))
    before = server.wait_for_workers(2)
    server.signal(signal.SIGHUP)
    after = server.wait_for_workers(2, besides=before)
    server.log.wait_for_distinct(READY, 4)
    os.kill(after[0], signal.SIGKILL)
    server.log.wait_for_distinct(READY, 5)
    works(str(place / "run" / "app.sock"))
    assert server.stop() == 0
    assert "/healthz" in (place / "log" / "access.log").read_text()
    assert server.error_log().count("SIGKILL") == 1 and "SIGSYS" not in server.error_log()


def test_socket_unit_passes_its_socket_on(serves, place):
    [listen] = re.findall(r"^ListenStream=(\S+)$", text("hello.socket"), re.M)
    path = pathlib.Path(moved(listen, place))
    names = [word for name in ENVIRONMENT for word in ("-E", name)]
    server = serves(line_of("hello.service", "# ExecStart="), knock=path,
                    before=[binary("systemd-socket-activate"), "-l", path, *names])
    works(str(path))
    assert server.stop() == 0
    assert path.is_socket()  # systemd's, for the next start


def test_restart_with_the_socket_unit_refuses_nobody(place):
    """Who connects while no server runs waits in the queue of the socket, which systemd keeps: here, the test."""
    words = line_of("hello.service", "# ExecStart=")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as clients:
        listener.bind(str(place / "hello.sock"))
        listener.listen(64)
        for _ in range(2):
            waiting = clients.enter_context(Wire(str(place / "hello.sock"))).request("GET", "/healthz")
            command = [moved(word, place) for word in [*words, "--bind", f"fd://{listener.fileno()}"]]
            server = subprocess.Popen(command, cwd=place / "srv", env=environment(ENVIRONMENT), stderr=subprocess.PIPE,
                                      stdin=subprocess.DEVNULL, pass_fds=[listener.fileno()], start_new_session=True)
            log = Log(server.stderr)
            try:
                assert waiting.read().body == b"ok\n", log.text()
            finally:
                server.terminate()
                code = server.wait(60)
            assert code == 0, log.text()


def version_of_systemd():
    printed = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.match(r"systemd (\d+)", printed)[1])


@pytest.mark.parametrize("twin", ["own socket", "socket unit", "notify-reload"])
def test_units_are_ones_that_systemd_reads(place, tmp_path, twin):
    for name in UNITS:
        unit = moved(text(name), place)
        if twin == "notify-reload" and name == "hello.service":
            unit = replaced(replaced(unit, "Type=notify\n", "Type=notify-reload\n"),
                            "ExecReload=/bin/kill -HUP $MAINPID\n", "")
        if twin == "socket unit" and name == "hello.service":
            own, other = [re.search(rf"(?m)^{start}ExecStart=.*\\\n.*\n", unit)[0] for start in ("", "# ")]
            unit = unit.replace(own, "").replace(other, other.replace("# ", "").replace("#", ""))
            unit = replaced(unit, "# Requires=", "Requires=")
        (tmp_path / name).write_text(unit)
    verified = subprocess.run(["systemd-analyze", "verify", "--man=no", *(tmp_path / name for name in UNITS)],
                              capture_output=True, text=True)
    said = verified.stdout + verified.stderr
    if twin == "notify-reload" and version_of_systemd() < 253:
        assert verified.returncode == 0 and "ignoring: notify-reload" in said and len(said.splitlines()) == 1, said
    else:
        assert (verified.returncode, said) == (0, "")


def test_service_is_hardened_by_the_judgement_of_systemd():
    judged = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=15", "--no-pager",
                             FOLDER / "hello.service"], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout


def test_times_and_limits_of_the_service(settings):
    unit = text("hello.service")

    def number(pattern):
        return int(re.search(pattern, unit)[1])
    assert number(r"\nTimeoutStopSec=(\d+)") > int(settings["graceful_timeout"])
    assert number(r"\nLimitNOFILE=(\d+)") > int(settings["worker_connections"])
    assert "\nKillMode=mixed\n" in unit and "\nExecReload=/bin/kill -HUP $MAINPID\n" in unit


# Proxies


@pytest.mark.parametrize("name, pattern", [
    ("nginx.conf", r"\n    keepalive_timeout (\d+)s;"), ("apache.conf", r'\n    ProxyPass .* ttl=(\d+) '),
    ("haproxy.cfg", r"\n    server .* pool-purge-delay (\d+)s"), ("Caddyfile", r"\n\t+keepalive (\d+)s"),
])
def test_proxies_close_idle_connections_first(settings, name, pattern):
    assert all(int(found) < int(settings["keepalive"]) for found in re.findall(pattern, text(name)) or ["no match"])


def test_nginx_lets_as_large_bodies_through_as_the_server(settings):
    assert int(re.search(r"client_max_body_size (\d+)m;", text("nginx.conf"))[1]) << 20 == \
        int(settings["limit_request_body"])


# logrotate


def test_no_line_is_lost_while_logs_are_rotated(serves, place):
    server = serves(line_of("hello.service", "ExecStart="))
    rules = place / "hello.logrotate"
    user, group = user_and_group()
    words = replaced(moved(text("hello.logrotate"), place), "su hello www-data", f"su {user} {group}")
    # Only root may run it.
    words = replaced(words, "runuser -u hello -- ", f"runuser -u {user} -- " if os.getuid() == 0 else "")
    rules.write_text(words)
    rules.chmod(0o644)
    current = place / "log" / "access.log"
    with Load(str(place / "run" / "app.sock"), target="/healthz?{id}", expect="ok") as load:
        for _ in range(4):
            load.wait_for_more(200)
            rotated = subprocess.run([binary("logrotate"), "--force", "--state", place / "state", rules],
                                     capture_output=True, text=True)
            assert (rotated.returncode, rotated.stdout + rotated.stderr) == (0, "")
            wait.until(lambda: current.exists() and current.stat().st_size, "the server writes a new file")
        load.wait_for_more(200)
        load.stop()
    assert set(load.outcomes) == {"ok"}, load.failures
    assert server.stop() == 0
    files = sorted((place / "log").iterdir())
    assert [file.name for file in files] == ["access.log", "access.log.1"] + [f"access.log.{n}.gz" for n in (2, 3, 4)]
    lines = [line for file in files for line in (gzip.open if file.suffix == ".gz" else open)(file, "rt")]
    asked = {line.split("/healthz?")[1].split()[0] for line in lines}
    assert len(lines) == len(asked) == load.total


# README, Procfile


def test_readme_names_every_file():
    files = {path.name for path in FOLDER.iterdir() if path.is_file() and path.suffix != ".whl"} - {"README.md"}
    assert files <= set(re.findall(r"`([\w.-]+)`", text("README.md")))


def test_procfile_serves_on_the_port_that_is_given(serves, place):
    [command] = re.findall(r"^web: (.+)$", text("Procfile"), re.M)
    server = serves(["-c", command], before=["sh"], env={"PORT": "0", "WEB_CONCURRENCY": "3"})
    port = int(server.wait_for_log(r"Listening at: http://0\.0\.0\.0:(\d+)")[1])
    server.log.wait_for_distinct(READY, 3)
    works(("127.0.0.1", port))


# Containers


def test_command_and_health_check_of_the_image(serves, place):
    stage = dockerfile.stages(text("Dockerfile"))[-1]
    variables, health = dockerfile.variables(stage), dict(stage)["HEALTHCHECK"]
    assert variables["PORT"] == dict(stage)["EXPOSE"]
    server = serves(dockerfile.words(dict(stage)["CMD"]), env={**variables, "PORT": "0"})
    port = int(server.wait_for_log(r"Listening at: http://0\.0\.0\.0:(\d+)")[1])
    works(("127.0.0.1", port))

    def healthy():
        return subprocess.run(dockerfile.words(health), env={**os.environ, "PORT": str(port)}, capture_output=True,
                              timeout=30).returncode == 0
    assert healthy()
    assert server.stop() == 0
    assert not healthy()


def test_requirements_are_those_that_are_tested():
    wanted = [line for line in text("requirements.txt").splitlines() if not line.startswith("#")]
    assert set(wanted) <= set((ROOT / "Tests" / "System" / "requirements.txt").read_text().splitlines())


@pytest.mark.parametrize("name", ["docker-compose.yml", "kubernetes.yaml"])
def test_yaml_is_clean(name):
    style = "{extends: default, rules: {line-length: {max: 120}, document-start: disable}}"
    done = subprocess.run([binary("yamllint"), "--strict", "-d", style, FOLDER / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_compose_serves_behind_nginx(serves, place, settings):
    [compose] = documents("docker-compose.yml")
    app, nginx = compose["services"]["app"], compose["services"]["nginx"]
    grace = int(re.fullmatch(r"(\d+)s", app["stop_grace_period"])[1])
    assert grace > int(settings["graceful_timeout"])
    assert app["ulimits"]["nofile"] > int(settings["worker_connections"])
    assert nginx["depends_on"] == {"app": {"condition": "service_healthy"}} and app["build"] == "."
    mounts = [volume.split(":") for volume in nginx["volumes"]]
    assert all((FOLDER / mount[0]).exists() for mount in mounts if mount[0].startswith("./"))
    shared = [volume for volume in app["volumes"] if volume in nginx["volumes"]]
    assert shared == ["socket:/run/hello"] and "socket" in compose["volumes"]
    assert "server unix:/run/hello/app.sock " in text("nginx.conf")
    assert {mount.split(":")[1] for mount in nginx["ports"]} == {re.search(r"listen (\d+);", text("nginx.conf"))[1]}
    server = serves(app["command"])
    path = place / "run" / "app.sock"
    assert path.stat().st_mode & 0o777 == 0o666
    works(str(path))
    assert server.stop() == 0


# Kubernetes


def test_kubernetes_agrees_with_the_image_and_the_settings(serves, settings):
    deployment, service = documents("kubernetes.yaml")
    assert [(part["apiVersion"], part["kind"]) for part in (deployment, service)] == [
        ("apps/v1", "Deployment"), ("v1", "Service")]
    pod, labels = deployment["spec"]["template"]["spec"], deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    [container] = pod["containers"]
    stage = dockerfile.stages(text("Dockerfile"))[-1]
    assert pod["securityContext"]["runAsUser"] == int(dict(stage)["USER"])
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    assert all(isinstance(value, str) for value in env.values())
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in ports and list(ports.values()) == [int(env["PORT"])]
    assert dict(stage)["EXPOSE"] == env["PORT"] and ":" in container["image"]

    preparing, pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert preparing == "sleep"
    assert pod["terminationGracePeriodSeconds"] > int(pause) + int(settings["graceful_timeout"])

    probes = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    patience = {name: probe["periodSeconds"] * probe["failureThreshold"] for name, probe in probes.items()}
    # The master has to see a hanging worker and to replace it before the kubelet restarts them all.
    assert patience["liveness"] > int(settings["timeout"]) > patience["readiness"]
    server = serves(["evgateway", "--bind", "127.0.0.1:0"],
                    env={name: value for name, value in env.items() if name != "PORT"})
    port = server.wait_for_log(r"Listening at: \S+:(\d+)")[1]
    for probe in probes.values():
        assert probe["httpGet"]["port"] in ports
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{probe['httpGet']['path']}", timeout=30) as answer:
            assert answer.status == 200
    # The folder that a read-only image needs for large bodies.
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}["/tmp"] in {
        volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}
