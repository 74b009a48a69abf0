// What a listening socket has beside its address: mode and owner of its file, and options of tcp(7), which the kernel
// gives to each connection that is accepted from it, so they cost a connection nothing.
import Glibc

/// Owner and group of a file; what is nil stays as it is.
package struct FileOwner: Equatable, Sendable {
    package var user: UInt32?
    package var group: UInt32?

    package init(user: UInt32? = nil, group: UInt32? = nil) {
        self.user = user
        self.group = group
    }
}

/// When the kernel asks a silent peer whether it is still there, and when it gives up.
package struct TCPKeepAlive: Equatable, Sendable {
    /// Seconds of silence before the first probe; 0: it never asks.
    package var idle: Int
    /// Seconds between two probes, and how many stay without an answer before the connection is reset; nil: as many as
    /// the kernel has for all.
    package var interval: Int?
    package var count: Int?

    package init(idle: Int, interval: Int? = nil, count: Int? = nil) {
        self.idle = idle
        self.interval = interval
        self.count = count
    }
}

package struct TCPOptions: Equatable, Sendable {
    /// Nil: probes at the times that the kernel has for all (after two hours).
    package var keepAlive: TCPKeepAlive?
    /// Seconds that sent data may stay without acknowledgement (TCP_USER_TIMEOUT); 0: the kernel's time.
    package var userTimeout = 0.0
    /// Seconds for which a connection may wait in the kernel for its first byte (TCP_DEFER_ACCEPT); 0: it is passed on
    /// at once.
    package var deferAccept = 0.0

    package init() {}
}

package struct ListeningOptions: Equatable, Sendable {
    /// Of the file of a Unix socket; nil: as the umask makes it.
    package var fileMode: Int?
    package var fileOwner = FileOwner()
    package var tcp = TCPOptions()

    package init() {}
}

extension ListeningSocket {
    /// Gives the socket what connections inherit. A socket of another kind is left alone.
    ///
    /// - Parameter former: what it has been given before; only what differs is set, since whoever has passed an
    ///   inherited socket on may have chosen the rest.
    package func set(_ options: TCPOptions, after former: TCPOptions? = nil) {
        guard !isUnix else { return }
        let probes = options.keepAlive.map { $0.idle > 0 } ?? true
        set(SOL_SOCKET, SO_KEEPALIVE, probes ? 1 : 0)
        if former == nil { set(Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        if options.keepAlive != former?.keepAlive, probes {
            let keepAlive = options.keepAlive
            set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, Int32(clamping: keepAlive?.idle ?? usual(TCP_KEEPIDLE)))
            set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, Int32(clamping: keepAlive?.interval ?? usual(TCP_KEEPINTVL)))
            set(Int32(IPPROTO_TCP), TCP_KEEPCNT, Int32(clamping: keepAlive?.count ?? usual(TCP_KEEPCNT)))
        }
        let zero = former ?? TCPOptions()
        if options.userTimeout != zero.userTimeout {
            set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, Int32(clamping: Int((options.userTimeout * 1000).rounded(.up))))
        }
        if options.deferAccept != zero.deferAccept {
            set(Int32(IPPROTO_TCP), TCP_DEFER_ACCEPT, Int32(clamping: Int(options.deferAccept.rounded(.up))))
        }
    }

    private func set(_ level: Int32, _ name: Int32, _ value: Int32) {
        var value = value
        setsockopt(fileDescriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// What a socket has that nobody has told anything.
    private func usual(_ name: Int32) -> Int {
        let fresh = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { Socket.close(fresh) }
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(fresh, Int32(IPPROTO_TCP), name, &value, &size) == 0 ? Int(value) : 0
    }
}
