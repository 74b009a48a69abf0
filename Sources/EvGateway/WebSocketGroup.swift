// One message to many sockets. Law: what a client does not take costs its socket, and neither memory nor the others.

import EvLoop
import EvServer

/// Sockets that are sent the same messages: the members of a chat room, the watchers of a feed.
///
/// A socket that ends leaves the group by itself. The group knows the sockets of its own worker; an app brings messages
/// from other workers, for example by a ``LoopStream`` to Redis.
@LoopActor
public final class WebSocketGroup {
    /// What happens to a socket whose client has not taken enough of the earlier messages: more than 64 KiB wait to be
    /// sent.
    public enum SlowClients: Sendable {
        /// It is closed with code 1013 (try again later), so that its client notices that it misses something.
        case close
        /// The message is not sent to it.
        case skip
    }

    private let sockets = SocketGroup()

    public nonisolated init() {}

    /// The number of sockets.
    public var count: Int { sockets.members.count }

    /// Adds a socket, unless it is closed.
    public func insert(_ socket: WebSocket) { sockets.insert(socket.connection) }

    /// Takes a socket out, which stays open.
    public func remove(_ socket: WebSocket) { sockets.remove(socket.connection) }

    /// Sends a message to all sockets, without waiting.
    ///
    /// - Returns: the number of sockets that it was sent to.
    @discardableResult
    public func send(_ message: WebSocketMessage, slowClients: SlowClients = .close) -> Int {
        send(message.encoded(), slowClients: slowClients)
    }

    /// Sends a message to all sockets, without waiting.
    ///
    /// - Returns: the number of sockets that it was sent to.
    @discardableResult
    public func send(_ message: EncodedWebSocketMessage, slowClients: SlowClients = .close) -> Int {
        sockets.send(message.message) { socket in
            if slowClients == .close { WebSocket(connection: socket).close(code: .tryAgainLater) }
        }
    }

    /// Closes all sockets.
    public func close(code: WebSocketCloseCode = .normal, reason: String = "") {
        for socket in sockets.members { WebSocket(connection: socket).close(code: code, reason: reason) }
    }
}
