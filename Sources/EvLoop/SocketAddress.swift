// Where a socket connects to or is bound, as connect(2) and bind(2) take it.

package import Glibc

/// The bytes of a `sockaddr` of some family.
package struct SocketAddress: Sendable, Equatable {
    package let family: Int32
    package let bytes: [UInt8]

    /// That of a socket file. Nil for a path that is empty, has a NUL, or is longer than unix(7) allows: 107 bytes.
    package init?(path: String) {
        self.init(unix: Array(path.utf8) + [0], isValid: !path.isEmpty && !path.utf8.contains(0))
    }

    /// That of a name in the abstract namespace, which has no NUL behind it. Nil for more than 107 bytes.
    package init?(abstract name: String) {
        self.init(unix: [0] + Array(name.utf8), isValid: true)
    }

    private init?(unix name: [UInt8], isValid: Bool) {
        var record = sockaddr_un()
        guard isValid, name.count <= MemoryLayout.size(ofValue: record.sun_path) else { return nil }
        record.sun_family = sa_family_t(AF_UNIX)
        family = AF_UNIX
        // The length is part of the name.
        bytes = withUnsafeBytes(of: &record) { Array($0.prefix(Self.pathOffset)) } + name
    }

    private init(_ family: Int32, _ address: UnsafePointer<sockaddr>, _ size: socklen_t) {
        self.family = family
        bytes = Array(UnsafeRawBufferPointer(start: address, count: Int(size)))
    }

    package func withBytes<T>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
        // A copy with the alignment of every address.
        var storage = sockaddr_storage()
        let size = min(bytes.count, MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes.prefix(size)) }
        return withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(size)) }
        }
    }

    static let pathOffset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2

    /// The addresses that a host name stands for, the preferred one first; at least one. Takes as long as the resolver.
    package static func lookUp(
        _ host: String, _ port: UInt16, type: __socket_type = SOCK_STREAM, flags: Int32 = 0
    ) throws(LookUpError) -> [SocketAddress] {
        guard !host.utf8.contains(0) else { throw LookUpError(reason: "a host name has no NUL") }
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(type.rawValue)
        hints.ai_flags = AI_NUMERICSERV | flags
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &found)
        guard code == 0 else {
            let number = errno
            if code == EAI_SYSTEM { throw LookUpError(reason: SystemError.message(number), number: number) }
            throw LookUpError(reason: gai_strerror(code).map { String(cString: $0) } ?? "unknown host")
        }
        defer { freeaddrinfo(found) }
        var addresses: [SocketAddress] = []
        var next = found
        while let candidate = next?.pointee {
            next = candidate.ai_next
            if let address = candidate.ai_addr {
                addresses.append(SocketAddress(candidate.ai_family, address, candidate.ai_addrlen))
            }
        }
        guard !addresses.isEmpty else { throw LookUpError(reason: "the name has no address") }
        return addresses
    }
}

/// Why a host name has no address.
package struct LookUpError: Error, Equatable {
    package let reason: String
    /// The `errno` of the resolver's own system call, if that has failed.
    package var number: Int32?
}
