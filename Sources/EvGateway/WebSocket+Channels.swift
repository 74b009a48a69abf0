// WebSockets that get what is published, beside what their handler sends.

import EvLoop
import EvServer
import GRIP

extension WebSocket {
    /// Sends the client every message for WebSockets (`ws-message`) that is published on a channel from now on, by
    /// whichever worker or publisher, until the socket ends. The handler is not involved. A second call for a channel
    /// changes how it is listened on.
    ///
    /// - Parameters:
    ///   - channel: 1 to 1000 bytes without control characters; 100 channels at most for one socket.
    ///   - filters: `skip-self`, `skip-users`, `require-sub`, `build-id`, `var-subst`; others are passed over.
    ///   - meta: what filters know of this socket, such as `user`; added to what earlier calls have said.
    ///   - slowClients: what happens to a client that has not taken enough of the earlier messages.
    /// - Throws: ``PublishingError`` if the channel cannot be subscribed to, which needs `--grip`.
    @LoopActor public func subscribe(
        to channel: String, filters: [String] = [], meta: [String: String] = [:],
        slowClients: WebSocketGroup.SlowClients = .close
    ) throws {
        do throws(GRIPError) {
            guard let channels = connection.channels else { throw GRIPError("channels need --grip") }
            var wanted = SocketSubscription(channel: Array(channel.utf8))
            wanted.filters = filters.map { Array($0.utf8) }
            wanted.meta = meta.map { Field(name: Array($0.key.utf8), value: Array($0.value.utf8)) }
            wanted.skips = slowClients == .skip
            try channels.subscribe(connection, to: wanted)
        } catch {
            throw PublishingError(description: error.text)
        }
    }

    /// The opposite of ``subscribe(to:filters:meta:slowClients:)``. A channel that is not subscribed to is none that
    /// could be left: nothing happens.
    @LoopActor public func unsubscribe(from channel: String) {
        connection.channels?.unsubscribe(connection, from: Array(channel.utf8))
    }
}
