"""A worker has one thread. No request moves to another thread when it waits, is woken or is cancelled."""

import json
import os

from support import wait


def threads(server):
    (worker,) = server.worker_pids()
    return len(os.listdir(f"/proc/{worker}/task"))


def test_held_requests_are_woken_on_the_loop(gateway, example):
    server = gateway(example("longpoll-chat"))
    held = [server.connect().request("GET", "/messages?since=0") for _ in range(20)]
    wait.until(lambda: server.get("/waiting").body == b"20", "twenty wait")
    with server.connect() as poster:
        assert poster.request("POST", "/messages", body=b"hello").read().status == 201
    for client in held:
        assert client.read().status == 200
        client.close()
    assert server.get("/messages?since=1&wait=0.2").status == 204
    assert threads(server) == 1


def test_cancelled_requests_end_on_the_loop(gateway, example):
    server = gateway(example("longpoll-chat"))
    held = [server.connect().request("GET", "/messages?since=0") for _ in range(20)]
    wait.until(lambda: server.get("/waiting").body == b"20", "twenty wait")
    for client in held:
        client.reset()
    wait.until(lambda: server.get("/waiting").body == b"0", "all are cancelled")
    assert threads(server) == 1


def test_streams_sleep_on_the_loop(gateway, example):
    server = gateway(example("server-sent-events"))
    with server.connect() as client:
        client.request("GET", "/events?interval=0.01")
        client.read_head()
        for _ in range(10):
            assert client.read_chunk()
    assert threads(server) == 1


def test_bodies_in_pieces_are_awaited_on_the_loop(contract):
    with contract.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n")
        assert client.read_head().status == 100
        client.send(b"abc")
        assert contract.get("/").status == 200
        client.send(b"def")
        assert json.loads(client.read().body)["body"] == "abcdef"
    with contract.connect() as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 6\r\n\r\nabc")
        assert contract.get("/").status == 200
        client.reset()
    assert contract.get("/").status == 200
    assert threads(contract) == 1


def test_slow_readers_are_awaited_on_the_loop(contract):
    with contract.connect(receive_buffer=4096) as client:
        client.request("GET", "/bytes?count=3000000")
        assert len(client.read().body) == 3_000_000
    assert threads(contract) == 1
