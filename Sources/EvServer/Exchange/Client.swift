package import EvLoop
import HTTPCore

/// Who made a request: as trusted proxies say in the fields that the settings name, else as the connection says.
package struct Client: Sendable {
    private let exchange: Exchange

    init(_ exchange: Exchange) { self.exchange = exchange }

    /// Its address and port. A proxy may tell an address without a port (0), and may hide who it was: then there is no
    /// address, as with the peer of a unix socket.
    package var endpoint: PeerAddress {
        guard exchange.connection.trustsPeer else { return exchange.connection.peer }
        switch exchange.told {
        case nil: return exchange.connection.peer
        case .hidden: return PeerAddress()
        case .address(let address): return address
        }
    }

    /// The IPv4 or IPv6 address as text; empty where it is not known.
    package var address: String { endpoint.host }
    package var port: UInt16 { endpoint.port }
    /// `http` or `https`.
    package var scheme: StaticString { exchange.isSecure ? "https" : "http" }
    /// A path prefix that the app is to put before its own paths, as a proxy says; empty for none.
    package var prefix: String { exchange.forwarded.facts?.prefix.map { exchange.head.string($0) } ?? "" }
}

extension Exchange {
    /// What the fields say of the client; nil for nothing.
    fileprivate nonisolated var told: ForwardedNode? {
        let rules = connection.worker.forwarding
        let fields = rules.configuration.fields
        if fields.contains(.forwarded) { return forwarded.facts?.node }
        return fields.contains(.client) ? rules.client(of: head) : nil
    }

    /// Whom an app sees as the other end of the connection (`REMOTE_ADDR`): the client where the settings say so, else
    /// the peer, as under gunicorn.
    package nonisolated var remote: PeerAddress {
        connection.worker.forwarding.configuration.namesClient ? client.endpoint : connection.peer
    }

    /// What trusted proxies have said that differs from what the connection says.
    package nonisolated var facts: ForwardedFacts? { forwarded.facts }

    /// Calls with an address as text; for whoever needs its bytes with every request.
    package func withAddress<Result>(of address: PeerAddress, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        worker.withAddress(of: address, body)
    }
}
