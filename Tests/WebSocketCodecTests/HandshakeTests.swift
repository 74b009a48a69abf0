import HTTP1
import HTTPCore
import Testing
import WebSocketCodec

private let good = [
    "Host: a", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
]

private func handshake(_ fields: [String], line: String = "GET /chat HTTP/1.1") -> Handshake? {
    let text = ([line] + fields).joined(separator: "\r\n") + "\r\n\r\n"
    var parser = RequestParser(limits: HTTPLimits())
    guard case .head(let head, _) = Array(text.utf8).withUnsafeBytes({ parser.parse($0) }) else { return nil }
    return Handshake.read(head)
}

private func status(_ fields: [String], line: String = "GET /chat HTTP/1.1") -> Int? {
    guard case .refused(let refusal) = handshake(fields, line: line) else { return nil }
    return refusal.status
}

@Suite struct HandshakeTests {
    @Test func theExampleOfTheStandardIsAccepted() {
        #expect(handshake(good) == .asked(accept: Array("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".utf8), subprotocols: []))
    }

    @Test func namesOfTheUpgradeAreCaseInsensitiveAndInLists() {
        var fields = good
        fields[1] = "Upgrade: foo, WebSocket"
        fields[2] = "Connection: keep-alive, upgrade"
        #expect(handshake(fields) != Handshake.none)
        #expect(status(fields) == nil)
    }

    @Test func subprotocolsKeepTheirOrder() {
        let more = ["Sec-WebSocket-Protocol: chat, superchat", "Sec-WebSocket-Protocol: v2"]
        guard case .asked(_, let subprotocols) = handshake(good + more) else {
            Issue.record("refused")
            return
        }
        #expect(subprotocols == ["chat", "superchat", "v2"])
    }

    @Test func anOrdinaryRequestIsLeftAlone() {
        #expect(handshake(["Host: a"]) == Handshake.none)
        #expect(handshake(["Host: a", "Upgrade: h2c", "Connection: Upgrade"]) == Handshake.none)
    }

    @Test(arguments: [
        (0, "Host: a", 400, "POST /chat HTTP/1.1"), (1, "Upgrade: foo", 400, "GET / HTTP/1.1"),
        (2, "Connection: close", 400, "GET / HTTP/1.1"), (0, "Host: a", 400, "GET / HTTP/1.0"),
        (3, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=", 400, "GET / HTTP/1.1"),
        (3, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZB==", 400, "GET / HTTP/1.1"),
        (3, "Sec-WebSocket-Key:", 400, "GET / HTTP/1.1"), (3, "X: y", 400, "GET / HTTP/1.1"),
        (4, "Sec-WebSocket-Version: 8", 426, "GET / HTTP/1.1"), (4, "X: y", 426, "GET / HTTP/1.1"),
        (0, "Content-Length: 1\r\nHost: a", 400, "GET / HTTP/1.1"),
        (0, "Host: a\r\nSec-WebSocket-Protocol: a, a", 400, "GET / HTTP/1.1"),
        (0, "Host: a\r\nSec-WebSocket-Protocol: a b", 400, "GET / HTTP/1.1"),
    ])
    func whatIsWrongIsAnswered(_ index: Int, _ line: String, _ expected: Int, _ request: String) {
        var fields = good
        fields[index] = line
        #expect(status(fields, line: request) == expected)
    }

    @Test func twoKeysAreRefused() {
        #expect(status(good + [good[3]]) == 400)
    }
}
