"""Clients of WebSocket from PyPI, made alike: `send` and `receive` of str and bytes, `send_fragments`, `ping`, `close`,
and `end`, the code and reason of the server's close."""

import contextlib
import socket

import aiohttp
import websocket
import websockets.asyncio.client
import websockets.sync.client
import wsproto
from wsproto.events import AcceptConnection, CloseConnection, Message, Ping, Pong, Request
from wsproto.extensions import PerMessageDeflate


class Websockets:
    def __init__(self, client):
        self.client, self.subprotocol = client, client.subprotocol

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, url, protocols, compressed):
        async with websockets.asyncio.client.connect(
                url, subprotocols=protocols, max_size=None, compression="deflate" if compressed else None) as client:
            yield cls(client)

    async def send(self, message):
        await self.client.send(message)

    send_fragments = send

    async def receive(self):
        return await self.client.recv()

    async def ping(self, data):
        await (await self.client.ping(data))

    async def close(self, code, reason):
        await self.client.close(code, reason)

    async def end(self):
        try:
            return await self.receive()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code, closed.rcvd.reason


class WebsocketsSync(Websockets):
    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, url, protocols, compressed):
        with websockets.sync.client.connect(
                url, subprotocols=protocols, max_size=None, compression="deflate" if compressed else None) as client:
            yield cls(client)

    async def send(self, message):
        self.client.send(message)

    send_fragments = send

    async def receive(self):
        return self.client.recv(30)

    async def ping(self, data):
        assert self.client.ping(data).wait(30)

    async def close(self, code, reason):
        self.client.close(code, reason)


class Aiohttp:
    send_fragments = None       # it has no way to do so

    def __init__(self, client):
        self.client, self.subprotocol = client, client.protocol

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, url, protocols, compressed):
        async with aiohttp.ClientSession() as session, session.ws_connect(
                url, protocols=protocols, max_msg_size=0, compress=15 if compressed else 0, autoping=False) as client:
            yield cls(client)

    async def send(self, message):
        await (self.client.send_str if isinstance(message, str) else self.client.send_bytes)(message)

    async def receive(self):
        return (await self.client.receive(30)).data

    async def ping(self, data):
        await self.client.ping(data)
        answer = await self.client.receive(30)
        assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, data)

    async def close(self, code, reason):
        await self.client.close(code=code, message=reason.encode())

    async def end(self):
        message = await self.client.receive(30)
        return message.data, message.extra


class WebsocketClient:
    def __init__(self, client):
        self.client, self.subprotocol = client, client.getsubprotocol()

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, url, protocols, compressed):
        assert not compressed
        client = websocket.create_connection(url, timeout=30, subprotocols=protocols)
        try:
            yield cls(client)
        finally:
            client.shutdown()

    async def send(self, message):
        (self.client.send if isinstance(message, str) else self.client.send_binary)(message)

    async def send_fragments(self, pieces):
        for number, piece in enumerate(pieces):
            opcode = 0 if number else websocket.ABNF.OPCODE_TEXT
            self.client.send_frame(websocket.ABNF.create_frame(piece.encode(), opcode, number + 1 == len(pieces)))

    async def receive(self):
        opcode, data = self.client.recv_data()
        return data.decode() if opcode == websocket.ABNF.OPCODE_TEXT else data

    async def ping(self, data):
        self.client.ping(data)
        assert self.client.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, data)

    async def close(self, code, reason):
        self.client.close(code, reason.encode())

    async def end(self):
        opcode, data = self.client.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        return int.from_bytes(data[:2], "big"), data[2:].decode()


class Wsproto:
    def __init__(self, socket, protocol):
        self.socket, self.protocol, self.coming = socket, protocol, protocol.events()

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, url, protocols, compressed):
        host, _, path = url.removeprefix("ws://").partition("/")
        protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        address, _, port = host.partition(":")
        with socket.create_connection((address, int(port)), 30) as connection:
            client = cls(connection, protocol)
            client._write(Request(host=host, target=f"/{path}", subprotocols=protocols,
                                  extensions=[PerMessageDeflate()] if compressed else []))
            client.subprotocol = client._next(AcceptConnection).subprotocol
            yield client

    def _write(self, event):
        self.socket.sendall(self.protocol.send(event))

    def _next(self, kind):
        while (event := next(self.coming, None)) is None:
            self.protocol.receive_data(self.socket.recv(65536) or None)
            self.coming = self.protocol.events()
        assert isinstance(event, kind), event
        return event

    async def send(self, message):
        self._write(Message(data=message))

    async def send_fragments(self, pieces):
        for number, piece in enumerate(pieces, 1):
            self._write(Message(data=piece, message_finished=number == len(pieces)))

    async def receive(self):
        whole = [self._next(Message)]
        while not whole[-1].message_finished:
            whole.append(self._next(Message))
        return type(whole[0].data)().join(event.data for event in whole)

    async def ping(self, data):
        self._write(Ping(payload=data))
        assert self._next(Pong).payload == data

    async def close(self, code, reason):
        self._write(CloseConnection(code=code, reason=reason))
        assert self._next(CloseConnection).code == code

    async def end(self):
        closed = self._next(CloseConnection)
        self._write(closed.response())
        return closed.code, closed.reason


CLIENTS = {"websockets": Websockets, "websockets-sync": WebsocketsSync, "aiohttp": Aiohttp,
           "websocket-client": WebsocketClient, "wsproto": Wsproto}
