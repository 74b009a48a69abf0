// What each frame means, whole, byte by byte, and at every split.

import EvTestSupport
@testable import HTTP2
import Testing

struct FrameCase: Sendable, CustomStringConvertible {
    let name: String
    let bytes: [UInt8]
    /// Events, then what is sent.
    let want: String
    let sends: String

    init(_ name: String, _ bytes: [UInt8], _ want: String, _ sends: String = "") {
        (self.name, self.bytes, self.want, self.sends) = (name, bytes, want, sends)
    }

    var description: String { name }

    private static let get = "request 1 [GET / HTTP/1.1|host: a.example] end"
    private static let post = "request 1 [POST / HTTP/1.1|host: a.example]"
    private static let open = request(1, posting, Flag.whole)
    private static func data(_ text: String, _ flags: UInt8 = 0, _ stream: UInt32 = 1) -> [UInt8] {
        frame(FrameType.data, flags, stream, Array(text.utf8))
    }

    static let all: [FrameCase] = [
        // requests
        FrameCase("a request", request(1), get),
        FrameCase(
            "padding and a priority",
            frame(1, Flag.both | 8 | 32, 1, [3] + number(7) + [9] + block(usual) + [0, 0, 0]), get),
        FrameCase("a body", open + data("ab") + data("c", Flag.end), "\(post); body abc; end 1"),
        FrameCase("a padded body", open + frame(0, Flag.end | 8, 1, [2, 97, 98, 0, 0]), "\(post); body ab; end 1"),
        FrameCase("an empty end", open + data("", Flag.end), "\(post); end 1"),
        FrameCase("trailers", open + data("ab") + request(1, [("x", "1")]), "\(post); body ab; end 1"),
        FrameCase(
            "a field section in three frames",
            frame(1, Flag.end, 1, Array(block(usual)[..<9])) + frame(9, 0, 1, Array(block(usual)[9..<30]))
                + frame(9, 4, 1, Array(block(usual)[30...])), get),
        FrameCase("two streams", request(1) + request(5), "\(get); request 5 [GET / HTTP/1.1|host: a.example] end"),
        FrameCase("an unknown frame", frame(0xee, 7, 3, [1, 2]) + request(1), get),
        FrameCase("a ping", frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]), "", "ping ack"),
        FrameCase("settings", settings((4, 100_000)), "window", "settings ack"),
        FrameCase("a window", frame(8, 0, 0, number(5)), "window"),
        FrameCase("a reset", open + frame(3, 0, 1, number(8)), "\(post); reset 1 cancel"),
        FrameCase("a priority that comes first", frame(16, 0, 0, number(1) + Array("u=0".utf8)) + request(1), get),
        FrameCase("a priority that changes", open + frame(16, 0, 0, number(1) + [117]), "\(post); priority"),

        // stream errors
        FrameCase("capitals", request(1, usual + [("X", "1")]), "", "reset 1 1"),
        FrameCase("no path", request(1, [(":method", "GET"), (":scheme", "http")]), "", "reset 1 1"),
        FrameCase("a repeated method", request(1, usual + [(":method", "GET")]), "", "reset 1 1"),
        FrameCase(
            "trailers that are not the end", open + request(1, [("x", "1")], Flag.whole),
            "\(post); reset 1 protocolError", "reset 1 1"),
        FrameCase(
            "a pseudo-field in trailers", open + request(1, [(":path", "/")]), "\(post); reset 1 protocolError",
            "reset 1 1"),
        FrameCase("DATA behind the end", request(1) + data("x"), "\(get); reset 1 streamClosed", "reset 1 5"),
        FrameCase(
            "a window of nothing", open + frame(8, 0, 1, number(0)), "\(post); reset 1 protocolError", "reset 1 1"),
        FrameCase(
            "a window too large", open + frame(8, 0, 1, number(0x7fff_ffff)), "\(post); reset 1 flowControlError",
            "reset 1 3"),
        FrameCase("depends on itself", frame(1, Flag.both | 32, 1, number(1) + [9] + block(usual)), "", "reset 1 1"),

        // connection errors
        FrameCase("DATA of no stream", data("x"), "failure protocolError: DATA of no stream"),
        FrameCase("an even stream", request(2), "failure protocolError: HEADERS of no stream of a client"),
        FrameCase(
            "a lower stream", request(5) + request(3),
            "request 5 [GET / HTTP/1.1|host: a.example] end; failure streamClosed: HEADERS of a stream that is closed"),
        FrameCase(
            "another frame in a field section", frame(1, 0, 1, block(usual)) + noSettings,
            "failure protocolError: another frame within a field section"),
        FrameCase(
            "CONTINUATION alone", frame(9, 4, 1, block(usual)),
            "failure protocolError: CONTINUATION of no field section"),
        FrameCase(
            "broken HPACK", frame(1, Flag.both, 1, [0x80]),
            "failure compressionError: a field section that cannot be decoded"),
        FrameCase(
            "HPACK that ends early", frame(1, Flag.both, 1, Array(block(usual).dropLast(3))),
            "failure compressionError: a field section that cannot be decoded"),
        FrameCase(
            "a frame too large", [0, 64, 1, 0, 0, 0, 0, 0, 1], "failure frameSizeError: a frame that is too large"),
        FrameCase("a push", frame(5, 4, 1, number(2)), "failure protocolError: a client that pushes"),
        FrameCase(
            "too much padding", open + frame(0, 8, 1, [4, 1, 1]),
            "\(post); failure protocolError: more padding than payload"),
        FrameCase(
            "settings of a wrong length", frame(4, 0, 0, [1, 2, 3]),
            "failure frameSizeError: a SETTINGS frame of a wrong length"),
        FrameCase("settings on a stream", frame(4, 0, 1), "failure protocolError: SETTINGS on a stream"),
        FrameCase(
            "a window too large at first", settings((4, 0x8000_0000)),
            "failure flowControlError: an initial window that is too large"),
        FrameCase(
            "a frame size out of range", settings((5, 16_383)), "failure protocolError: a frame size out of range"),
        FrameCase("a ping of a wrong length", frame(6, 0, 0, [1]), "failure frameSizeError: a PING of a wrong length"),
        FrameCase("a reset of no stream", frame(3, 0, 1, number(8)), "failure protocolError: RST_STREAM of no stream"),
        FrameCase(
            "the window of the connection", frame(8, 0, 0, number(0x7fff_ffff)),
            "failure flowControlError: a window that is too large"),
    ]
}

