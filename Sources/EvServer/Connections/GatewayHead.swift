// A request of a gateway protocol as the server knows requests: a head that the parser of HTTP/1.1 has read, and what
// the web server says of its client. Law: whoever may speak the protocol is believed in its variables; fields that the
// client has sent are believed by the same rules as over HTTP.

import EvLoop
import GatewayProtocols
import HTTP1
import HTTPCore

struct GatewayHead {
    let head: RequestHead
    /// The web server's client.
    let peer: PeerAddress
    /// Who it is has been told: without, it is nobody whose fields are believed.
    private let isKnown: Bool
    let isSecure: Bool
    private let serverPort: UInt16?
    private let prefixCount: Int

    enum Refusal: Error {
        case gateway(GatewayError)
        case http(HTTP1Error)

        var status: Int {
            switch self {
            case .gateway(let error): error.status
            case .http(let error): Int(error.statusHint)
            }
        }

        var detail: StaticString {
            switch self {
            case .gateway(let error): error.detail
            case .http(let error): error.detail
            }
        }
    }

    /// - Parameter hasOpenBody: bytes of a body have come whose length is not told.
    init(_ variables: GatewayVariables, parser: RequestParser, hasOpenBody: Bool) throws(Refusal) {
        let request: GatewayRequest
        do throws(GatewayError) {
            request = try GatewayRequest(variables, hasOpenBody: hasOpenBody)
        } catch {
            throw .gateway(error)
        }
        var parser = parser
        let outcome = request.head.withUnsafeBytes { parser.parse($0) }
        switch outcome {
        case .head(let head, let consumed) where consumed == request.head.count: self.head = head
        case .failure(let error): throw .http(error)
        case .head, .needMoreData: throw .gateway(.malformed)
        }
        isSecure = request.isSecure
        serverPort = request.serverPort
        prefixCount = request.prefixCount
        isKnown = request.isLocal || request.remoteAddress != nil
        guard let address = request.remoteAddress else {
            peer = PeerAddress()
            return
        }
        guard let peer = address.withUnsafeBytes({ PeerAddress(parsing: $0, port: request.remotePort) }) else {
            throw .gateway(.badAddress)
        }
        self.peer = peer
    }

    func isTrusted(by rules: ForwardingRules) -> Bool { isKnown && rules.trusts(peer) }

    /// What is known beyond the connection: fields of trusted proxies come before what the web server says itself.
    func facts(in reading: ForwardingRules.Reading) -> Forwarded {
        if case .refused = reading.forwarded { return reading.forwarded }
        let said = reading.forwarded.facts
        let head = reading.head
        let hasPrefix = said?.prefix == nil
        var prefix = said?.prefix
        if hasPrefix, prefixCount > 0 {
            prefix = ByteSlice(start: head.path.start, count: UInt32(min(prefixCount, Int(head.path.count))))
        }
        return .said(
            ForwardedFacts(
                isSecure: said?.isSecure ?? isSecure, node: said?.node,
                serverName: said?.serverName ?? Self.name(in: head), serverPort: said?.serverPort ?? serverPort,
                prefix: prefix, pathHasPrefix: hasPrefix ? prefixCount > 0 : said?.pathHasPrefix ?? false))
    }

    /// The authority without its port.
    private static func name(in head: RequestHead) -> ByteSlice? {
        let authority = head.authority
        guard !authority.isEmpty else { return nil }
        let count = head.withBytes(of: authority) { bytes in
            if bytes.first == UInt8(ascii: "[") {
                return bytes.firstIndex(of: UInt8(ascii: "]")).map { $0 + 1 } ?? bytes.count
            }
            return bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.count
        }
        return ByteSlice(start: authority.start, count: UInt32(count))
    }
}
