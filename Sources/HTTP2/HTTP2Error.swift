// Why a connection or a stream of HTTP/2 ends (RFC 9113 section 7).

/// A code of RST_STREAM and GOAWAY. The peer may send others, which mean `internalError`.
package enum ErrorCode: UInt32, Sendable {
    case none = 0
    case protocolError, internalError, flowControlError, settingsTimeout, streamClosed, frameSizeError, refusedStream
    case cancel, compressionError, connectError, enhanceYourCalm, inadequateSecurity, http11Required
}

/// What ends a connection, or a stream where that is said.
package struct HTTP2Error: Error, Equatable, Sendable, CustomStringConvertible {
    package let code: ErrorCode
    /// For the log and the peer; ASCII, never bytes of the peer's.
    package let detail: StaticString

    init(_ code: ErrorCode, _ detail: StaticString) {
        self.code = code
        self.detail = detail
    }

    package var description: String { "\(detail)" }

    package static func == (one: Self, other: Self) -> Bool {
        one.code == other.code && one.description == other.description
    }
}

extension HTTP2Error {
    /// A frame or a field section did not come to its end in time.
    package static var headTimeout: HTTP2Error { HTTP2Error(.enhanceYourCalm, "a request that did not arrive in time") }
}
