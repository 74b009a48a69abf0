import EvLoop

/// Addresses as text. That of the last one is kept: behind a proxy all peers are one.
struct AddressText {
    private var peer = PeerAddress()
    private var text: [UInt8] = []

    mutating func withText<Result>(of peer: PeerAddress, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        if !peer.hasHost(of: self.peer) || text.isEmpty {
            self.peer = peer
            text = Array(peer.host.utf8)
        }
        let text = text
        return text.withUnsafeBytes(body)
    }
}
