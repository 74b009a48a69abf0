import CHTTP
import HTTP1
import HTTPCore
import Testing

@Suite struct ResponseEncoderTests {
    // MARK: framing

    @Test func knownLengthIsAnnounced() {
        let wire = respond { $0.body("hello") }
        #expect(wire.text == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: D\r\nServer: S\r\n\r\nhello")
        #expect(wire.ended && !wire.mustClose && !wire.overran)
    }

    @Test func linesOfTheServerStandBehindTheOthers() {
        let wire = respond(server: nil, more: "X: \(String(repeating: "m", count: 500))\r\n") { $0.body("hello") }
        #expect(wire.text.hasSuffix("\r\nDate: D\r\nX: \(String(repeating: "m", count: 500))\r\n\r\nhello"))
    }

    @Test func unknownLengthIsChunkedForHTTP11() {
        let wire = respond(length: nil) {
            $0.body("hello")
            $0.body("")
            $0.body(String(repeating: "x", count: 26))
        }
        #expect(wire.head.contains("Transfer-Encoding: chunked\r\n"))
        #expect(wire.body == "5\r\nhello\r\n1a\r\n\(String(repeating: "x", count: 26))\r\n0\r\n\r\n")
        #expect(wire.ended && !wire.mustClose)
    }

    @Test func unknownLengthEndsWithTheConnectionForHTTP10() {
        let wire = respond(version: .http10, length: nil) { $0.body("hello") }
        #expect(wire.text == "HTTP/1.1 200 OK\r\nConnection: close\r\nDate: D\r\nServer: S\r\n\r\nhello")
        #expect(wire.ended && wire.mustClose)
    }

    @Test func headHasTheLengthButNoBody() {
        let wire = respond(head: true) { $0.body("hello") }
        #expect(wire.head.contains("Content-Length: 5\r\n"))
        #expect(wire.body == "")
        #expect(wire.ended && !wire.mustClose && !wire.overran)
    }

    @Test func headKeepsTheAppsLength() {
        let wire = respond(head: true, fields: [("Content-Length", "77")], length: 0) { _ in }
        #expect(wire.head.contains("Content-Length: 77\r\n"))
        #expect(wire.ended && !wire.mustClose)
    }

    @Test func headWithoutKnowledgeOfABodySaysNoLength() {
        for length in [UInt64?.none, 0] {
            let wire = respond(head: true, length: length) { _ in }
            #expect(wire.text == "HTTP/1.1 200 OK\r\nDate: D\r\nServer: S\r\n\r\n")
            #expect(!wire.mustClose)
        }
    }

    @Test func headOfHTTP10StaysOpenWithoutALength() {
        let wire = respond(head: true, version: .http10, length: nil) { $0.body("hello") }
        #expect(wire.text == "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nDate: D\r\nServer: S\r\n\r\n")
        #expect(!wire.mustClose)
    }

    @Test(arguments: [100, 101, 103, 204])
    func noLengthWhereNoContentCanBe(_ status: Int) {
        let wire = respond(status: status, fields: [("Content-Length", "5")]) { $0.body("hello") }
        #expect(!wire.head.contains("Content-Length"))
        #expect(!wire.head.contains("Transfer-Encoding"))
        #expect(wire.body == "")
        #expect(wire.ended && !wire.mustClose)
    }

    @Test func notModifiedKeepsTheLengthButNoBody() {
        let wire = respond(status: 304, fields: [("Content-Length", "5")]) { $0.body("hello") }
        #expect(wire.head.contains("Content-Length: 5\r\n"))
        #expect(wire.body == "")
        let bare = respond(status: 304, length: nil) { _ in }
        #expect(bare.text == "HTTP/1.1 304 Not Modified\r\nDate: D\r\nServer: S\r\n\r\n")
    }

