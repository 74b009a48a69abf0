// An address that a server answers for itself on, seen from the other side: with the bytes that connect(2) takes.

package import EvLoop
import Glibc

package struct ClientAddress: Equatable, Sendable {
    /// As `--admin-bind` takes it.
    package let text: String
    /// What the field Host says.
    let host: String
    /// In the order in which they are tried.
    let targets: [Target]

    /// A socket's address as the system keeps it.
    struct Target: Equatable, Sendable {
        let family: Int32
        let bytes: [UInt8]
    }

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
            targets = [try Self.unix(Array(path.utf8), text)]
        case .abstract(let name):
            host = "localhost"
            targets = [try Self.unix([0] + Array(name.utf8), text)]
        case .inherited, .named:
            throw ClientError(.unreachable, "\(text) is a descriptor of the server: name the address itself")
        }
    }

    private static func unix(_ path: [UInt8], _ text: String) throws(ClientError) -> Target {
        var address = sockaddr_un()
        let room = MemoryLayout.size(ofValue: address.sun_path)
        // A path has a NUL behind it, which an abstract name has before it.
        guard path.count < room || path.first == 0 && path.count == room else {
            throw ClientError(.unreachable, "\(text) is longer than the path of a socket can be")
        }
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let count = MemoryLayout<sockaddr_un>.size - room + path.count + (path.first == 0 ? 0 : 1)
        return Target(family: AF_UNIX, bytes: withUnsafeBytes(of: address) { Array($0.prefix(count)) })
    }

    private static func lookUp(_ host: String, _ port: UInt16) throws(ClientError) -> [Target] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let failure = getaddrinfo(host, "\(port)", &hints, &list)
        guard failure == 0 else {
            throw ClientError(
                .unreachable,
                "the host '\(Printable.text(host))' is not known: \(String(cString: gai_strerror(failure)))")
        }
        defer { freeaddrinfo(list) }
        var targets: [Target] = []
        var entry = list
        while let found = entry?.pointee {
            if let address = found.ai_addr {
                let bytes = UnsafeRawBufferPointer(start: address, count: Int(found.ai_addrlen))
                targets.append(Target(family: found.ai_family, bytes: Array(bytes)))
            }
            entry = found.ai_next
        }
        return targets
    }
}
