"""What the code of this worker does now: the stacks of its greenlets, tasks and threads, and which requests they serve.

Law: nothing of the app runs here and nothing waits, apart from reading lines of source; what is told is bounded, and
what was left out is counted.
"""
import collections
import gc
import itertools
import linecache
import os
import sys
import threading
import types

import _evgateway

from . import host, values

STACKS = 500            # in one answer
BYTES = 1 << 20         # of text in it
OUTER, INNER = 16, 48   # frames of a stack that are told, at either end
DEEPEST = 20_000        # frames that are looked at
LINE = 200              # characters of a file's name, a function's or a line of source

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
ESCAPES = {**host.CONTROLS, ord("\n"): "\\n", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def collect(argument):
    """Returns [how many stacks are left out, [[kind, name, request or None, frames], ...]], encoded. A request is a
    number that stands for it. The argument, encoded, is a list of those whose code is wanted, or None for all."""
    wanted = values.decode(argument)
    found = Found(None if wanted is None else set(wanted))
    for kind, collector in ("greenlet", greenlets), ("task", tasks), ("thread", threads):
        for name, request, frames in collector(found.wanted):
            found.add(kind, name, request, frames)
    return values.encode([found.left_out, found.stacks])


class Found:
    def __init__(self, wanted):
        self.wanted = wanted
        self.stacks, self.left_out, self.room = [], 0, BYTES

    def add(self, kind, name, request, frames):
        if self.wanted is not None and request not in self.wanted:
            return
        if len(self.stacks) >= STACKS or self.room <= 0:
            self.left_out += 1
            return
        told = frames.told()
        if request is None and not told:
            return
        self.room -= sum(map(len, told)) + 64
        self.stacks.append([kind, cut(name), request, told])


def cut(text):
    text = text if len(text) <= LINE else text[:LINE] + "..."
    return text.translate(ESCAPES)


class Frames:
    """Frames of one stack: the outermost ones, how many were left out, and the innermost ones."""

    def __init__(self, outermost_first):
        frames = iter(outermost_first)
        self.outer = list(itertools.islice(frames, OUTER))
        self.inner = collections.deque(maxlen=INNER)
        self.more = 0
        for frame in frames:
            self.more += len(self.inner) == INNER
            self.inner.append(frame)

    def told(self):
        left_out = [f"... {self.more} frames are left out ..."] if self.more else []
        return [line(frame) for frame in self.outer] + left_out + [line(frame) for frame in self.inner]


def line(frame):
    """As a traceback shows it. A str stands for itself."""
    if isinstance(frame, str):
        return cut(frame)
    code, number = frame.f_code, frame.f_lineno
    text = f'File "{cut(code.co_filename)}", line {number}, in {cut(code.co_name)}'
    source = linecache.getline(code.co_filename, number or 0, frame.f_globals).strip()
    return f"{text}\n  {cut(source)}" if source else text


def called(frame):
    """The frames of a call that runs or has been switched away, the outermost first, without those of the server."""
    frames = []
    while frame is not None and len(frames) < DEEPEST:
        frames.append(frame)
        frame = frame.f_back
    frames.reverse()
    start = next((at for at, frame in enumerate(frames) if not is_servers(frame)), len(frames))
    return frames[start:]


def is_servers(frame):
    """Whether a frame is of the server, or of what starts a thread."""
    name = frame.f_code.co_filename
    return name.startswith(PACKAGE) or name == threading.__file__


# Greenlets


def greenlets(wanted):
    worker = sys.modules.get("evgateway.gevent_worker")
    hub = getattr(worker, "hub", None)
    if hub is None:
        return
    from greenlet import getcurrent, greenlet as kind
    current = getcurrent()
    served = set()
    for request, greenlet in reversed(_evgateway.gevent_serving()):     # the oldest first
        served.add(id(greenlet))
        if wanted is None or request in wanted:
            yield greenlet_name(greenlet), request, greenlet_frames(greenlet, current)
    if wanted is not None:
        return
    others = [object for object in gc.get_objects() if issubclass(type(object), kind)]
    for greenlet in others:
        # The hub and the greenlet that drives it are the server's.
        if greenlet is not hub and id(greenlet) not in served and greenlet is not current \
                and greenlet.gr_frame is not None and kind.parent.__get__(greenlet) is not None:
            yield greenlet_name(greenlet), None, greenlet_frames(greenlet, current)


def greenlet_name(greenlet):
    name = getattr(greenlet, "__dict__", {}).get("name")
    return name if type(name) is str else ""


def greenlet_frames(greenlet, current):
    return Frames(called(sys._getframe() if greenlet is current else greenlet.gr_frame))


# Tasks


def tasks(wanted):
    driver = getattr(sys.modules.get("evgateway.asgi"), "_driver", None)
    if driver is None:
        return
    import asyncio
    served = set()
    for request, task in reversed(_evgateway.asgi_serving()):
        served.add(id(task))
        if wanted is None or request in wanted:
            yield "", request, task_frames(task)
    if wanted is None:
        for task in asyncio.all_tasks(driver.loop):
            if id(task) not in served and isinstance(task, asyncio.Task):
                yield asyncio.Task.get_name(task), None, task_frames(task)


def task_frames(task):
    import asyncio
    frames = [frame for frame in awaited(asyncio.Task.get_coro(task))]
    while frames and is_servers(frames[0]):
        del frames[0]
    waits = getattr(task, "_fut_waiter", None)
    if frames and isinstance(waits, asyncio.Task):
        frames.append(f"(waits for the task {asyncio.Task.get_name(waits)!r})")
    return Frames(frames)


# What hides a coroutine or a generator, and tells of it only what a garbage collector may ask.
WRAPPERS = {"coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"}
STEPS = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))


