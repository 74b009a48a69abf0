import EvLoop

/// Who made a request: the other end of the socket, often a proxy.
package struct Client {
    private let connection: Connection

    @LoopActor init(_ connection: Connection) { self.connection = connection }

    /// The IPv4 or IPv6 address as text; empty for a Unix socket.
    @LoopActor package var address: String { connection.peer.host }
    @LoopActor package var port: UInt16 { connection.peer.port }
    /// `http` or `https`.
    @LoopActor package var scheme: StaticString { connection.transport.scheme }
    /// `Host` of the request goes unless somebody who is trusted says otherwise: nil.
    @LoopActor package var host: String? { nil }
    /// A path prefix that somebody in front has cut off; empty for none.
    @LoopActor package var prefix: String { "" }

    /// Calls with the address; for whoever needs its bytes with every request.
    @LoopActor package func withAddress<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        connection.worker.withAddress(of: connection.peer, body)
    }
}
