"""--user, --group and --initgroups: root opens sockets and logs, and the app runs as somebody else for good."""

import ast
import grp
import os
import signal

import pytest

from conftest import PYTHON, end
from support import accounts, procfs, wait
from support.gateway import LAUNCHER, Gateway
from support.settings import FLAGS, in_force, refusal, run

USER = accounts.USER
APP = """
import os, sys, time

os.environ["IMPORTED_AS"] = str(os.geteuid())


def attempt(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return type(error).__name__
    return "done"


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/sleep":
        time.sleep(600)
    start_response("200 OK", [])
    if path == "/make":
        with open(os.environ["MADE"], "w"):
            pass
    if path == "/body":
        return [str(len(environ["wsgi.input"].read())).encode()]
    return [repr({
        "users": os.getresuid(), "groups": os.getresgid(), "supplementary": os.getgroups(),
        "back": [attempt(os.setuid, 0), attempt(os.seteuid, 0), attempt(os.setgid, 0), attempt(os.setgroups, [0]),
                 attempt(os.chroot, "/")],
        "imported": os.environ["IMPORTED_AS"], "home": os.environ.get("HOME"),
        "descriptors": len(os.listdir("/proc/self/fd"))
    }).encode()]
"""


@pytest.fixture
def place(short_path):
    """A folder of root's with an app that everybody may read, and a folder `his` of the user's."""
    accounts.require()
    (short_path / "asked.py").write_text(APP)
    (short_path / "his").mkdir()
    entry = accounts.entry()
    os.chown(short_path / "his", entry.pw_uid, entry.pw_gid)
    return short_path


@pytest.fixture
def dropped(gateway, place):
    """Factory: a server of root's whose workers are the user's."""
    def start(*flags, **more):
        flags = [*flags] if "-k" in flags else ["-k", "threads", *flags]
        return gateway("asked:app", "--user", USER, "--pythonpath", place, "--env", f"MADE={place}/his/made",
                       *flags, cwd=place, **more)
    return start


def asked(server, path="/"):
    return ast.literal_eval(server.get(path).body.decode())


