"""Ways in which apps wait: database drivers and the standard library. Tests use each in two requests at once."""
import contextlib
import queue
import select
import socket
import subprocess
import sys
import threading

WAYS = {}
barrier = threading.Barrier(2)
condition, arrived = threading.Condition(), []
queues = [queue.Queue(), queue.Queue()]
CHILD = """
import socket
with socket.create_connection(("127.0.0.1", {port})) as peer:
    peer.sendall(b"ask\\n")
    print(peer.makefile().readline(), end="")
"""


def app(environ, start_response):
    way, port, number = environ["QUERY_STRING"].split("&")
    word = WAYS[way](int(port), int(number))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [word.encode()]


def way(function):
    WAYS[function.__name__] = function
    return function


def ask(port):
    peer = socket.create_connection(("127.0.0.1", port))
    peer.sendall(b"ask\n")
    return peer


@way
def psycopg2(port, number):
    """A driver in C that calls Python to wait, as psycogreen does."""
    import psycopg2
    from gevent.socket import wait_read, wait_write
    from psycopg2 import extensions

    def wait(connection):
        while (state := connection.poll()) != extensions.POLL_OK:
            {extensions.POLL_READ: wait_read, extensions.POLL_WRITE: wait_write}[state](connection.fileno())

    extensions.set_wait_callback(wait)
    connection = psycopg2.connect(
        host="127.0.0.1", port=port, user="u", dbname="d", sslmode="disable", gssencmode="disable")
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT word")
        return cursor.fetchone()[0]


@way
def redis(port, number):
    import redis
    with redis.Redis(port=port, protocol=2) as client:
        return client.get("key").decode()


@way
def requests(port, number):
    import requests
    return requests.get(f"http://127.0.0.1:{port}/").text


@way
def makefile(port, number):
    """Reads as the pure-Python drivers of MySQL and PostgreSQL do."""
    with ask(port) as peer, peer.makefile("rb") as answers:
        return answers.readline().decode().strip()


@way
def selected(port, number):
    with ask(port) as peer:
        assert select.select([peer], [], []) == ([peer], [], [])
        return peer.recv(100).decode().strip()


@way
def polled(port, number):
    with ask(port) as peer:
        poll = select.poll()
        poll.register(peer, select.POLLIN)
        assert poll.poll()[0][0] == peer.fileno()
        return peer.recv(100).decode().strip()


@way
def subprocess_run(port, number):
    child = [sys.executable, "-c", CHILD.format(port=port)]
    return subprocess.run(child, stdout=subprocess.PIPE, check=True).stdout.decode().strip()


@way
def threadpool(port, number):
    """A blocking call in gevent's thread pool, which gevent also uses to look up names."""
    import gevent
    from gevent import monkey
    assert socket.getaddrinfo("localhost", port, socket.AF_INET)[0][4] == ("127.0.0.1", port)
    plain = monkey.get_original("socket", "socket")

    def wait():
        with plain() as peer:
            peer.connect(("127.0.0.1", port))
            peer.sendall(b"ask\n")
            return peer.recv(100)

    return gevent.get_hub().threadpool.apply(wait).decode().strip()


@way
def barrier_wait(port, number):
    barrier.wait()
    return "met"


@way
def condition_wait(port, number):
    with condition:
        arrived.append(number)
        condition.notify_all()
        condition.wait_for(lambda: len(arrived) == 2)
    return "met"


@way
def queue_get(port, number):
    queues[1 - number].put("met")
    return queues[number].get()


@way
def thread_join(port, number):
    thread = threading.Thread(target=barrier.wait)
    thread.start()
    thread.join()
    return "met"
