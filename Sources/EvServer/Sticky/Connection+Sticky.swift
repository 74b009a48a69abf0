// A request that belongs to another worker goes there with its connection and the bytes that have been read, before
// anything of it is begun here.

import EvLoop
import HTTPCore

extension HTTP1Connection {
    /// Whether the request, and the connection with it, is gone.
    ///
    /// - Parameter bytes: all that has been read and not been served, from this request's head on.
    @inline(never) func leaves(for head: RequestHead, with bytes: UnsafeRawBufferPointer, by sticky: Sticky) -> Bool {
        // One that has just come stays.
        guard hops == 0, !isSpare, !isHalfClosed, output.isEmpty, case .plain = transport,
            let place = sticky.destination(of: head, on: self)
        else { return false }
        var parcel = request(.request, Array(bytes))
        parcel.hops = 1
        guard worker.moves.give(self, parcel, to: place) else { return false }
        Counted.add(at: Counter.movedToOwner)
        return true
    }
}

extension Exchange {
    /// To be called before bytes of the body are counted.
    @inline(never) func look(at bytes: UnsafeRawBufferPointer) {
        guard let sticky = worker.sticky, sticky.readsBodies, bodySent == 0, !bytes.isEmpty else { return }
        sticky.answered(head, with: bytes)
    }
}

extension Connection {
    /// Calls with the address of whoever asks, as trusted proxies tell it; empty where nobody knows it.
    func withClientAddress<Result>(of head: RequestHead, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        worker.withAddress(of: told(by: head) ?? peer, body)
    }

    private func told(by head: RequestHead) -> PeerAddress? {
        guard trustsPeer else { return nil }
        let rules = worker.forwarding
        let node: ForwardedNode? =
            if rules.configuration.fields.contains(.forwarded) {
                rules.read(head, isTrusted: true, isSecure: isSecure).forwarded.facts?.node
            } else if rules.configuration.fields.contains(.client) {
                rules.client(of: head)
            } else {
                nil
            }
        return switch node {
        case nil: nil
        case .hidden: PeerAddress()
        case .address(let address): address
        }
    }
}