    @Test func resetContentIsEmpty() {
        let wire = respond(status: 205, length: nil) { $0.body("hello") }
        #expect(wire.head.contains("Content-Length: 0\r\n"))
        #expect(wire.body == "" && wire.ended && wire.overran)
    }

    // MARK: bodies that differ from their length

    @Test func longBodyIsCutAtTheAnnouncedLength() {
        let wire = respond(fields: [("Content-Length", "5")], length: nil) {
            $0.body("hel")
            $0.body("lo, HTTP/1.1 200 OK\r\n\r\n")
            $0.body("more")
        }
        #expect(wire.body == "hello")
        #expect(wire.overran && wire.ended && !wire.mustClose)
    }

    @Test func shortBodyClosesTheConnection() {
        let wire = respond(fields: [("Content-Length", "5")], length: 3) { $0.body("hel") }
        #expect(wire.head.contains("Content-Length: 5\r\n"))
        #expect(!wire.ended && wire.mustClose)
    }

    @Test func lengthGivenTwiceMustAgree() {
        let wire = respond(fields: [("Content-Length", "5"), ("content-length", "5")], length: nil) { $0.body("hello") }
        #expect(wire.text.components(of: "Content-Length") == 1)
        #expect(failure([("Content-Length", "5"), ("Content-Length", "6")]) == EVG_HEAD_BAD_LENGTH)
    }

    @Test(arguments: ["", "+5", "5,5", "0x5", " 5", "-1", "9223372036854775808", "five"])
    func lengthIsDigits(_ value: String) {
        #expect(failure([("Content-Length", value)]) == EVG_HEAD_BAD_LENGTH)
    }

    @Test func prefixAndSuffixFrameBytesSentElsewhere() {
        let chunked = respond(length: nil) { run in
            run.encoder.prefix(count: 4096, into: run.output)
            run.encoder.suffix(into: run.output)
        }
        #expect(chunked.body == "1000\r\n\r\n0\r\n\r\n")
        let plain = respond(length: 10) { run in
            let first = run.length.take(4096)
            let more = run.length.take(1)
            #expect(first == 10 && more == 0)
            run.encoder.prefix(count: 10, into: run.output)
            run.encoder.suffix(into: run.output)
        }
        #expect(plain.body == "" && plain.overran && plain.ended)
        let none = respond(head: true) { run in
            let due = run.length.take(5)
            #expect(due == 0)
        }
        #expect(none.body == "")
    }

    @Test func nothingFollowsTheEnd() {
        let wire = respond(length: nil) { run in
            run.body("a")
            run.length.end()
            run.body("b")
        }
        #expect(wire.body == "1\r\na\r\n0\r\n\r\n")
    }

    // MARK: connection

