"""What a client of HTTP/2 may ask for, and what ends its connection: settings, time limits, floods."""

import h2.errors
import h2.settings
import pytest
from hyperframe.frame import (
    ContinuationFrame, DataFrame, HeadersFrame, PingFrame, PriorityFrame, RstStreamFrame, SettingsFrame,
    WindowUpdateFrame)

from support import procfs
from support.classes import CLASSES
from support.http2 import PREFACE, Client, Raw

FLAG = "--http2-cleartext"
CALM = h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
Codes = h2.settings.SettingCodes


def test_settings_are_told_and_kept(gateway):
    server = gateway(
        "contract:app", FLAG, "-k", "threads", "--threads", "4", "--http2-max-concurrent-streams", "2",
        "--http2-initial-window-size", "20000", "--http2-connection-window-size", "100000",
        "--http2-max-frame-size", "32768", "--http2-max-header-list-size", "2000")
    with Client(server) as client:
        client.read_until(lambda: client.h2.remote_settings.max_header_list_size)
        told = client.h2.remote_settings
        assert (told[Codes.MAX_CONCURRENT_STREAMS], told[Codes.INITIAL_WINDOW_SIZE], told[Codes.MAX_FRAME_SIZE],
                told[Codes.MAX_HEADER_LIST_SIZE]) == (2, 20000, 32768, 2000)
        client.read_until(lambda: client.h2.outbound_flow_control_window == 100_000)
        assert client.get("/", fields=[("x", "y" * 3000)]).status == 431
        assert client.get("/").status == 200
    with Raw(server) as raw:
        raw.send(*(raw.headers(stream, "/sleep?seconds=0.5") for stream in (1, 3, 5)))
        refused = raw.next(RstStreamFrame)
        assert (refused.stream_id, refused.error_code) == (5, h2.errors.ErrorCodes.REFUSED_STREAM)
    with Raw(server) as raw:
        raw.send(b"\0\x80\1\0\0\0\0\0\1")
        assert raw.goaway() == h2.errors.ErrorCodes.FRAME_SIZE_ERROR
    with Raw(server) as raw:
        # The settings are acknowledged, and the window is passed.
        raw.send(SettingsFrame(0, flags=["ACK"]), raw.headers(1, "/sleep?seconds=1", end=False, method="POST"))
        raw.send(DataFrame(1, b"x" * 20_001))
        assert raw.reset_code() == h2.errors.ErrorCodes.FLOW_CONTROL_ERROR


# Time


def test_what_does_not_come_in_time(gateway):
    server = gateway("contract:app", FLAG, "--header-timeout", "0.3", "--keep-alive", "0.5")
    with Raw(server, PREFACE) as raw:
        assert raw.goaway() == CALM
    with Raw(server) as raw:
        raw.send(HeadersFrame(1, data=raw.block()[:5]))
        assert raw.goaway() == CALM
    with Client(server) as client:
        client.get("/")
        client.read_to_end()
        assert client.goaways == [(0, 1)]


def test_answer_is_the_last_where_connections_are_not_kept(gateway):
    server = gateway("contract:app", FLAG, "--keep-alive", "0")
    with Client(server) as client:
        assert client.get("/").body == b"Hello, World!"
        client.read_to_end()
        assert client.goaways[-1] == (0, 1)


def test_body_that_does_not_come_is_given_up(gateway, worker_class):
    server = gateway("contract:app", FLAG, "-k", worker_class, "--body-timeout", "0.3")
    with Client(server) as client:
        stream = client.ask("/echo", method="POST", end=False)
        assert client.finish(stream).status == 408
        assert client.get("/").status == 200


def test_stream_that_nobody_reads_is_reset(gateway):
    server = gateway("contract:app", FLAG, "-k", "gevent", "--write-timeout", "0.4")
    with Client(server) as client:
        client.takes = False
        stream = client.ask("/bytes?count=10000000")
        assert client.finish(stream).reset == h2.errors.ErrorCodes.CANCEL
        client.h2.increment_flow_control_window(1_000_000)
        client.flush()
        assert client.get("/").status == 200


# The end of a worker


