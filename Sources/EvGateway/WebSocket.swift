// A WebSocket as a Swift app has it: a sequence of messages, and a way to send. It may be used from any thread; on the
// loop's own, where handlers run, what can be had at once is had without a suspension.

import EvLoop
import EvServer
import WebSocketCodec

/// A connection of a client that sends and receives messages; see <doc:WebSocketApps>.
///
/// The sequence ends when the client or the server has closed the socket; ``closeCode`` then tells why. A connection
/// that breaks instead, or whose client answers no ping, cancels the handler's task: reading and sending throw
/// `CancellationError`, as they do in a request whose client has left.
///
/// A socket that is read takes one message at a time. While nobody reads, its client is held back once
/// `--ws-max-queue` messages or 64 KiB wait.
public struct WebSocket: AsyncSequence, Hashable, Sendable {
    public typealias Element = WebSocketMessage
    let connection: WebSocketConnection

    public struct AsyncIterator: AsyncIteratorProtocol {
        let connection: WebSocketConnection

        /// The next message; nil when the socket is closed.
        /// - Throws: `CancellationError` when the client is lost or the task is cancelled.
        public mutating func next() async throws -> WebSocketMessage? {
            if LoopExecutor.shared.isOnLoopThread,
                let message = LoopActor.assumeIsolated({ [connection] in connection.waitingMessage() })
            {
                return WebSocketMessage(message)
            }
            return try await connection.nextMessage().map(WebSocketMessage.init)
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(connection: connection) }

    // MARK: sending

    /// Sends a message; suspends while the client has not taken enough of the earlier ones.
    /// - Throws: ``WebSocketClosed`` when either side has closed the socket; `CancellationError` when the client is
    ///   lost or the task is cancelled.
    public nonisolated(nonsending) func send(_ message: WebSocketMessage) async throws {
        let isOnLoop = LoopExecutor.shared.isOnLoopThread
        try await settle(isOnLoop ? LoopActor.assumeIsolated { put(message) } : await put(message))
    }

    /// Sends a text.
    public nonisolated(nonsending) func send(_ text: String) async throws { try await send(.text(text)) }

    /// Sends bytes.
    public nonisolated(nonsending) func send(_ bytes: [UInt8]) async throws { try await send(.binary(bytes)) }

    /// Sends a message that goes to many sockets.
    public nonisolated(nonsending) func send(_ message: EncodedWebSocketMessage) async throws {
        let isOnLoop = LoopExecutor.shared.isOnLoopThread
        try await settle(isOnLoop ? LoopActor.assumeIsolated { put(message) } : await put(message))
    }

    private nonisolated(nonsending) func settle(_ result: Exchange.WriteResult) async throws {
        switch result {
        case .ok: break
        case .full: try await connection.drained()
        case .gone: throw await connection.closedError
        }
    }

    /// Sends a message if the client keeps up, without waiting; for code on the loop that cannot wait.
    ///
    /// - Returns: ``SendResult/full`` when the client has not taken enough of what was sent before. The message is not
    ///   sent then, so that a slow client does not fill the memory: try again later, do without, or close the socket.
    @LoopActor public func sendNow(_ message: WebSocketMessage) -> SendResult {
        guard !connection.isBehind else { return isOpen ? .full : .closed }
        return put(message) == .gone ? .closed : .sent
    }

    /// Sends a message that goes to many sockets, if the client keeps up; see ``sendNow(_:)-(WebSocketMessage)``.
    @LoopActor public func sendNow(_ message: EncodedWebSocketMessage) -> SendResult {
        switch connection.sendNow(message.message) {
        case .ok: .sent
        case .full: .full
        case .gone: .closed
        }
    }

    /// What has become of a message.
    public enum SendResult: Sendable { case sent, full, closed }

    @LoopActor private func put(_ message: WebSocketMessage) -> Exchange.WriteResult {
        switch message {
        case .text(var text): text.withUTF8 { connection.send(isText: true, UnsafeRawBufferPointer($0)) }
        case .binary(let bytes): bytes.withUnsafeBytes { connection.send(isText: false, $0) }
        }
    }

    @LoopActor private func put(_ message: EncodedWebSocketMessage) -> Exchange.WriteResult {
        connection.send(message.message)
    }

    // MARK: the end

    /// Says goodbye. Messages that have not been read are dropped, and the sequence ends. Nothing happens when the
    /// socket is closed already.
    ///
    /// - Parameters:
    ///   - code: one that may not be sent, such as 1006, is left out of the close frame.
    ///   - reason: up to 123 bytes in UTF-8; more are cut off.
    @LoopActor public func close(code: WebSocketCloseCode = .normal, reason: String = "") {
        guard isOpen else { return }
        connection.close(CloseCode(rawValue: code.rawValue), reason: reason)
        connection.forgetMessages()
    }

    /// Whether neither side has closed the socket.
    @LoopActor public var isOpen: Bool { connection.end == nil }

    /// The code of the side that has closed the socket first; nil while it is open.
    @LoopActor public var closeCode: WebSocketCloseCode? { connection.end.map { WebSocketCloseCode($0.code) } }

    /// The reason that came with ``closeCode``; empty for none.
    @LoopActor public var closeReason: String { connection.end?.reason ?? "" }

    public static func == (one: WebSocket, other: WebSocket) -> Bool { one.connection === other.connection }
    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(connection)) }
}

extension WebSocketConnection {
    fileprivate var closedError: any Error {
        guard let end, !isLost else { return CancellationError() }
        return WebSocketClosed(code: WebSocketCloseCode(end.code), reason: end.reason)
    }
}