def awaited(awaitable):
    """The frames from a coroutine to what it waits for, the outermost first."""
    for _ in range(DEEPEST):
        if awaitable is None:
            return
        if type(awaitable).__name__ in WRAPPERS:
            awaitable = next(filter(steps_of, gc.get_referents(awaitable)), None)
            continue
        steps = steps_of(awaitable)
        if steps is None:
            return
        frame, awaitable = (step.__get__(awaitable) for step in steps)
        if frame is not None:
            yield frame


def steps_of(awaitable):
    """The attributes, in C, of a coroutine or a generator, also one of Cython's; None for anything else, whose
    attributes may be code of the app."""
    for frame, following in STEPS:
        found = attribute(awaitable, frame), attribute(awaitable, following)
        if all(found):
            return found
    return None


def attribute(value, name):
    for base in type.__dict__["__mro__"].__get__(type(value)):
        found = base.__dict__.get(name)
        if found is not None:
            return found if type(found) in (types.GetSetDescriptorType, types.MemberDescriptorType) else None
    return None


# Threads


def threads(wanted):
    """All but the worker's own, and those that wait for work."""
    own = {native_ident(), _evgateway.loop_thread()}
    serving = _evgateway.threads_serving()
    if wanted is not None and not serving:
        return
    names = dict(threading._active)
    frames = sys._current_frames()
    for ident in sorted(frames, key=lambda ident: ident not in serving):
        request = serving.get(ident)
        if ident in own or (wanted is not None and request not in wanted):
            continue
        stack = called(frames[ident])
        if request is not None or not all(is_idle(frame) for frame in stack):
            yield thread_name(names.get(ident)), request, Frames(stack)


def native_ident():
    import _thread
    patched = sys.modules.get("gevent.monkey")
    return patched.get_original("_thread", "get_ident")() if patched else _thread.get_ident()


def thread_name(thread):
    name = getattr(thread, "__dict__", {}).get("_name")
    return name if type(name) is str else ""


IDLE = (os.path.join("concurrent", "futures", "thread.py"), os.path.join("gevent", "threadpool.py"),
        os.path.join("gevent", "_threading.py"))


def is_idle(frame):
    """Whether a frame is of a pool whose thread waits for work: a stack that has others is of some work."""
    return is_servers(frame) or frame.f_code.co_filename.endswith(IDLE)
