// The address that a socket is bound to.
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
            let path = withUnsafeBytes(of: &storage) { Array($0[SocketAddress.pathOffset..<min(Int(size), $0.count)]) }
            if path.first == 0 {
                self.init("@" + String(decoding: path.dropFirst(), as: UTF8.self), 0, isUnix: true)
            } else {
                self.init(String(decoding: path.prefix { $0 != 0 }, as: UTF8.self), 0, isUnix: true)
            }
        default:
            return nil
        }
    }

    private static func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