@Suite struct SessionTests {
    private func check(_ example: FrameCase, _ pieces: [ArraySlice<UInt8>], _ how: String) {
        var reader = Reader()
        reader.read(preface + noSettings)
        _ = reader.sent()
        let memory = GuardedBytes(capacity: pieces.map(\.count).max() ?? 0)
        for piece in pieces { memory.holding(piece) { reader.read($0) } }
        #expect(reader.text == example.want, "\(how)")
        #expect(reader.sent() == example.sends, "\(how)")
    }

    @Test(arguments: FrameCase.all) func whole(_ example: FrameCase) { check(example, [example.bytes[...]], "whole") }

    @Test(arguments: FrameCase.all) func byByte(_ example: FrameCase) {
        check(example, example.bytes.indices.map { example.bytes[$0...$0] }, "byte by byte")
    }

    @Test(arguments: FrameCase.all) func everySplit(_ example: FrameCase) {
        for cut in example.bytes.indices.dropFirst() {
            check(example, [example.bytes[..<cut], example.bytes[cut...]], "at \(cut)")
        }
    }

    @Test func prefaceAndItsBeginning() {
        var reader = Reader()
        #expect(reader.session.isSilent && reader.session.isMidFrame)
        reader.read(Array(preface[..<10]))
        #expect(!reader.session.isSilent && reader.session.isMidFrame)
        reader.read(Array(preface[10...]))
        #expect(reader.session.isMidFrame)
        reader.read(noSettings)
        #expect(!reader.session.isMidFrame && reader.text.isEmpty && reader.sent() == "settings ack")
        var other = Reader()
        other.read(Array("PRI * HTTP/2.0\r\n\r\nGET".utf8))
        #expect(other.text == "failure protocolError: not the preface of HTTP/2")
        var early = Reader()
        early.read(preface + request(1))
        #expect(early.text == "failure protocolError: the first frame is not SETTINGS")
    }

    @Test func cookiesAreOneAndHostIsTheAuthority() {
        var reader = Reader()
        reader.read(preface + noSettings)
        reader.read(request(1, usual + [("cookie", "a=1"), ("x", "1"), ("cookie", "b=2"), ("host", "a.example")]))
        #expect(reader.text == "request 1 [GET / HTTP/1.1|host: a.example|x: 1|cookie: a=1; b=2] end")
        reader.read(request(3, usual + [("host", "b.example")]))
        #expect(reader.sent() == "settings ack; reset 3 1")
    }

