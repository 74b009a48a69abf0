"""Starts, controls and ends the client processes of a role. They end with the harness, however it ends."""

import ctypes
import multiprocessing
import os
import signal
import traceback

from histogram import Histogram

from .crowd import Crowd
from .loop import Loop
from .requests import Requests
from .slow import Slow

ROLES = {"crowd": Crowd, "requests": Requests, "slow": Slow}
SHARED = ("count", "connections", "rate", "requests")
REPORT = 0.25
PR_SET_PDEATHSIG, PR_SET_TIMERSLACK = 1, 29
_fork = multiprocessing.get_context("fork")


class ClientFailure(Exception):
    """A client process ended unexpectedly."""


class Crew:
    """`processes` clients of a role. Values that SHARED names are divided among them; all get the rest of `config`."""

    crews = []

    def __init__(self, role, processes, target, sources, config):
        each = [int(config[name]) for name in ("count", "connections") if name in config]
        processes = max(1, min([processes, *each]))
        self.role, self.samples, self.results = role, [{} for _ in range(processes)], [None] * processes
        self.pipes, self.members = [], []
        for index in range(processes):
            ours, theirs = _fork.Pipe()
            share = {**config, **{name: _share(config[name], index, processes) for name in SHARED
                                  if config.get(name) is not None}}
            if share.get("rate"):
                share["start"] += index / config["rate"]
            member = _fork.Process(
                target=_main, args=(role, share, target, sources(index), theirs, ours), daemon=True)
            member.start()
            theirs.close()
            self.pipes.append(ours)
            self.members.append(member)
        Crew.crews.append(self)

    def tell(self, name, *arguments):
        for pipe in self.pipes:
            try:
                pipe.send((name, *arguments))
            except (BrokenPipeError, ConnectionResetError):
                continue

    def receive(self, index):
        """Takes one message of a member."""
        try:
            kind, value = self.pipes[index].recv()
        except (EOFError, ConnectionResetError):
            raise ClientFailure(f"a client process of {self.role} ended early") from None
        if kind == "sample":
            self.samples[index] = value
        elif kind == "result":
            self.results[index] = value
        else:
            raise ClientFailure(f"a client process of {self.role} failed:\n{value}")

    def total(self, name):
        return sum(sample.get(name, 0) for sample in self.samples)

    @property
    def finished(self):
        """True if every member has finished its work."""
        return all(sample.get("done") for sample in self.samples)

    @property
    def ended(self):
        return all(result is not None for result in self.results)

    def merged(self):
        """{errors, answered, bytes_read, histogram, extra: lists by name} of all members."""
        merged = {"errors": {}, "answered": 0, "bytes_read": 0, "histogram": Histogram(), "extra": {}}
        for result in self.results:
            for kind, count in result["errors"].items():
                merged["errors"][kind] = merged["errors"].get(kind, 0) + count
            merged["answered"] += result["answered"]
            merged["bytes_read"] += result["bytes_read"]
            merged["histogram"].merge(result["histogram"])
            for name, value in result["extra"].items():
                merged["extra"].setdefault(name, []).append(value)
        return merged

    def end(self):
        for member in self.members:
            member.join(0 if member.exitcode is not None else 2)
            if member.exitcode is None:
                member.kill()
                member.join()
        for pipe in self.pipes:
            pipe.close()
        if self in Crew.crews:
            Crew.crews.remove(self)


def _share(value, index, processes):
    if isinstance(value, float):
        return value / processes
    return value // processes + (index < value % processes)


def die_with_parent(number=signal.SIGKILL):
    """Makes the kernel send this process a signal when its parent ends, however it ends (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def _main(role, config, target, addresses, pipe, other_end):
    die_with_parent()
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1000)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    other_end.close()
    try:
        _run(role, config, target, addresses, pipe)
    except (BrokenPipeError, EOFError, ConnectionResetError):
        pass
    except BaseException:
        pipe.send(("failure", traceback.format_exc()))
    os._exit(0)


def _run(role, config, target, addresses, pipe):
    loop = Loop(target, addresses)
    member = ROLES[role](loop, config)

    def on_command(descriptor, events):
        while pipe.poll():
            member.command(*pipe.recv())

    def report():
        pipe.send(("sample", member.sample()))
        loop.after(REPORT, report)

    loop.watch(pipe.fileno(), on_command)
    member.begin()
    report()
    loop.run()
    pipe.send(("sample", {**member.sample(), "done": True}))
    pipe.send(("result", member.result()))
