// The opening handshake (RFC 6455 section 4.2): whether a request asks for a WebSocket, and what is answered.
public import HTTPCore

@usableFromInline package enum Handshake: Equatable, Sendable {
    /// An ordinary request.
    case none
    /// May be accepted: the value of Sec-WebSocket-Accept, and the subprotocols of the client, those it prefers first.
    case asked(accept: [UInt8], subprotocols: [String])
    /// To be answered with an error.
    case refused(Refusal)

    @usableFromInline package struct Refusal: Equatable, Sendable {
        /// 400, or 426 with `Sec-WebSocket-Version: 13` (section 4.4).
        package let status: Int
        package let reason: String
    }

    @inlinable package static func read(_ head: RequestHead) -> Handshake {
        // Most requests end here.
        head.upgrade || head.mayHave(keyName) ? readFields(head) : .none
    }

    @usableFromInline package static func readFields(_ head: RequestHead) -> Handshake {
        let asks = names("websocket", in: "Upgrade", of: head)
        guard asks || head.firstValue(of: "Sec-WebSocket-Key") != nil else { return .none }
        func refused(_ reason: String, status: Int = 400) -> Handshake {
            .refused(Refusal(status: status, reason: reason))
        }
        guard asks else { return refused("a WebSocket without Upgrade: websocket") }
        guard head.upgrade else { return refused("a WebSocket without Connection: Upgrade, or not of HTTP/1.1") }
        guard head.matches(head.method, "GET") else { return refused("a WebSocket is asked for by GET") }
        guard head.framing.isEmpty else { return refused("a WebSocket is asked for without a body") }
        let versions = head.values(of: "Sec-WebSocket-Version")
        guard versions.count == 1, head.string(versions[0]) == "13" else {
            return refused("only version 13 of WebSocket is spoken", status: 426)
        }
        let keys = head.values(of: "Sec-WebSocket-Key")
        guard keys.count == 1, head.withBytes(of: keys[0], Base64.isSixteenBytes) else {
            return refused("Sec-WebSocket-Key is not one value of 16 bytes in Base64")
        }
        guard let subprotocols = tokens(of: "Sec-WebSocket-Protocol", in: head) else {
            return refused("Sec-WebSocket-Protocol is not a list of different tokens")
        }
        return .asked(accept: head.withBytes(of: keys[0], acceptValue), subprotocols: subprotocols)
    }

    /// What a CONNECT for a WebSocket asks, where the stream is the connection (RFC 8441 section 5).
    package static func readConnect(_ head: RequestHead) -> Handshake {
        let versions = head.values(of: "Sec-WebSocket-Version")
        guard versions.count == 1, head.string(versions[0]) == "13" else {
            return .refused(Refusal(status: 400, reason: "only version 13 of WebSocket is spoken"))
        }
        guard let subprotocols = tokens(of: "Sec-WebSocket-Protocol", in: head) else {
            return .refused(
                Refusal(status: 400, reason: "Sec-WebSocket-Protocol is not a list of different tokens"))
        }
        return .asked(accept: [], subprotocols: subprotocols)
    }

    @usableFromInline package static let keyName = FieldNameFilter([Array("sec-websocket-key".utf8)])

    /// Section 4.2.2, step 5.4.
    static func acceptValue(_ key: UnsafeRawBufferPointer) -> [UInt8] {
        Base64.encode(SHA1.hash(Array(key) + Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)))
    }

    private static func names(_ word: String, in field: StaticString, of head: RequestHead) -> Bool {
        head.values(of: field).contains { value in
            head.string(value).split(separator: ",").contains { trimmed($0).lowercased() == word }
        }
    }

    /// The members of all lines of a field; nil when one is no token or comes twice.
    private static func tokens(of field: StaticString, in head: RequestHead) -> [String]? {
        var found: [String] = []
        for value in head.values(of: field) {
            for member in head.string(value).split(separator: ",", omittingEmptySubsequences: true) {
                let token = trimmed(member)
                if token.isEmpty { continue }
                guard Array(token.utf8).withUnsafeBytes(FieldSyntax.isToken), !found.contains(token) else { return nil }
                found.append(token)
            }
        }
        return found
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