def test_stop_lets_streams_finish(gateway, tmp_path, called_by):
    server = gateway(*CLASSES[called_by], FLAG)
    with Client(server) as client, Client(server) as idle:
        idle.get("/me")
        if called_by == "inline":
            client.get("/me")
        else:
            held = client.ask(f"/hold?file={tmp_path}/go")
            server.log.wait_for("holding")
        server.signal(15)
        client.read_until(lambda: client.goaways)
        assert client.goaways[0] == (0, 0x7fffffff)
        if called_by != "inline":
            (tmp_path / "go").touch()
            assert client.finish(held).body == b"me None"
        client.read_to_end()
        idle.read_to_end()
        assert client.goaways[-1][0] == idle.goaways[-1][0] == 0 and client.goaways[-1][1] < 100
    assert server.wait() == 0


def test_reload_loses_no_stream(gateway):
    server = gateway("contract:app", FLAG, "-k", "threads", "-w", "2")
    answered = 0
    before = server.worker_pids()
    client = Client(server)
    server.signal(1)
    while answered < 400 or set(server.worker_pids()) & set(before):
        if client.goaways:
            # What a client does: it takes another connection, and asks there again for what was not taken.
            last = client.goaways[-1][1]
            assert all(client.finish(stream).status == 200 for stream in client.answers if stream <= last)
            client.socket.close()
            client = Client(server)
        streams = [client.ask("/") for _ in range(5)]
        while not client.ended and not all(client.answers[stream].ended for stream in streams):
            client.read()
        served = [stream for stream in streams if client.answers[stream].ended]
        last = client.goaways[-1][1] if client.goaways else 1 << 31
        assert all(stream in served for stream in streams if stream <= last)
        answered += len(served)
    client.socket.close()


def test_max_requests_counts_streams(gateway):
    server = gateway("contract:app", FLAG, "-k", "threads", "--max-requests", "10")
    pids = set()
    for _ in range(6):
        with Client(server) as client:
            while not client.goaways and len(client.answers) < 20:
                pids.add(client.get("/pid").body)
    assert len(pids) >= 3


# Floods


def rapid_resets(raw):
    for stream in range(1, 40_001, 2):
        yield raw.headers(stream, "/sleep?seconds=5") + RstStreamFrame(stream, 8).serialize()


def made_resets(raw):
    """The server is made to reset them: each opens its window too far."""
    for stream in range(1, 40_001, 2):
        yield raw.headers(stream, "/", end=False, method="POST") + WindowUpdateFrame(stream, 0x7fffffff).serialize()


def continuations(raw):
    yield HeadersFrame(1, data=raw.block()).serialize()
    for _ in range(100_000):
        yield ContinuationFrame(1, data=raw.encoder.encode([("x", "y" * 50)])).serialize()


def empty_continuations(raw):
    yield HeadersFrame(1, data=raw.block()).serialize()
    for _ in range(100_000):
        yield ContinuationFrame(1, data=b"").serialize()


def empty_data(raw):
    yield raw.headers(1, "/", end=False, method="POST")
    for _ in range(100_000):
        yield DataFrame(1, b"").serialize()


def small_windows(raw):
    """Each frame lets one byte go."""
    yield SettingsFrame(0, settings={4: 0}).serialize() + raw.headers(1, "/bytes?count=1000000")
    for _ in range(100_000):
        yield WindowUpdateFrame(1, 1).serialize()


def bombs(raw):
    """A field of 4 KB, of which each byte that follows makes another one."""
    raw.encoder.header_table_size = 4096
    for stream in range(1, 200, 2):
        yield raw.headers(stream, fields=[("x-bomb", "b" * 3900)])
        yield HeadersFrame(stream + 2000, data=raw.block() + b"\xbe" * 16_000, flags=["END_HEADERS"]).serialize()


def repeated(frame):
    def flood(raw):
        for _ in range(100_000):
            yield frame
    return flood


FLOODS = {
    "rapid resets": rapid_resets, "made resets": made_resets, "continuations": continuations,
    "empty continuations": empty_continuations, "empty data": empty_data, "small windows": small_windows,
    "pings": repeated(PingFrame(0, opaque_data=b"x" * 8).serialize()),
    "settings": repeated(SettingsFrame(0, settings={4: 1000}).serialize()),
    "priorities": repeated(PriorityFrame(1, depends_on=3).serialize()),
    "priority updates": repeated(b"\0\0\x07\x10\0\0\0\0\0\0\0\0\1u=1"),
    "unknown frames": repeated(b"\0\0\0\xee\0\0\0\0\0"), "windows": repeated(WindowUpdateFrame(0, 1).serialize()),
    "bombs": bombs,
}


