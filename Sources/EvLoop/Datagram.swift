// One datagram to a Unix socket on which a service listens, such as systemd's for notifications.
import Glibc

package enum Datagram {
    /// Sends the bytes as one datagram.
    ///
    /// - Parameters:
    ///   - address: the path of a socket, or a name in Linux's abstract namespace after an `@`.
    ///   - seconds: how long to wait while the receiver's queue is full; more than 0.
    package static func send(_ bytes: [UInt8], to address: String, seconds: Double) throws(SystemError) {
        let name =
            address.hasPrefix("@")
            ? SocketAddress(abstract: String(address.dropFirst())) : SocketAddress(path: address)
        guard let name else { throw SystemError("send to \(address)", errno: ENAMETOOLONG) }
        let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw SystemError("socket") }
        defer { Socket.close(socket) }
        var limit = timeval(tv_sec: Int(seconds), tv_usec: Int((seconds - seconds.rounded(.down)) * 1e6))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let sent = name.withBytes { sendto(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, $1) }
        guard sent == bytes.count else { throw SystemError("send to \(address)") }
    }
}
