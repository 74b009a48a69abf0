"""A client of HTTP/2 for tests: h2 speaks, and frames of any kind can be sent past it."""

import socket

import h2.config
import h2.connection
import h2.events
import hpack
from hyperframe.frame import Frame, GoAwayFrame, HeadersFrame, RstStreamFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\0\0\0\4\0\0\0\0\0"


class Answer:
    def __init__(self):
        self.interim, self.fields, self.body = [], [], b""
        self.ended, self.reset = False, None

    def __getitem__(self, name):
        return dict(self.fields).get(name)

    @property
    def status(self):
        return int(self[":status"])


class Client:
    """One connection. `ask` sends a request; `finish` reads until its answer is whole, or its stream reset."""

    def __init__(self, server, timeout=20):
        self.server = server
        if isinstance(server.address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(server.address)
        else:
            self.socket = socket.create_connection(server.address)
        self.socket.settimeout(timeout)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False,
            header_encoding="latin-1"))
        self.answers, self.events, self.goaways = {}, [], []
        self.takes = True
        self.rest = b""
        self.ended = False
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.socket.close()

    def flush(self):
        if data := self.h2.data_to_send():
            self.socket.sendall(data)

    def ask(self, path="/", method="GET", fields=(), body=None, end=True, scheme="http", authority="test.example"):
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path), *fields]
        self.h2.send_headers(stream, head, end_stream=end and body is None)
        self.answers[stream] = Answer()
        self.flush()
        if body is not None:
            self.send(stream, body, end)
        return stream

    def send(self, stream, body, end=True):
        while body:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            if room:
                self.h2.send_data(stream, body[:room])
                body = body[room:]
                self.flush()
            else:
                self.read()
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def reset(self, stream, code=8):
        self.h2.reset_stream(stream, code)
        self.flush()

    def read(self):
        """Reads once; returns what has come."""
        data = self.socket.recv(65536)
        if not data:
            self.ended = True
            return []
        self.rest += data
        found = []
        while len(self.rest) >= 9 and len(self.rest) >= (size := 9 + int.from_bytes(self.rest[:3], "big")):
            frame, self.rest = self.rest[:size], self.rest[size:]
            found += self.take(frame)
        self.events += found
        self.flush()
        return found

    def take(self, frame):
        """One frame at a time, because h2 takes a GOAWAY for the end, where answers may still come (RFC 9113, 6.8)."""
        found = self.h2.receive_data(frame)
        for event in found:
            self.note(event)
        if self.goaways and self.goaways[-1][0] == 0:
            self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        return found

    def note(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ResponseReceived):
            answer.fields = event.headers
        elif isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.takes and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset) and answer:
            answer.reset = event.error_code
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaways.append((event.error_code, event.last_stream_id))

    def read_until(self, condition):
        while not condition():
            self.read()
            assert not self.ended or condition(), f"the connection ended: {self.goaways}"

    def finish(self, stream):
        answer = self.answers[stream]
        self.read_until(lambda: answer.ended or answer.reset is not None)
        return answer

    def get(self, path="/", **more):
        return self.finish(self.ask(path, **more))

    def read_to_end(self):
        try:
            while not self.ended:
                self.read()
        except ConnectionResetError:
            self.ended = True


class Raw:
    """Sends bytes, and reads frames without judging them."""

    def __init__(self, server, opening=PREFACE + EMPTY_SETTINGS, timeout=20):
        self.socket = socket.create_connection(server.address)
        self.socket.settimeout(timeout)
        self.rest, self.encoder = b"", hpack.Encoder()
        self.is_over = False
        self.send(opening)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.socket.close()

    def send(self, *pieces):
        """False when the server has closed."""
        try:
            for piece in pieces:
                self.socket.sendall(piece if isinstance(piece, bytes) else piece.serialize())
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def block(self, path="/", method="GET", fields=()):
        return self.encoder.encode(
            [(":method", method), (":scheme", "http"), (":authority", "test.example"), (":path", path), *fields])

    def headers(self, stream, path="/", end=True, **more):
        frame = HeadersFrame(stream, data=self.block(path, **more), flags=["END_HEADERS"] + ["END_STREAM"] * end)
        return frame.serialize()

    def frames(self):
        """The frames until the connection ends."""
        while not self.is_over:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            self.is_over = not data
            self.rest += data
            while len(self.rest) >= 9:
                frame, length = Frame.parse_frame_header(memoryview(self.rest[:9]))
                if len(self.rest) < 9 + length:
                    break
                frame.parse_body(memoryview(self.rest[9:9 + length]))
                self.rest = self.rest[9 + length:]
                yield frame

    def next(self, kind):
        return next(frame for frame in self.frames() if isinstance(frame, kind))

    def goaway(self):
        """Reads to the end; returns the code of the last GOAWAY."""
        codes = [frame.error_code for frame in self.frames() if isinstance(frame, GoAwayFrame)]
        assert codes, "closed without GOAWAY"
        return codes[-1]

    def reset_code(self):
        return self.next(RstStreamFrame).error_code
