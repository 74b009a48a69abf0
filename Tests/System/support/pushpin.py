"""Debian's Pushpin in front of a server: a process that starts four others, all with their files in a directory of the
test."""

import re
import socket

from . import procfs, wait
from .foreground import Foreground, binary
from .gateway import ROOT
from .gripped import hold

# Of no other address does the kernel give a port away meanwhile.
HOST = "127.0.0.10"
KEY = "a key of the tests"
# With the times, limits and rates of Debian's file.
CONFIGURATION = ROOT / "scripts" / "loadtest.d" / "apps" / "pushpin.conf"


class Pushpin(Foreground):
    """Clients ask `address`; items are published at `publish_address`; `upstream` is the app's (host, port)."""

    def __init__(self, directory, upstream):
        self.directory, self.output = directory, directory / "output"
        self.address, self.publish_address = _free(), _free()
        (directory / "run").mkdir()
        (directory / "routes").write_text(f"* {upstream[0]}:{upstream[1]}\n")
        (directory / "pushpin.conf").write_text(CONFIGURATION.read_text().format(
            folder=directory, address=f"{HOST}:{self.address[1]}", publish_host=HOST,
            publish_port=self.publish_address[1], key=KEY, connections=1000, log_level=2, message_rate=2500,
            message_hwm=25000))
        self.command = [binary("pushpin"), "--config", str(directory / "pushpin.conf"), "--merge-output"]
        self.surroundings = {"start_new_session": True}

    def __enter__(self):
        super().__enter__()
        try:
            wait.until(lambda: len(re.findall(r" started$", self.log(), re.MULTILINE)) >= 5,
                       lambda: f"all of it has started:\n{self.log()}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        pid = self.process.pid
        super().__exit__()
        wait.until(lambda: not procfs.session_members(pid), "the processes of Pushpin have ended")

    def is_held(self, play, requests, channels):
        """That so many requests of a play have subscribed to so many channels each."""
        held = re.findall(rf"subscribe http://test/case/{play.key}/\S* channel=", self.log())
        return len(held) >= requests * channels

    def until_it_passes_items(self, side):
        """Its processes find each other in their own time, and lose what comes before."""
        for number in range(20):
            seen = side.play(passes_an_item, f"warm-{number}")
            if seen.get("answer/status") == "200 OK":
                return
        raise AssertionError(f"{seen}\n{self.log()}")

    def log(self):
        return self.output.read_text()


def passes_an_item(play):
    play.plan(hold("response", play.channel(), body=""))
    client = play.ask()
    client.wire.socket.settimeout(2)
    play.until_held()
    play.respond("ready")
    play.seen["answer"] = client.answer()


def _free():
    """An address of which no other program asks the kernel for a port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()