    @Test func connectionFieldFollowsWhatHappens() {
        let rows: [(HTTPVersion, keep: Bool, app: String?, want: String?, closes: Bool)] = [
            (.http11, true, nil, nil, false), (.http11, false, nil, "close", true),
            (.http11, true, "close", "close", true), (.http11, true, "Close", "close", true),
            (.http11, true, "keep-alive", nil, false), (.http11, false, "keep-alive", "close", true),
            (.http10, true, nil, "keep-alive", false), (.http10, false, nil, "close", true),
            (.http10, true, "close", "close", true), (.http10, true, "keep-alive, close", "close", true),
        ]
        for row in rows {
            let fields = row.app.map { [("Connection", $0)] } ?? []
            let wire = respond(version: row.0, keepAlive: row.keep, fields: fields) { $0.body("hello") }
            #expect(wire.text.components(of: "Connection") == (row.want == nil ? 0 : 1), "\(row)")
            if let want = row.want { #expect(wire.head.contains("\r\nConnection: \(want)\r\n"), "\(row)") }
            #expect(wire.mustClose == row.closes, "\(row)")
        }
    }

    @Test(arguments: [
        "Transfer-Encoding", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade", "transfer-encoding",
    ])
    func hopByHopFieldsAreRefused(_ name: String) {
        #expect(failure([(name, "chunked")]) == EVG_HEAD_HOP_BY_HOP)
    }

    @Test func connectionOptionsOtherThanOursAreRefused() {
        #expect(failure([("Connection", "X-Foo")]) == EVG_HEAD_HOP_BY_HOP)
        #expect(failure([("Connection", "close, X-Foo")]) == EVG_HEAD_HOP_BY_HOP)
        #expect(failure([("Connection", "upgrade")]) == EVG_HEAD_HOP_BY_HOP)
    }

    @Test func upgradeGoesWithItsStatuses() {
        let fields = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
        let switching = respond(status: 101, fields: fields, length: nil) { _ in }
        #expect(switching.head.contains("Connection: upgrade\r\n") && switching.head.contains("Upgrade: websocket\r\n"))
        let required = respond(keepAlive: false, status: 426, fields: fields) { $0.body("hello") }
        #expect(required.head.contains("Connection: upgrade, close\r\n"))
    }

    // MARK: refused heads

    @Test(arguments: [-1, 0, 99, 1000, Int.max])
    func statusHasThreeDigits(_ status: Int) {
        #expect(failure(status: status) == EVG_HEAD_BAD_STATUS)
    }

    @Test func reasonIsText() {
        for bad in ["a\rb", "a\nb", "a\0b", "a\u{7f}b", "\u{1b}[2J", "OK\r\nX: y"] {
            #expect(failure(reason: bad) == EVG_HEAD_BAD_REASON, "\(bad.debugDescription)")
        }
        #expect(failure(reason: "Très\tbien") == nil)
        #expect(respond(status: 299, length: 0) { _ in }.text.hasPrefix("HTTP/1.1 299 \r\n"))
        #expect(respond(reason: "Fine", length: 0) { _ in }.text.hasPrefix("HTTP/1.1 200 Fine\r\n"))
    }

    @Test(arguments: ["", "a b", "a:", "a\r\nb", "a\n", "é", "a\0", "(a)", " a", "a "])
    func fieldNameIsAToken(_ name: String) {
        #expect(failure([(name, "v")]) == EVG_HEAD_BAD_NAME)
    }

    @Test(arguments: ["a\rb", "a\nb", "a\r\n b", "\0", "a\u{7f}", "\u{b}", "a\r\n\r\nHTTP/1.1 200 OK", "aaaaaaaa\n"])
    func fieldValueIsText(_ value: String) {
        #expect(failure([("X-A", value)]) == EVG_HEAD_BAD_VALUE)
        #expect(failure([("Content-Length", value)]) == EVG_HEAD_BAD_VALUE)
    }

    // MARK: Date and Server

    @Test func dateAndServerYieldToTheApps() {
        let wire = respond(fields: [("date", "then"), ("SERVER", "mine")]) { $0.body("hello") }
        #expect(wire.text.lowercased().components(of: "date: ") == 1 && wire.head.contains("date: then\r\n"))
        #expect(wire.text.lowercased().components(of: "server: ") == 1 && wire.head.contains("SERVER: mine\r\n"))
    }

    @Test func serverCanBeLeftOut() {
        #expect(!respond(server: nil) { $0.body("hello") }.text.contains("Server"))
    }

    @Test func fieldsKeepOrderAndSpelling() {
        let wire = respond(fields: [("X-b", "1"), ("Set-Cookie", "a"), ("Set-Cookie", "b")]) { $0.body("hello") }
        #expect(wire.head.contains("X-b: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"))
    }

    @Test func interimResponseIsComplete() {
        #expect("\(ResponseEncoder.continueResponse)" == "HTTP/1.1 100 Continue\r\n\r\n")
    }
}

// MARK: - A response as text

private struct Run: ~Copyable {
    var encoder = ResponseEncoder()
    var length = ResponseLength.nothing
    let output = ByteWriter()

