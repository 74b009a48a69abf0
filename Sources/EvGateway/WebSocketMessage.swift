// What goes over a WebSocket, and why one ends.

import EvServer
import WebSocketCodec

/// A message of a ``WebSocket``.
public enum WebSocketMessage: Equatable, Sendable {
    case text(String)
    case binary([UInt8])

    /// The message as it is sent, made once for many sockets.
    public func encoded() -> EncodedWebSocketMessage {
        switch self {
        case .text(var text):
            EncodedWebSocketMessage(text.withUTF8 { EncodedMessage(isText: true, UnsafeRawBufferPointer($0)) })
        case .binary(let bytes):
            EncodedWebSocketMessage(bytes.withUnsafeBytes { EncodedMessage(isText: false, $0) })
        }
    }

    init(_ message: WebSocketConnection.Message) {
        self = message.isText ? .text(String(decoding: message.bytes, as: UTF8.self)) : .binary(message.bytes)
    }
}

/// A message that is ready to be sent to many sockets. It is held once, also for sockets whose clients are slow to
/// take it.
public struct EncodedWebSocketMessage: Sendable {
    let message: EncodedMessage

    init(_ message: EncodedMessage) { self.message = message }
}

/// Why a ``WebSocket`` was closed: a number of IANA's registry, or from 3000 to 4999 one that the app gives a meaning.
public struct WebSocketCloseCode: RawRepresentable, Hashable, Sendable, ExpressibleByIntegerLiteral {
    public let rawValue: UInt16

    public init(rawValue: UInt16) { self.rawValue = rawValue }
    public init(integerLiteral value: UInt16) { self.init(rawValue: value) }
    init(_ code: CloseCode) { self.init(rawValue: code.rawValue) }

    /// 1000: what the socket was for has been done.
    public static let normal: Self = 1000
    /// 1001: a browser leaves the page.
    public static let goingAway: Self = 1001
    public static let protocolError: Self = 1002
    /// 1005: the client has given none. Never sent.
    public static let noStatus: Self = 1005
    /// 1006: the connection was lost. Never sent.
    public static let abnormal: Self = 1006
    public static let invalidPayload: Self = 1007
    public static let policyViolation: Self = 1008
    /// 1009: the message was longer than `--ws-max-size`.
    public static let messageTooBig: Self = 1009
    /// 1011: the app has thrown an error, or the client has not answered a ping.
    public static let internalError: Self = 1011
    /// 1012: the worker leaves, and another one may be connected to.
    public static let serviceRestart: Self = 1012
    /// 1013: the client takes less than is sent, and is to connect again later.
    public static let tryAgainLater: Self = 1013
}

/// A socket to which nothing can be sent, because the client or the server has closed it. An error of this kind that
/// leaves a handler is no failure: nothing is logged.
public struct WebSocketClosed: Error, Equatable, Sendable {
    public let code: WebSocketCloseCode
    public let reason: String

    public init(code: WebSocketCloseCode, reason: String = "") {
        self.code = code
        self.reason = reason
    }
}
