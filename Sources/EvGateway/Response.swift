public import EvLoop
import EvServer
public import HTTPTypes

/// The answer to a request: a status, fields, and a body that is there already or is written as it comes.
public struct Response: Sendable {
    public var status: HTTPResponse.Status
    public var headerFields: HTTPFields {
        didSet { isPlainText = false }
    }
    public var body: ResponseBody
    /// The fields are those of a text and no others, which need not be read one by one.
    private(set) var isPlainText = false

    public init(status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:], body: ResponseBody = .empty) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
    }

    /// A text, as `text/plain` in UTF-8.
    public init(_ text: String, status: HTTPResponse.Status = .ok) {
        self.init(status: status, headerFields: Self.plainText, body: .string(text))
        isPlainText = true
    }

    /// A body that a closure writes, with back-pressure. It begins when the closure writes first, and ends with it.
    ///
    /// - Parameters:
    ///   - status: 200 if it is not given.
    ///   - headerFields: the server adds `Date`, `Server` and what delimits the body.
    ///   - contentLength: bytes that will be written, when they are known; nil sends chunks.
    ///   - write: is cancelled when the client leaves. An error that it throws breaks the response off visibly.
    public init(
        status: HTTPResponse.Status = .ok, headerFields: HTTPFields = [:], contentLength: Int? = nil,
        streaming write: @escaping ResponseStream
    ) {
        self.init(
            status: status, headerFields: headerFields, body: ResponseBody(.stream(contentLength: contentLength, write))
        )
    }

    /// A response that does not exist yet: the request is parked until `condition` is announced or the time is up, and
    /// only then is the response made. No task, thread or buffer is held meanwhile; a parked request costs the
    /// connection and a small record.
    ///
    /// - Parameters:
    ///   - condition: what is announced by `notifyAll()`.
    ///   - limit: the longest wait; nil waits without end.
    ///   - replays: when a reload replaces the worker, the request goes to the new one on the same connection, and the
    ///     handler is called there from the beginning, with the new code. Only for requests without a body, and over
    ///     HTTP/1.1 without TLS; others wait here until the worker's time is up.
    ///   - respond: called with whether the condition was announced in time; may park the request again. It is not
    ///     called when the client leaves first.
    public init(
        waitingFor condition: LoopCondition, atMost limit: Duration? = nil, replays: Bool = false,
        then respond: @escaping ParkedResponse
    ) {
        self.init(body: ResponseBody(.parked(condition, limit, .task(respond), replays: replays)))
    }

    /// The same for a response that is made without an `await`: the request is answered on the loop, with no task at
    /// all. This is the one to wake thousands with.
    public init(
        waitingFor condition: LoopCondition, atMost limit: Duration? = nil, replays: Bool = false,
        then respond: @escaping ParkedAnswer
    ) {
        self.init(body: ResponseBody(.parked(condition, limit, .loop(respond), replays: replays)))
    }

    private static let plainText: HTTPFields = [.contentType: "text/plain; charset=utf-8"]
}

/// Writes the body of a streamed response; the response ends when it returns.
public typealias ResponseStream = nonisolated(nonsending) @Sendable (ResponseWriter) async throws -> Void

/// Makes the response of a parked request, told whether what it waited for came in time.
public typealias ParkedResponse = nonisolated(nonsending) @Sendable (Bool) async throws -> Response

/// Makes the response of a parked request on the loop, told whether what it waited for came in time.
public typealias ParkedAnswer = @LoopActor @Sendable (Bool) throws -> Response

/// The bytes of a response.
public struct ResponseBody: Sendable {
    enum Content: Sendable {
        case bytes([UInt8])
        case string(String)
        case staticString(StaticString)
        case stream(contentLength: Int?, ResponseStream)
        case parked(LoopCondition, Duration?, Wakened, replays: Bool)
        case webSocket(WebSocketUpgrade)
    }
    /// What makes the response of a parked request: a task, or a call on the loop.
    enum Wakened: Sendable {
        case task(ParkedResponse)
        case loop(ParkedAnswer)
    }
    let content: Content

    init(_ content: Content) { self.content = content }

    public static var empty: ResponseBody { ResponseBody(.staticString("")) }
    public static func bytes(_ bytes: [UInt8]) -> ResponseBody { ResponseBody(.bytes(bytes)) }
    /// In UTF-8.
    public static func string(_ string: String) -> ResponseBody { ResponseBody(.string(string)) }
    /// A literal, sent from where the program keeps it.
    public static func staticString(_ string: StaticString) -> ResponseBody { ResponseBody(.staticString(string)) }
}

/// Where a streaming response body is written.
public struct ResponseWriter: Sendable {
    let exchange: Exchange

    /// Sends bytes; suspends while the client has not taken enough of the earlier ones.
    /// - Throws: `CancellationError` when the client has left.
    public nonisolated(nonsending) func write(_ bytes: [UInt8]) async throws {
        try await bytes.withUnsafeBytesInPieces { try await exchange.writeAndDrain($0) }
    }

    /// Sends a string in UTF-8; suspends while the client has not taken enough of the earlier bytes.
    /// - Throws: `CancellationError` when the client has left.
    public nonisolated(nonsending) func write(_ string: String) async throws {
        try await write(Array(string.utf8))
    }

    /// Ends the body, with fields behind it (RFC 9110 section 6.5): a checksum, or how it has ended. They reach clients
    /// that ask for them by `TE: trailers`, over HTTP/2 and in bodies without a Content-Length. Nothing can be written
    /// afterwards.
    /// - Throws: `CancellationError` when the client has left, or the body has ended already.
    public nonisolated(nonsending) func finish(trailers: HTTPFields) async throws {
        try await exchange.finishBody(trailers)
    }
}

extension [UInt8] {
    /// What is written between two looks at how much the client has taken.
    private static var piece: Int { 65_536 }

    nonisolated(nonsending) func withUnsafeBytesInPieces(_ body: (ArraySlice<UInt8>) async throws -> Void) async throws
    {
        var start = 0
        repeat {
            let end = Swift.min(start + Self.piece, count)
            try await body(self[start..<end])
            start = end
        } while start < count
    }
}
