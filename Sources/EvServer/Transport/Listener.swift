package import EvLoop

/// A listening socket, shared by the connections that came from it, and what is spoken on them at first.
package final class Listener: Sendable {
    let socket: ListeningSocket
    /// The text of the socket, by which another process knows its own.
    let name: [UInt8]
    let stage: Worker.Stage
    /// HTTP is spoken over TLS.
    let isSecure: Bool
    /// Where a proxy's client has connected to, when the proxy says so; nil where it is the socket.
    package let destination: Destination?

    /// An address and port, and the address as text, which live as long as the listener.
    package struct Destination: Sendable {
        let address: PeerAddress
        package nonisolated(unsafe) let text: UnsafeRawBufferPointer
        package var port: UInt16 { address.port }

        fileprivate init(_ address: PeerAddress) {
            self.address = address
            let characters = Array(address.host.utf8)
            let text = UnsafeMutableRawBufferPointer.allocate(byteCount: characters.count, alignment: 1)
            text.copyBytes(from: characters)
            self.text = UnsafeRawBufferPointer(text)
        }
    }

    package init(
        _ socket: ListeningSocket, stage: @escaping Worker.Stage = { HTTP1Connection($0, $1, $2, $3) },
        isSecure: Bool = false, destination: PeerAddress? = nil
    ) {
        self.socket = socket
        name = Array(socket.text.utf8)
        self.stage = stage
        self.isSecure = isSecure
        self.destination = destination.map(Destination.init)
    }

    deinit { destination?.text.deallocate() }
}

extension Exchange {
    package var local: ListeningSocket { connection.listener.socket }
    /// That of `local`: each request looks for it, and a copy of the rest would cost more than the search.
    package var localDescriptor: Int32 { connection.listener.socket.fileDescriptor }
    /// Where the client has connected to, if its proxy says so. Valid until the exchange ends, on every thread.
    package var destination: Listener.Destination? { connection.listener.destination }
}