    @Test func connectAsksForAProtocol() {
        let asking = [
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "a"),
            (":path", "/x"),
        ]
        var own = HTTP2Settings()
        own.allowsConnectProtocol = true
        var reader = Reader(own)
        reader.read(preface + noSettings + request(1, asking, Flag.whole))
        #expect(reader.text == "request 1 [OPTIONS /x HTTP/1.1|host: a]")
        var other = Reader()
        other.read(preface + noSettings + request(1, asking, Flag.whole))
        #expect(other.sent() == "settings ack; reset 1 1")
        reader.read(request(3, Array(asking.dropFirst()) + [(":method", "GET")], Flag.whole))
        reader.read(request(5, [(":method", "CONNECT"), (":authority", "a:1")], Flag.whole))
        #expect(reader.sent() == "settings ack; reset 3 1")
        #expect(reader.text.hasSuffix("request 5 [CONNECT a:1 HTTP/1.1|host: a:1]"))
    }

    @Test func streamsAreBounded() {
        var own = HTTP2Settings()
        own.maxConcurrentStreams = 2
        var reader = Reader(own)
        reader.read(preface + noSettings + request(1) + request(3) + request(5))
        #expect(reader.session.streamCount == 2 && reader.sent() == "settings ack; reset 5 7")
        reader.session.sentEnd(1)
        #expect(reader.session.streamCount == 1)
        reader.read(request(7))
        #expect(reader.session.streamCount == 2)
    }

    @Test func listsAreBounded() {
        var own = HTTP2Settings()
        own.maxHeaderListSize = 1000
        var reader = Reader(own)
        reader.read(preface + noSettings)
        reader.read(request(1, usual + [("x", String(repeating: "y", count: 900))]))
        #expect(reader.text == "too large 1")
        reader.read(request(3))
        #expect(reader.text.hasSuffix("request 3 [GET / HTTP/1.1|host: a.example] end"))
    }

    @Test func windowsOpenByWhatIsTaken() {
        var reader = Reader()
        reader.read(preface + noSettings + frame(4, 1) + request(1, posting, Flag.whole))
        for _ in 0..<3 { reader.read(frame(0, 0, 1, [UInt8](repeating: 120, count: 16_384))) }
        #expect(reader.sent() == "settings ack")
        reader.session.consumed(1, 20_000)
        #expect(reader.sent().isEmpty)
        reader.session.consumed(1, 20_000)
        #expect(reader.sent() == "window 1 40000")
        for _ in 0..<4 { reader.read(frame(0, 0, 1, [UInt8](repeating: 120, count: 16_384))) }
        #expect(reader.sent() == "reset 1 3")
    }

    @Test func answersGoAsFarAsWindowsAllow() {
        var reader = Reader()
        reader.read(preface + settings((4, 100)) + request(1) + request(3))
        #expect(reader.session.sendable(1) == 100)
        #expect(reader.session.sentData(1, count: 100, isCut: false, ends: false) == nil)
        #expect(reader.session.sendable(1) == 0 && reader.session.sendable(3) == 100)
        reader.read(settings((4, 50)))
        #expect(reader.session.sendable(1) == -50 && reader.session.sendable(3) == 50)
        reader.read(frame(8, 0, 1, number(60)))
        #expect(reader.session.sendable(1) == 10 && reader.text.hasSuffix("window"))
    }

    @Test func endIsAnnouncedAndSaid() {
        var reader = Reader()
        reader.read(preface + noSettings + request(1))
        reader.session.announceEnd()
        reader.session.ping()
        reader.read(request(3))
        #expect(reader.session.streamCount == 2)
        reader.session.goAway()
        #expect(reader.sent() == "settings ack; goaway 0 after 2147483647; ping; goaway 0 after 3")
        reader.read(request(5) + frame(6, 1, 0, Array("evgatewy".utf8)))
        #expect(reader.session.streamCount == 2 && reader.text.hasSuffix("acknowledged"))
    }

    @Test func whatWasOnItsWayIsIgnored() {
        var reader = Reader()
        reader.read(preface + noSettings + request(1, posting, Flag.whole))
        reader.session.reset(1, .none)
        _ = reader.sent()
        reader.read(frame(0, 0, 1, [1, 2, 3]) + request(1, [("x", "1")]) + frame(3, 0, 1, number(8)))
        #expect(reader.sent().isEmpty && !reader.text.contains("failure"))
    }

    @Test func budgetFillsWithTime() {
        var calm = Calm()
        calm.refill(at: 10)
        #expect(throws: HTTP2Error.self) { for _ in 0..<1001 { try calm.spend(1) } }
        calm.refill(at: 10.1)
        #expect(throws: Never.self) { for _ in 0..<15 { try calm.spend(1) } }
        #expect(throws: HTTP2Error.self) { for _ in 0..<10 { try calm.spend(1) } }
    }

    @Test func priorities() {
        func priority(_ text: String) -> String {
            let priority = Priority(Array(text.utf8))
            return "\(priority.urgency)\(priority.isIncremental ? "i" : "")"
        }
        #expect(priority("") == "3" && priority("u=0") == "0" && priority("u=7, i") == "7i")
        #expect(priority("i") == "3i" && priority("i=?0") == "3" && priority("i=?1,u=1") == "1i")
        #expect(
            priority("u=8") == "3" && priority("u=-1") == "3" && priority("u=1;x=2") == "1" && priority("U=1") == "3")
    }
}
