import Glibc

/// The IPv4 port of a socket; nil if the descriptor is closed, or is something else.
func boundPort(_ descriptor: Int32) -> UInt16? {
    var name = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &name) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    return code == 0 && name.sin_family == sa_family_t(AF_INET) ? UInt16(bigEndian: name.sin_port) : nil
}

/// The longest queue of a listening TCP socket. Of TCP_INFO it is the field `tcpi_sacked`, which means this then.
func backlog(of descriptor: Int32) -> UInt32? {
    var information = [UInt8](repeating: 0, count: 104)
    var size = socklen_t(information.count)
    let tcpInfo: Int32 = 11
    guard getsockopt(descriptor, Int32(IPPROTO_TCP), tcpInfo, &information, &size) == 0 else { return nil }
    return information.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 28, as: UInt32.self) }
}
