// A connection that comes from another process of this server. Law: from here on it is as if it had been accepted here.

import EvBus
package import EvLoop
import Logging

extension Worker {
    /// Takes over a connected socket, as if it had been accepted from `listener`. For tests over socket pairs.
    package func adopt(
        _ fileDescriptor: Int32, listener: ListeningSocket,
        stage: @escaping Stage = { HTTP1Connection($0, $1, $2, $3) }
    ) {
        open(fileDescriptor, PeerAddress(), Listener(listener, stage: stage))
    }

    /// Takes over a connected socket.
    ///
    /// - Parameter position: how far its giver had read the messages of others.
    func receive(_ parcel: Parcel, _ descriptor: Int32, _ position: BusPosition) {
        Counted.add(at: Counter.movedIn)
        if parcel.hasCopies { Fork.noteCopies() }
        if parcel.kind == .hold { return moves.arrivals.add(parcel, descriptor, position) }
        takeBack(parcel, descriptor)
    }

    /// One that has not gone is here again.
    func takeBack(_ parcel: Parcel, _ descriptor: Int32, _ position: BusPosition? = nil) {
        guard let listener = acceptor.listener(named: parcel.listener, parcel.destination) else {
            // Of an address that this configuration does not have. Idle ones are closed so at any time.
            logger.debug(
                "Closed a connection that was moved here: nobody listens at its address",
                metadata: ["address": "\(String(decoding: parcel.listener, as: UTF8.self))"])
            return Socket.closeConnection(descriptor)
        }
        let connection: Connection
        if parcel.kind == .fresh {
            connection = listener.stage(.plain(descriptor), parcel.peer, listener, self)
        } else {
            let http1 = HTTP1Connection(.plain(descriptor), parcel.peer, listener, self)
            (http1.hasServed, http1.hops) = (parcel.hasServed, parcel.hops)
            connection = http1
        }
        if parcel.kind == .hold { return goOn(with: parcel, connection, position) }
        parcel.bytes.withUnsafeBytes { begin(connection, $0) }
        guard parcel.bytes.isEmpty, !connection.isClosed else { return }
        if isDraining || parcel.hasServed { deadlines.begin(.keepAlive, connection) }
        if isDraining { moves.becameIdle(connection) }
    }

    private func goOn(with parcel: Parcel, _ connection: Connection, _ position: BusPosition?) {
        begin(connection)
        guard let http1 = connection as? HTTP1Connection, let hold = holds?.adopt(parcel.state, on: http1) else {
            return connection.abort()
        }
        parcel.bytes.withUnsafeBytes { if !$0.isEmpty { connection.received($0) } }
        if let position { holds?.catchUp(hold, after: position) }
        if isDraining { moves.becameIdle(connection) }
    }
}
