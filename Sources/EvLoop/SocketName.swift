// The address that a socket is bound to, and unix address structures, whose length is part of the name (unix(7)).
import Glibc

/// The name that getsockname(2) returns, as text.
struct SocketName: Equatable {
    let address: String
    let port: UInt16
    let isUnix: Bool

    init(_ address: String, _ port: UInt16, isUnix: Bool) {
        self.address = address
        self.port = port
        self.isUnix = isUnix
    }

    /// Nil when the descriptor is no socket of a family that can be served.
    init?(of descriptor: Int32) {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let family: Int32? = withUnsafeMutableBytes(of: &storage) { bytes in
            guard let name = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                getsockname(descriptor, name, &size) == 0
            else { return nil }
            return Int32(name.pointee.sa_family)
        }
        switch family {
        case AF_INET, AF_INET6:
            var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            var service = [CChar](repeating: 0, count: Int(NI_MAXSERV))
            let code = withUnsafeBytes(of: &storage) { bytes in
                getnameinfo(
                    bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), size, &host, socklen_t(host.count),
                    &service, socklen_t(service.count), NI_NUMERICHOST | NI_NUMERICSERV)
            }
            guard code == 0, let port = UInt16(Self.text(service)) else { return nil }
            self.init(Self.text(host), port, isUnix: false)
        case AF_UNIX:
            let path = withUnsafeBytes(of: &storage) { Array($0[Self.pathOffset..<min(Int(size), $0.count)]) }
            if path.first == 0 {
                self.init("@" + String(decoding: path.dropFirst(), as: UTF8.self), 0, isUnix: true)
            } else {
                self.init(String(decoding: path.prefix { $0 != 0 }, as: UTF8.self), 0, isUnix: true)
            }
        default:
            return nil
        }
    }

    /// Calls `body` with the address of a socket file. A path that is too long is cut; `BindAddress` has refused it
    /// before.
    static func withUnixAddress<T>(path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
        withUnixAddress(Array(path.utf8) + [0], body)
    }

    /// Calls `body` with an address in the abstract namespace.
    static func withUnixAddress<T>(abstract name: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
        withUnixAddress([0] + Array(name.utf8), body)
    }

    private static func withUnixAddress<T>(
        _ name: [UInt8], _ body: (UnsafePointer<sockaddr>, socklen_t) -> T
    ) -> T {
        var record = sockaddr_un()
        record.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: record.sun_path)
        withUnsafeMutableBytes(of: &record.sun_path) { $0.copyBytes(from: name.prefix(room)) }
        let size = socklen_t(pathOffset + min(name.count, room))
        return withUnsafePointer(to: &record) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }

    private static let pathOffset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
