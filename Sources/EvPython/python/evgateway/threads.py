"""Worker class threads: the pool's Python threads. What they do is in the extension module; here they begin.

Law: a thread serves until the process ends; none is waited for, because an app may hold it for ever.
"""
import threading

import _evgateway

from . import host

_notifier = None
_notifier_lock = threading.Lock()


def start(count):
    """Starts the threads that call the app."""
    for number in range(1, count + 1):
        _start(f"evgateway-{number}", _serve)


def start_notifier():
    """The thread of on_disconnect's callbacks, started for the first of them."""
    global _notifier
    if _notifier is None:
        with _notifier_lock:
            if _notifier is None:
                _notifier = _start("evgateway-disconnect", _notify)


def _start(name, target):
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _serve():
    while True:
        try:
            _evgateway.threads_serve()
        except BaseException as error:  # the pool stays at its size whatever happens
            host.report(None, None, "in a thread of the pool", error)


def _notify():
    while True:
        try:
            for callback in _evgateway.threads_left():
                _call(callback)
        except BaseException as error:
            host.report(None, None, "telling of a client that left", error)


def _call(callback):
    try:
        callback()
    except BaseException as error:
        host.report(None, None, "in a callback of on_disconnect", error)
