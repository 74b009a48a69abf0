// The socket calls of a worker, as the shim makes them. A negative result is -errno; `SocketError` names the codes that
// callers distinguish.

import CEvLoop
import Glibc

/// The address of a connection's other end, kept as bytes and converted to text when it is read.
package struct PeerAddress: Sendable {
    var record = evg_peer()

    package init() {}

    /// The IPv4 or IPv6 address; empty for a unix socket.
    package var host: String {
        if record.family == UInt16(AF_INET) { return ipv4 }
        var record = record
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 46) { text in
            evg_peer_text(&record, text.baseAddress)
            return text.baseAddress.map { String(cString: $0) } ?? ""
        }
    }
    /// Written by hand, because inet_ntop formats through printf and this is asked for with every request.
    private var ipv4: String {
        String(unsafeUninitializedCapacity: 15) { text in
            var count = 0
            func append(_ byte: UInt8) {
                text[count] = byte
                count += 1
            }
            for (index, part) in [record.bytes.0, record.bytes.1, record.bytes.2, record.bytes.3].enumerated() {
                if index > 0 { append(UInt8(ascii: ".")) }
                if part >= 100 { append(UInt8(ascii: "0") + part / 100) }
                if part >= 10 { append(UInt8(ascii: "0") + part / 10 % 10) }
                append(UInt8(ascii: "0") + part % 10)
            }
            return count
        }
    }

    /// Whether the addresses are the same; the ports may differ.
    package func hasHost(of other: PeerAddress) -> Bool {
        guard record.family == other.record.family else { return false }
        return words == other.words
    }

    /// The bytes of the address, to be compared at once.
    private var words: (UInt64, UInt64) {
        withUnsafeBytes(of: record.bytes) { bytes in
            (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
    }

    package var port: UInt16 { record.port }
    package var isUnix: Bool { record.family == 0 }
}

/// Error numbers as the calls of `Socket` return them: negative.
package enum SocketError {
    @inlinable package static var wouldBlock: Int { -11 }
    package static func isOutOfDescriptors(_ result: Int32) -> Bool {
        result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM
    }
    /// Of a send: the peer has closed or reset the connection.
    package static func isPeerGone(_ result: Int) -> Bool { result == -Int(EPIPE) || result == -Int(ECONNRESET) }
    /// The connection ended between the handshake and accept(2), or a signal came: the caller may accept the next one.
    package static func isTransientAccept(_ result: Int32) -> Bool {
        [
            ECONNABORTED, EINTR, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
            ENETUNREACH, ETIMEDOUT,
        ].contains(-result)
    }
}

package enum Socket {
    package static func accept(_ listener: Int32, peer: inout PeerAddress) -> Int32 {
        evg_accept(listener, &peer.record)
    }
    package static func read(_ fd: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        evg_read(fd, buffer.baseAddress, buffer.count)
    }
    /// As `read`, of a descriptor that somebody else may have made blocking.
    package static func receiveNow(_ fd: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        evg_receive_now(fd, buffer.baseAddress, buffer.count)
    }
    /// As `read`, of bytes that stay where they are.
    package static func peek(_ fd: Int32, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = recv(fd, buffer.baseAddress, buffer.count, Int32(MSG_PEEK | MSG_DONTWAIT))
        return count < 0 ? -Int(errno) : count
    }
    package static func send(_ fd: Int32, _ bytes: UnsafeRawBufferPointer, more: Bool = false) -> Int {
        evg_send(fd, bytes.baseAddress, bytes.count, more ? 1 : 0)
    }
    package static func send(_ fd: Int32, _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Int {
        evg_send2(fd, first.baseAddress, first.count, second.baseAddress, second.count)
    }
    package static func sendFile(_ fd: Int32, from file: Int32, offset: inout Int64, count: Int) -> Int {
        evg_sendfile(fd, file, &offset, count)
    }
    /// Waits in poll(2), which blocks the thread. Returns true if the descriptor became ready in time.
    package static func waitBlocking(_ fd: Int32, for events: IOEvents, seconds: Double) -> Bool {
        evg_poll(fd, events.rawValue, seconds) > 0
    }
    /// What is sent from now on leaves with the end of the connection, in one packet where it fits (tcp(7)).
    package static func holdUntilEnd(_ fd: Int32) {
        var on: Int32 = 1
        _ = setsockopt(fd, Int32(IPPROTO_TCP), TCP_CORK, &on, socklen_t(MemoryLayout<Int32>.size))
    }
    /// Bytes that have come on a TCP connection, and that its peer has acknowledged; nil where the kernel does not say.
    package static func tcpBytes(_ fd: Int32) -> (received: UInt64, acknowledged: UInt64)? {
        var received: UInt64 = 0
        var acknowledged: UInt64 = 0
        return evg_tcp_bytes(fd, &received, &acknowledged) == 0 ? (received, acknowledged) : nil
    }
    package static func shutdownWriting(_ fd: Int32) { _ = shutdown(fd, Int32(SHUT_WR)) }
    /// In both directions, for everyone who has a descriptor of the connection.
    package static func shutdownBoth(_ fd: Int32) { _ = shutdown(fd, Int32(SHUT_RDWR)) }
    /// Another descriptor of the same connection, or -1.
    package static func duplicate(_ fd: Int32) -> Int32 { fcntl(fd, F_DUPFD_CLOEXEC, 3) }
    /// Two stream sockets that are connected to each other and do not block; nil without free descriptors.
    package static func pair() -> (Int32, Int32)? {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        return socketpair(AF_UNIX, type, 0, &ends) == 0 ? (ends[0], ends[1]) : nil
    }
    package static func close(_ fd: Int32) { _ = Glibc.close(fd) }
    /// Closes a connection so that its peer is told, also when a child of this process has a copy; see
    /// `Fork.watch()`.
    package static func closeConnection(_ fd: Int32) { evg_close_connection(fd) }
    /// Closes with a reset, so that the peer cannot take what it got for a complete answer.
    package static func closeWithReset(_ fd: Int32) { evg_close_reset(fd) }
    /// Makes the descriptor non-blocking. Returns false if that failed.
    package static func setNonBlocking(_ fd: Int32) -> Bool { evg_set_nonblocking(fd) == 0 }
}

/// Opens a file without a name, which the file system removes when its last descriptor is closed.
package enum TemporaryFile {
    /// - Returns: an open descriptor, owned by the caller.
    package static func open(in directory: String) throws(SystemError) -> Int32 {
        let fd = evg_temporary_file(directory)
        guard fd >= 0 else { throw SystemError("temporary file in \(directory)", errno: -fd) }
        return fd
    }

    /// Gives the bytes of a file between two offsets back to the file system. Returns false if that cannot do so.
    package static func freeBytes(of file: Int32, from: Int, to end: Int) -> Bool {
        evg_free_bytes(file, Int64(from), Int64(end)) == 0
    }

    /// - Returns: an open descriptor of a file that is in memory, owned by the caller.
    package static func openInMemory() throws(SystemError) -> Int32 {
        let fd = evg_memory_file()
        guard fd >= 0 else { throw SystemError("memfd_create", errno: -fd) }
        return fd
    }
}
