// WebSockets that get what is published, beside what their handler sends.

import EvLoop
import EvServer

extension WebSocket {
    /// Sends the client every message for WebSockets that is published on a channel from now on, by whichever worker
    /// or publisher, until the socket ends. The handler is not involved. A client that does not keep up misses
    /// messages; the server counts them.
    ///
    /// - Parameter channel: up to 1000 bytes.
    /// - Returns: false where the settings do not have `--grip`, or the name is none, or there are too many channels.
    @LoopActor @discardableResult public func subscribe(to channel: String) -> Bool {
        connection.channels?.subscribe(connection, to: Array(channel.utf8)) ?? false
    }

    /// The opposite of ``subscribe(to:)``.
    @LoopActor public func unsubscribe(from channel: String) {
        connection.channels?.unsubscribe(connection, from: Array(channel.utf8))
    }
}
