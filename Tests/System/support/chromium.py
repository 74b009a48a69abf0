"""A headless Chromium, driven over its DevTools protocol; and a gate in front of a server, which can be closed.

Law: only loopback is used, and tests wait for conditions in the page.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from urllib.request import Request, urlopen

import websocket

from . import wait
from .gateway import Log

FLAGS = [
    "--headless=new", "--remote-debugging-port=0", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


class Browser:
    """A process with a profile of its own in `directory`. `with Browser(directory) as browser: browser.open(url)`."""

    def __init__(self, directory):
        binary = shutil.which("chromium")
        assert binary, "chromium is not installed: scripts/setup tests"
        flags = [*FLAGS, f"--user-data-dir={directory}"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # otherwise it does not start as root
        self.process = subprocess.Popen(
            [binary, *flags, "about:blank"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env={**os.environ, "HOME": str(directory)}, start_new_session=True)
        self.log, self.pages = Log(self.process.stderr), []

    def __enter__(self):
        try:
            self.address = re.match(r"ws://([^/]+)/", self.log.wait_for(r"DevTools listening on (ws://\S+)")[1])[1]
        except AssertionError:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        for page in self.pages:
            page.socket.close()
        self._end()

    def _end(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.log.thread.join(20)

    def open(self, url):
        target = json.load(urlopen(Request(f"http://{self.address}/json/new?{url}", method="PUT"), timeout=30))
        page = Page(target["webSocketDebuggerUrl"])
        self.pages.append(page)
        return page


class PageError(Exception):
    """The exception that JavaScript threw, or why it could not run."""


class Page:
    def __init__(self, url):
        self.socket = websocket.create_connection(url, timeout=60, suppress_origin=True)
        self.number = 0

    def command(self, method, **parameters):
        """Sends one command of the protocol and returns its result. Events are ignored."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.number:
            pass
        if "error" in answer:
            raise PageError(f"{method}: {answer['error']}")
        return answer["result"]

    def value(self, expression):
        """Returns the value of a JavaScript expression in the page, as JSON values."""
        result = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise PageError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression, expected=True):
        """Waits until the expression has this value. It may throw meanwhile, because the page may still be loading."""
        def seen():
            try:
                return self.value(expression)
            except PageError as error:
                return error
        wait.until(lambda: seen() == expected, lambda: f"{expression} is {expected!r}, not {seen()!r}", timeout=60)

    def type(self, selector, text):
        """Types a text into a field, as a person does, and replaces what is in it."""
        self.value(f"document.querySelector({selector!r}).focus(), document.querySelector({selector!r}).select()")
        self.command("Input.insertText", text=text)

    def press_enter(self):
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                         windowsVirtualKeyCode=13)


class Gate:
    """A TCP port on loopback that forwards to a unix socket. When it is closed, all connections end, also new ones."""

    def __init__(self, address):
        self.address, self.is_open, self.lock, self.pairs = address, True, threading.Lock(), set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shut()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.listener.close()

    def shut(self):
        with self.lock:
            self.is_open = False
            for pair in self.pairs:
                for end in pair:
                    with contextlib.suppress(OSError):  # the browser, or the server, was first
                        end.shutdown(socket.SHUT_RDWR)

    def open(self):
        with self.lock:
            self.is_open = True

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if not self.is_open:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self.address)
                pair = (client, server)
                self.pairs.add(pair)
            threading.Thread(target=self._carry, args=(pair,), daemon=True).start()

    def _carry(self, pair):
        back = threading.Thread(target=_pump, args=pair[::-1], daemon=True)
        back.start()
        _pump(*pair)
        back.join()
        with self.lock:
            self.pairs.discard(pair)
            for end in pair:
                end.close()


def _pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
