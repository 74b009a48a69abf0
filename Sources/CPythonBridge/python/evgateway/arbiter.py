"""The server and worker objects of gunicorn's hooks, and the calls of the hooks.

Law: nothing imports this module before there is a hook. The objects tell; they steer nothing. The one worker object of
an age is the same in pre_fork and child_exit, and its copy in the worker is that of post_fork.
"""
import _thread
import faulthandler
import os
import select
import signal
import sys

import _evgateway

from . import cfg, errorlog, host, state, values


class App:
    """The app of a worker."""

    @property
    def callable(self):
        return host.app

    @property
    def cfg(self):
        return server.cfg

    def wsgi(self):
        return host.app


class Heartbeat:
    """In place of the file by which gunicorn's workers show that they live."""

    def _refuse(self, *_):
        raise RuntimeError(
            "worker.tmp is no file here: evgateway's workers keep their heartbeat in memory that they share with the "
            "master, and there is nothing to call for it")

    notify = last_update = fileno = close = _refuse


class Listener:
    def __init__(self, text):
        self._text, self.cfg_addr = text, cfg.address(text)

    def getsockname(self):
        return self.cfg_addr

    def __str__(self):
        return self._text if "://" in self._text or self._text.startswith("unix:") else f"http://{self._text}"


class PIDFile:
    def __init__(self, path, pid):
        self.fname, self.pid = path, pid


class Server:
    """What gunicorn calls the arbiter."""

    master_name, master_pid, reexec_pid, systemd = "Master", 0, 0, False

    def __init__(self):
        self.pid = os.getppid() if told_worker() else os.getpid()
        self.app = App()
        self.cfg = cfg.Config()
        self.worker_age = 0
        self._number = None
        self._workers = {}  # by age

    @property
    def log(self):
        return state.logger or _log_of_server

    @property
    def num_workers(self):
        return self._number if self._number is not None else self.cfg.workers

    @property
    def address(self):
        return self.cfg.address

    @property
    def proc_name(self):
        return self.cfg.proc_name

    @property
    def timeout(self):
        return self.cfg.timeout

    @property
    def pidfile(self):
        return PIDFile(self.cfg.pidfile, self.pid) if self.cfg.pidfile else None

    @property
    def worker_class(self):
        return Worker

    @property
    def LISTENERS(self):
        return [Listener(text) for text in state.settings()[1]]

    @property
    def WORKERS(self):
        """The workers that live, by pid."""
        told = values.decode(_evgateway.tell("workers"))
        if told is None or told_worker():
            return {worker.pid: worker for worker in self._workers.values() if worker.pid != "[booting]"}
        return {pid: self.worker(index, age, pid) for index, age, pid in told}

    def worker(self, index, age, pid):
        worker = self._workers.get(age)
        if worker is None:
            worker = self._workers[age] = Worker(self, index, age)
            self.worker_age = max(self.worker_age, age)
        if pid:
            worker.pid = pid
        return worker


class Worker:
    aborted = False
    booting = 0     # a hook that gunicorn calls before its worker counts as booted is running
    asking = 0      # hooks of pre_request that are running: their requests do not count yet

    def __init__(self, master, index, age):
        self.index, self.age, self.ppid, self.pid = index, age, master.pid, "[booting]"
        self.cfg, self.app = master.cfg, master.app
        self.alive = True
        self.tmp = Heartbeat()

    def __str__(self):
        return f"<Worker {self.pid}>"

    @property
    def log(self):
        return server.log

    @property
    def wsgi(self):
        if host.app is None:
            raise AttributeError("the worker has not loaded its app yet")
        return host.app

    @property
    def booted(self):
        """False for another process than this."""
        return self.pid == os.getpid() and not self.booting and host.app is not None

    @property
    def nr(self):
        """How many requests it has begun to serve; 0 for another process than this."""
        told = told_worker()
        return max(0, told[3] - self.asking) if told and self.pid == os.getpid() else 0

    @property
    def sockets(self):
        return server.LISTENERS

    @property
    def address(self):
        return server.address

    @property
    def timeout(self):
        return self.cfg.timeout / 2

    @property
    def max_requests(self):
        return self.cfg.max_requests or sys.maxsize

    def notify(self):
        self.tmp.notify()


def told_worker():
    return values.decode(_evgateway.tell("worker"))


def this_worker():
    """The worker of this process."""
    index, age, *_ = told_worker()
    return server.worker(index, age, os.getpid())


def settings_changed():
    server.cfg = cfg.Config()
    errorlog.install()


# What gunicorn says of a hook that fails.
WORDS = {"post_fork": "Exception in worker process", "post_worker_init": "Exception in worker process",
         "worker_int": "Exception in worker process", "worker_abort": "Exception in worker process",
         "worker_exit": "Exception during worker exit"}


def call_hook(argument):
    """argument: the name; the worker as [index, age, pid]; the new and the old number of workers. Answers None, or
    {"reason"} of a failure, which is logged."""
    name, who, new, old = values.decode(argument)
    worker = server.worker(*who) if who else None
    if name == "nworkers_changed":
        server._number = new
    if name == "worker_int" and not worker.alive:
        return b"n"     # a signal and a command say the same
    if name in ("worker_int", "worker_exit", "child_exit"):
        worker.alive = False
    given = {"server": server, "worker": worker, "new_value": new, "old_value": old}
    if name in ("post_fork", "post_worker_init"):
        worker.booting += 1
    reason = call(name, *[given[parameter] for parameter in state.HOOKS[name].split(", ")])
    if name in ("post_fork", "post_worker_init"):
        worker.booting -= 1
    if name == "child_exit":
        server._workers.pop(worker.age, None)
    return values.encode(None if reason is None else {"reason": reason})


def call(name, *arguments):
    """Returns None, or in one line why the hook failed."""
    function = state.hook(name)
    if function is None:
        return None
    try:
        function(*arguments)
        return None
    except BaseException as error:
        server.log.exception(WORDS.get(name, f"Exception in {name} hook"))
        return f"the hook {name} failed: {host.locator.one_line(error)}"


def watch_abort(log):
    """Takes ABRT over from the fault handler, whose look at threads that run may end the process before the hook is
    called. The stacks and the hook come when the app lets the interpreter run. On the main thread that is only while
    the app runs there; else a thread does it. log is a descriptor."""
    global _log
    _log = log
    signal.signal(signal.SIGABRT, aborted)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threads = sys.modules["gevent.monkey"].get_original("_thread", "start_new_thread") \
        if "gevent.monkey" in sys.modules else _thread.start_new_thread
    threads(wait_for_abort, (reader, os.getpid()))


def wait_for_abort(reader, pid):
    while os.getpid() == pid:
        if signal.SIGABRT in os.read(reader, 64):
            select.poll().poll(200)     # the main thread is the better one, if it can
            aborted()


def aborted(*_):
    if not _ending.acquire(False):
        return
    faulthandler.dump_traceback(_log)
    worker = this_worker()
    worker.alive = False
    call("worker_abort", worker)
    host.flush()
    os.abort()      # by the signal's default action, which another thread could not restore


_log_of_server = errorlog.Log()
_ending = _thread.allocate_lock()
_log = 2
server = Server()