@accounts.needs_root
def test_app_runs_as_the_user_for_good(dropped, place):
    entry = accounts.entry()
    (place / "g.py").write_text("import os\n\n\ndef post_fork(server, worker):\n"
                                "    server.log.info('post_fork as %s', os.geteuid())\n")
    server = dropped("--group", "nogroup", "-c", place / "g.py", "--pid", place / "pid", "--workers", "2")
    group = grp.getgrnam("nogroup").gr_gid
    server.get("/make")
    assert (place / "his" / "made").stat().st_uid == entry.pw_uid
    found = asked(server)
    assert found.pop("descriptors") > 3 and found.pop("home") == os.environ.get("HOME")
    assert found == {"users": (entry.pw_uid,) * 3, "groups": (group,) * 3, "supplementary": [group],
                     "back": ["PermissionError"] * 5, "imported": str(entry.pw_uid)}
    # The master is still root's, and a hook of before the change, too.
    assert accounts.status(server.pid)["Uid"].split() == ["0"] * 4
    assert {match[1] for match in server.log.matches(r"post_fork as (\d+)")} == {"0"}
    for pid in server.worker_pids():
        state = accounts.status(pid)
        assert state["Uid"].split() == [str(entry.pw_uid)] * 4 and state["Gid"].split() == [str(group)] * 4
        assert [int(state[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")] == [0] * 4
    # Signals of the master reach them.
    before = server.worker_pids()
    server.signal(signal.SIGHUP)
    server.wait_for_workers(2, besides=before)
    server.log.wait_for(r"\[INFO\] Reloaded")
    assert asked(server)["users"] == (entry.pw_uid,) * 3
    assert int((place / "pid").read_text()) == server.pid
    assert server.stop() == 0 and not (place / "pid").exists()
    assert not server.log.matches(r"\[(WARNING|ERROR)\]"), server.error_log()


@accounts.needs_root
@pytest.mark.parametrize("flags, initialized", [([], False), (["--initgroups"], True)])
def test_groups_of_root_stay_behind(place, flags, initialized):
    """Those of the master are root's and three more; a member of groups has them with --initgroups alone."""
    member = next((name for group in grp.getgrall() for name in group.gr_mem if name != "root"), USER)
    server = Gateway([LAUNCHER, "--python", PYTHON, "-k", "threads", "-b", "127.0.0.1:0", "--user", member, *flags,
                      "asked:app"], cwd=place, program=["setpriv", "--groups", "0,3,4,5", "--"])
    try:
        found = asked(server.wait_until_ready())
    finally:
        end([server])
    primary = found["groups"][0]
    expected = os.getgrouplist(member, primary) if initialized else [primary]
    assert set(found["supplementary"]) == set(expected)


@accounts.needs_root
def test_group_alone_leaves_the_user(gateway, place):
    server = gateway("asked:app", "-k", "threads", "--group", "nogroup", "--pythonpath", place, cwd=place)
    found = asked(server)
    assert found["users"] == (0, 0, 0) and found["groups"] == (grp.getgrnam("nogroup").gr_gid,) * 3


@accounts.needs_root
def test_logs_are_reopened_by_workers_that_are_not_root(dropped, place):
    """In a folder where only root can make files: after USR1, and after a reload to another name."""
    log = place / "log"
    log.mkdir(mode=0o755)
    (log / "access").write_text("of before\n")   # root's, from before the user was changed
    (place / "g.py").write_text(f"accesslog = {str(log / 'access')!r}\n")
    server = dropped("-c", place / "g.py")
    server.get("/?1")
    (log / "access").rename(log / "old")
    position = server.log_position()
    server.signal(signal.SIGUSR1)
    wait.until(lambda: (log / "access").exists(), "the log is made anew")

    def is_logged(name, target):
        server.get(target)  # until a worker has it that has heard of the other file
        return target in (log / name).read_text()
    wait.until(lambda: is_logged("access", "/?2"), "a line is in the new log")
    assert "/?1" in (log / "old").read_text()
    (place / "g.py").write_text(f"accesslog = {str(log / 'next')!r}\n")
    server.signal(signal.SIGHUP)
    server.log.wait_for(r"\[INFO\] Reloaded")
    wait.until(lambda: is_logged("next", "/?3"), "a line is in the other log")
    assert (log / "next").stat().st_uid == accounts.entry().pw_uid
    assert not server.log.matches(r"Cannot reopen|cannot reopen"), server.log.text()
    assert server.log_position() > position


@accounts.needs_root
def test_log_that_is_a_link_is_not_given_away(dropped, place):
    """Whoever may write to the folder could have put it there."""
    (place / "precious").touch(mode=0o600)
    os.symlink(place / "precious", place / "his" / "access")
    server = dropped("--access-logfile", place / "his" / "access")
    assert (place / "precious").stat().st_uid == 0
    assert server.log.matches(r"\[WARNING\] Workers cannot reopen .*his/access")


@accounts.needs_root
def test_large_bodies_wait_where_the_user_may_write(dropped, place):
    (place / "only-root").mkdir(mode=0o700)
    server = dropped("--tmp-upload-dir", place / "only-root")
    assert server.log.matches(r"\[WARNING\] Request bodies cannot be spooled in .*only-root")
    good = dropped("--tmp-upload-dir", place / "his")
    assert not good.log.matches(r"cannot be spooled")
    with good.connect() as client:
        assert client.request("POST", "/body", body=bytes(3_000_000)).read().body == b"3000000"


@accounts.needs_root
def test_worker_that_hangs_ends_after_its_master(dropped):
    """The kernel forgets whom to tell of the master's end when a process changes its user."""
    server = dropped("-k", "inline", "--graceful-timeout", "0.5")
    [worker] = server.worker_pids()
    with server.connect() as client:
        client.request("GET", "/sleep")
        wait.until(lambda: accounts.status(worker)["State"].startswith("S") and procfs.stat(worker), "it sleeps")
        server.signal(signal.SIGKILL)
        server.wait()
        wait.until(lambda: not procfs.alive(worker), "the worker has ended")


@accounts.needs_root
def test_class_is_found_out_as_the_user(gateway, place):
    """`auto` looks at the app in a process of its own, which must not run its code as root either."""
    server = gateway("asked:app", "--user", USER, "--pythonpath", place, "--env", "PYTHONDONTWRITEBYTECODE=",
                     cwd=place)
    assert asked(server)["imported"] == str(accounts.entry().pw_uid)
    assert server.log.matches(r"Using worker: \w+ \(a WSGI app")
    assert not (place / "__pycache__").exists()   # the folder is root's


@accounts.needs_root
def test_preloaded_app_is_imported_by_root(dropped):
    """As under gunicorn: the master loads it. Requests are served as the user all the same."""
    found = asked(dropped("--preload"))
    assert found["imported"] == "0" and found["users"] == (accounts.entry().pw_uid,) * 3


@pytest.mark.parametrize("flags, reason", [
    (["--user", "no-such-user"], "--user: there is no user 'no-such-user'"),
    (["-u", "54321"], "--user: user 54321 has no name, and so no group: write --group"),
    (["-g", "no-such-group"], "--group: there is no group 'no-such-group'"),
    (["--socket-owner", "no-such-user"], "--socket-owner: there is no user 'no-such-user'"),
    (["--socket-owner", ":no-such-group"], "--socket-owner: there is no group 'no-such-group'"),
    (["--socket-owner", "a:b:c"], "--socket-owner: 'a:b:c' is not of the form USER, USER:GROUP or :GROUP"),
])
def test_names_that_nobody_has_are_told(flags, reason):
    assert refusal(run("-k", "threads", *FLAGS, "-b", "127.0.0.1:0", *flags, "contract:app")) == f"evgateway: {reason}"


def test_settings_are_shown_where_their_user_is_not_there():
    assert in_force("--user", "no-such-user")["user"] == ('"no-such-user"', "command line")


@accounts.needs_root
def test_who_is_not_root_is_told(place):
    result = accounts.as_user(LAUNCHER, "--python", PYTHON, "-k", "threads", "--user", "root", "asked:app", cwd=place)
    assert result.stderr.splitlines()[-1] == "evgateway: --user: only root can change the user of the workers"
    # Whom it is anyway, he may name.
    result = accounts.as_user(LAUNCHER, "--python", PYTHON, "-k", "threads", "--user", USER, "--check-config",
                              "asked:app", cwd=place)
    assert result.returncode == 0, result.stderr


@accounts.needs_root
def test_check_config_loads_the_app_as_the_user(place):
    (place / "secret.py").write_text(APP)
    (place / "secret.py").chmod(0o600)
    result = run("-k", "threads", "--python", PYTHON, "--user", USER, "--check-config", "secret:app", cwd=place)
    assert result.returncode != 0 and "Permission" in result.stderr
