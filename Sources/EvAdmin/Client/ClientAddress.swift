// An address that a server answers for itself on, seen from the other side: with the bytes that connect(2) takes.

package import EvLoop

package struct ClientAddress: Equatable, Sendable {
    /// As `--admin-bind` takes it.
    package let text: String
    /// What the field Host says.
    let host: String
    /// In the order in which they are tried.
    let targets: [SocketAddress]

    /// Looks the name of a host up, which may take a while.
    ///
    /// - Throws: for a name that is not known, and an address that only its server can use.
    package init(_ address: BindAddress) throws(ClientError) {
        text = Printable.text(address.text)
        switch address {
        case .tcp(let host, let port):
            guard port > 0 else { throw ClientError(.unreachable, "the port of \(text) is chosen by the kernel") }
            self.host = text
            targets = try Self.lookUp(host, port)
        case .unix(let path):
            host = "localhost"
            targets = [try Self.checked(SocketAddress(path: path), text)]
        case .abstract(let name):
            host = "localhost"
            targets = [try Self.checked(SocketAddress(abstract: name), text)]
        case .inherited, .named:
            throw ClientError(.unreachable, "\(text) is a descriptor of the server: name the address itself")
        }
    }

    private static func checked(_ address: SocketAddress?, _ text: String) throws(ClientError) -> SocketAddress {
        guard let address else { throw ClientError(.unreachable, "\(text) is longer than the path of a socket can be") }
        return address
    }

    private static func lookUp(_ host: String, _ port: UInt16) throws(ClientError) -> [SocketAddress] {
        do throws(LookUpError) {
            return try SocketAddress.lookUp(host, port)
        } catch {
            throw ClientError(.unreachable, "the host '\(Printable.text(host))' is not known: \(error.reason)")
        }
    }
}