@pytest.mark.parametrize("kind", FLOODS)
def test_flood_ends_its_connection(gateway, kind):
    server = gateway("contract:app", FLAG, "-k", "threads", "--threads", "2")
    (worker,) = server.worker_pids()
    server.get("/")
    memory, ticks = procfs.resident_bytes(worker), procfs.cpu_seconds(worker)
    with Raw(server) as raw:
        pieces = b""
        for piece in FLOODS[kind](raw):
            pieces += piece
            if len(pieces) > 8000:
                if not raw.send(pieces):
                    break
                pieces = b""
        raw.send(pieces)
        assert raw.goaway() == CALM
    assert server.get("/").status == 200
    assert procfs.resident_bytes(worker) - memory < 20 << 20
    assert procfs.cpu_seconds(worker) - ticks < 2.0


def test_client_that_does_not_read_is_read_no_further(gateway):
    """Its own requests fill the output, and no answer more is made for it."""
    server = gateway("contract:app", FLAG, "-k", "threads")
    (worker,) = server.worker_pids()
    with Raw(server) as raw:
        raw.socket.settimeout(1)
        raw.send(SettingsFrame(0, settings={4: 0x7fffffff}), WindowUpdateFrame(0, 0x7fff0000))
        memory = procfs.resident_bytes(worker)
        try:
            for stream in range(1, 20_000, 2):
                raw.socket.sendall(raw.headers(stream, "/stream?count=10&size=10000"))
        except TimeoutError:
            pass
        assert procfs.resident_bytes(worker) - memory < 40 << 20
    assert server.get("/").status == 200


def test_most_streams_with_held_windows_are_bounded(gateway):
    server = gateway("contract:app", FLAG, "-k", "threads")
    (worker,) = server.worker_pids()
    server.get("/")
    memory = procfs.resident_bytes(worker)
    with Raw(server, PREFACE + SettingsFrame(0, settings={4: 0}).serialize()) as raw:
        raw.send(*(raw.headers(stream, "/bytes?count=100000000") for stream in range(1, 200, 2)))
        raw.send(PingFrame(0, opaque_data=b"12345678"))
        raw.next(PingFrame)
        assert procfs.resident_bytes(worker) - memory < 60 << 20


def test_answers_that_nobody_takes_are_made_no_further(gateway):
    server = gateway("contract:app", FLAG, "-k", "gevent")
    (worker,) = server.worker_pids()
    server.get("/")
    memory = procfs.resident_bytes(worker)
    with Client(server) as client:
        client.takes = False
        streams = []
        for _ in range(30):
            streams.append(client.ask("/lengths?announced=2000000&given=2000000"))
            answer = client.answers[streams[-1]]
            client.read_until(lambda: answer.fields or answer.reset is not None)
        refused = [stream for stream in streams if client.answers[stream].reset is not None]
        assert {client.answers[stream].reset for stream in refused} == {h2.errors.ErrorCodes.REFUSED_STREAM}
        assert 20 < len(refused) < 30
        assert procfs.resident_bytes(worker) - memory < 40 << 20
        # Those that were made are whole, and then there is room again.
        client.takes = True
        client.h2.increment_flow_control_window(200_000_000)
        for stream in set(streams) - set(refused):
            client.h2.increment_flow_control_window(10_000_000, stream)
        client.flush()
        assert all(len(client.finish(stream).body) == 2_000_000 for stream in set(streams) - set(refused))
        assert client.get("/").status == 200


def test_urgent_answers_come_first(gateway):
    server = gateway("contract:app", FLAG, "-k", "gevent")
    with Client(server) as client:
        client.takes = False
        first = client.ask("/bytes?count=200000")
        client.read_until(lambda: len(client.answers[first].body) == 65_535)
        # The window of the connection is used up: what follows waits for it.
        late = client.ask("/bytes?count=60000", fields=[("priority", "u=6")])
        urgent = client.ask("/bytes?count=60000", fields=[("priority", "u=0")])
        turns = [client.ask("/bytes?count=60000", fields=[("priority", "u=1, i")]) for _ in range(2)]
        for stream in (late, urgent, *turns):
            client.read_until(lambda: client.answers[stream].fields)
        order = []
        note = client.note
        client.note = lambda event: (note(event), order.append(event.stream_id) if hasattr(event, "data") else None)
        client.h2.increment_flow_control_window(180_000)
        client.flush()
        client.read_until(lambda: sum(len(client.answers[stream].body) for stream in (urgent, *turns)) == 180_000)
        assert client.answers[late].body == b""
        assert set(order[:4]) == {urgent} and order.index(turns[1]) < len(order) - 1 - order[::-1].index(turns[0])
