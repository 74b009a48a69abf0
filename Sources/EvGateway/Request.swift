// The request as a Swift app sees it. Fields are found in the received bytes; `HTTPFields` are made when asked for.

import EvLoop
import EvServer
import HTTPCore
public import HTTPTypes

/// One HTTP request.
///
/// Header fields are looked up in the bytes as they were received; nothing is parsed into a container until
/// ``headerFields`` asks for it.
public struct Request: Sendable {
    let head: RequestHead
    let exchange: Exchange
    let offer: WebSocketOffer?
    let secureFacts: TLSFacts?

    @LoopActor init(_ exchange: Exchange, head: RequestHead, offer: WebSocketOffer?) {
        self.exchange = exchange
        self.head = head
        self.offer = offer
        secureFacts = exchange.isSecure ? exchange.connection.secureStream?.facts : nil
    }

    /// The request method. One that is not registered, e.g. `PURGE`, comes as it was received.
    public var method: HTTPRequest.Method {
        head.withBytes(of: head.method) { bytes in
            if bytes.elementsEqual("GET".utf8) { return .get }
            if bytes.elementsEqual("POST".utf8) { return .post }
            return HTTPRequest.Method(rawValue: String(decoding: bytes, as: UTF8.self)) ?? .get
        }
    }

    /// The request target as it was received: path and query, a whole URI, or `*`.
    public var target: String { head.string(head.target) }

    /// The path, percent-encoded as it was received; `*` for `OPTIONS *`.
    public var path: String { head.string(head.path) }

    /// The query, percent-encoded and without its question mark; nil when there is none.
    public var query: String? { head.hasQuery ? head.string(head.query) : nil }

    /// Host and port that the request is for, from the target or the `Host` field; as a proxy says, where
    /// `--trusted-proxy-headers` names `X-Forwarded-Host` or `Forwarded`.
    public var authority: String { head.string(head.authority) }

    /// The value of a header field; several lines of one name are joined by a comma. Nil when there is none.
    public subscript(name: HTTPField.Name) -> String? {
        var value: String?
        for field in head.fields where matches(field, name) {
            let next = head.string(field.value)
            value = value.map { "\($0), \(next)" } ?? next
        }
        return value
    }

    /// All header fields, in the order in which they were received.
    public var headerFields: HTTPFields {
        var fields = HTTPFields()
        for field in head.fields {
            guard let name = HTTPField.Name(head.string(field.name)) else { continue }
            fields.append(head.withBytes(of: field.value) { HTTPField(name: name, value: Array($0)) })
        }
        return fields
    }

    /// The request body, to be read once.
    public var body: RequestBody { RequestBody(exchange: exchange) }

    /// The address of the connection's other end, often a proxy; empty for a unix socket.
    public var remoteAddress: String { exchange.peer.host }

    /// The address of the client, as the proxies in front say where they are trusted (`--forwarded-allow-ips`), else
    /// ``remoteAddress``. Empty where a proxy hides it.
    ///
    /// It is what `X-Forwarded-For` says of the hop on the right that is no trusted proxy; what a client itself writes
    /// on the left of that is not looked at. `--trusted-proxy-headers forwarded` takes it from `Forwarded` (RFC 7239)
    /// instead, and `--no-proxy-headers` always gives ``remoteAddress``.
    public var clientAddress: String { client.address }

    /// The scheme with which the client has asked, `http` or `https`: that of the connection, unless a trusted proxy
    /// has sent `X-Forwarded-Proto` or another field of `secure_scheme_headers`.
    public var scheme: String { client.scheme.description }

    /// The path that a trusted proxy has cut off (`X-Forwarded-Prefix`, with `--trusted-proxy-headers`) and that links
    /// need before their own; empty for none. It begins with a slash and does not end with one.
    public var pathPrefix: String { client.prefix }

    private var client: Client { Client(exchange, head) }

    private func matches(_ field: FieldSlice, _ name: HTTPField.Name) -> Bool {
        let canonical = name.canonicalName.utf8
        guard Int(field.name.count) == canonical.count else { return false }
        return head.withBytes(of: field.name) { $0.equalsIgnoringCase(canonical) }
    }
}

/// The request body: chunks of bytes as they arrive, of no particular size and never empty.
///
/// Reading waits for the client; while nobody reads, the client is held back once 64 KiB wait. A body that the client
/// breaks off, that exceeds the limit or that comes too slowly throws a ``RequestBodyFailure``.
public struct RequestBody: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    let exchange: Exchange

    public struct AsyncIterator: AsyncIteratorProtocol {
        let exchange: Exchange

        /// - Throws: ``RequestBodyFailure``, or `CancellationError` when the client has left.
        public mutating func next() async throws -> [UInt8]? {
            do { return try await exchange.nextBodyChunk() } catch let error as RequestBodyError {
                throw RequestBodyFailure(error)
            }
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(exchange: exchange) }

    /// The whole body in memory.
    /// - Parameter limit: bytes; a longer body throws a failure with status 413.
    public func collect(upTo limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await chunk in self {
            guard chunk.count <= limit - bytes.count else { throw RequestBodyFailure(.tooLarge) }
            if bytes.isEmpty { bytes = chunk } else { bytes.append(contentsOf: chunk) }
        }
        return bytes
    }
}

/// A request body that did not come whole. Let through by a handler, it is answered with its ``status``.
public struct RequestBodyFailure: Error, Equatable, Sendable {
    let reason: RequestBodyError

    init(_ reason: RequestBodyError) { self.reason = reason }

    /// 400 broken or cut short, 408 too slow, 413 too large, 507 no room to spool it.
    public var status: HTTPResponse.Status { HTTPResponse.Status(code: reason.statusHint) }
}
