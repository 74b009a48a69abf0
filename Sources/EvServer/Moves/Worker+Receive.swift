// A connection that comes from another process of this server. Law: from here on it is as if it had been accepted here.

package import EvLoop
import Logging

extension Worker {
    /// Takes over a connected socket.
    package func receive(_ parcel: Parcel, _ descriptor: Int32) {
        moves.took()
        guard let listener = acceptor.listener(named: parcel.listener, parcel.destination) else {
            // Of an address that this configuration does not have. Idle ones are closed so at any time.
            logger.debug(
                "Closed a connection that was moved here: nobody listens at its address",
                metadata: ["address": "\(String(decoding: parcel.listener, as: UTF8.self))"])
            return Socket.closeConnection(descriptor)
        }
        if parcel.hasCopies { Fork.noteCopies() }
        switch parcel.kind {
        case .fresh: begin(listener.stage(.plain(descriptor), parcel.peer, listener, self))
        case .idle, .request, .hold: receiveHTTP1(parcel, descriptor, listener)
        }
    }

    private func receiveHTTP1(_ parcel: Parcel, _ descriptor: Int32, _ listener: Listener) {
        let connection = HTTP1Connection(.plain(descriptor), parcel.peer, listener, self)
        connection.hasServed = parcel.hasServed
        connection.hops = parcel.hops
        if parcel.kind == .hold {
            begin(connection)
            guard holds?.adopt(parcel.state, on: connection) != nil else { return connection.abort() }
            return parcel.bytes.withUnsafeBytes { if !$0.isEmpty { connection.received($0) } }
        }
        parcel.bytes.withUnsafeBytes { begin(connection, $0) }
        guard parcel.kind == .idle, !connection.isClosed else { return }
        if parcel.hasServed || isDraining { deadlines.begin(.keepAlive, connection) }
        if isDraining { moves.becameIdle(connection) }
    }
}