    /// What an exchange and its carrier do with bytes of a body.
    mutating func body(_ text: String) {
        let count = length.take(text.utf8.count)
        guard count > 0 else { return }
        encoder.prefix(count: count, into: output)
        Array(text.utf8.prefix(count)).withUnsafeBytes { output.append($0) }
        encoder.suffix(into: output)
    }

    mutating func end() {
        length.end()
        if !length.isShort { encoder.end(UnsafeRawBufferPointer(start: nil, count: 0), into: output) }
    }
}

private func head(
    _ status: Int, _ reason: String?, _ fields: [(String, String)]
) throws(ResponseHeadError) -> ResponseHead {
    var head = ResponseHead()
    if let reason {
        try Array(reason.utf8).withBytes { bytes throws(ResponseHeadError) in
            try head.begin(status: status, reason: bytes)
        }
    } else {
        try head.begin(status: status)
    }
    for (name, value) in fields {
        try Array(name.utf8).withBytes { name throws(ResponseHeadError) in
            try Array(value.utf8).withBytes { value throws(ResponseHeadError) in
                try head.append(name: name, value: value)
            }
        }
    }
    return head
}

private struct Wire {
    let text: String
    let ended, mustClose, overran: Bool
    private var split: Int { text.components(separatedOnceBy: "\r\n\r\n") }
    var head: String { String(text.prefix(split)) }
    var body: String { String(text.dropFirst(split)) }

    init(text: String, ended: Bool, mustClose: Bool, overran: Bool) {
        self.text = text
        self.ended = ended
        self.mustClose = mustClose
        self.overran = overran
    }
}

private func respond(
    head: Bool = false, version: HTTPVersion = .http11, keepAlive: Bool = true, status: Int = 200,
    reason: String? = nil, fields: [(String, String)] = [], length: UInt64? = 5, server: String? = "S",
    more: String = "",
    _ body: (inout Run) -> Void
) -> Wire {
    var run = Run()
    let date: StaticString = "Date: D\r\n"
    let serverLine = Array((server.map { "Server: \($0)\r\n" } ?? "").utf8)
    let more = Array(more.utf8)
    do throws(ResponseHeadError) {
        let built = try HTTP1Tests.head(status, reason, fields)
        let (due, announced) = ResponseLength.of(built, given: length, requestIsHead: head)
        run.length = due
        serverLine.withUnsafeBytes { server in
            more.withUnsafeBytes { more in
                _ = run.encoder.head(
                    built, length: due, announced: announced, version: version, keepAlive: keepAlive,
                    serverLines: ServerLines(date: date.bytes, server: server, more: more), into: run.output)
            }
        }
    } catch {
        Issue.record("\(error)")
    }
    body(&run)
    run.end()
    let text = run.output.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    return Wire(
        text: text, ended: !run.length.isShort, mustClose: run.encoder.mustClose || run.length.isShort,
        overran: run.length.overran)
}

private func failure(
    _ fields: [(String, String)] = [], status: Int = 200, reason: String? = nil
) -> evg_head_refusal? {
    do throws(ResponseHeadError) {
        _ = try head(status, reason, fields)
        return nil
    } catch {
        #expect(!error.description.isEmpty)
        return error.refusal
    }
}

extension Array where Element == UInt8 {
    fileprivate func withBytes<Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        try withUnsafeBufferPointer { buffer throws(Failure) in try body(UnsafeRawBufferPointer(buffer)) }
    }
}

extension String {
    /// The number of times that `part` occurs.
    fileprivate func components(of part: String) -> Int {
        let bytes = Array(utf8)
        return bytes.indices.count { bytes[$0...].starts(with: part.utf8) }
    }

    /// The characters up to and including the first `separator`.
    fileprivate func components(separatedOnceBy separator: String) -> Int {
        let characters = Array(self)
        let wanted = Array(separator)
        let start = characters.indices.first { characters[$0...].starts(with: wanted) }
        return start.map { $0 + wanted.count } ?? characters.count
    }
}
