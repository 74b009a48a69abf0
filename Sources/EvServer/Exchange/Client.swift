package import EvLoop
package import HTTP1
package import HTTPCore
package import Logging

/// Who made a request: as trusted proxies say in the fields that the settings name, else as the connection says.
package struct Client: Sendable {
    private let exchange: Exchange
    private let head: RequestHead

    /// - Parameter head: the exchange's, which may be asked on every thread.
    package init(_ exchange: Exchange, _ head: RequestHead) {
        self.exchange = exchange
        self.head = head
    }

    /// Its address and port. A proxy may tell an address without a port (0), and may hide who it was: then there is no
    /// address, as with the peer of a unix socket.
    package var endpoint: PeerAddress {
        guard exchange.trustsPeer else { return exchange.peer }
        switch told {
        case nil: return exchange.peer
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
    package var prefix: String { exchange.forwarded.facts?.prefix.map { head.string($0) } ?? "" }

    /// What the fields say of the client; nil for nothing.
    private var told: ForwardedNode? {
        let rules = exchange.worker.forwarding
        let fields = rules.configuration.fields
        if fields.contains(.forwarded) { return exchange.forwarded.facts?.node }
        return fields.contains(.client) ? rules.client(of: head) : nil
    }
}

extension Exchange {
    /// Who asked, as trusted proxies say, else the connection.
    package var client: Client { Client(self, head) }
    /// The scheme of the connection, whatever proxies say.
    package var connectionScheme: StaticString { connection.isSecure ? "https" : "http" }

    /// Where the head of the response is built. Not by way of `worker`, which would be retained for another module.
    package var responseHead: UnsafeMutablePointer<ResponseHead> { worker.responseHead }
    /// Where the text of the response stands while it is sent.
    package var responseText: ByteWriter { worker.text }
    package var logger: Logger { worker.logger }
    package var configuration: ServerConfiguration { worker.configuration }

    /// Whom an app sees as the other end of the connection (`REMOTE_ADDR`): the client where the settings say so, else
    /// the peer, as under gunicorn.
    package var remote: PeerAddress {
        worker.forwarding.configuration.namesClient ? client.endpoint : peer
    }

    /// What trusted proxies have said that differs from what the connection says.
    package nonisolated var facts: ForwardedFacts? { forwarded.facts }

    /// Calls with an address as text; for whoever needs its bytes with every request.
    package func withAddress<Result>(of address: PeerAddress, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        worker.withAddress(of: address, body)
    }
}
