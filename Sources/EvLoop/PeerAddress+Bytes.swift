import CEvLoop
import Glibc

extension PeerAddress: Equatable {
    package static func == (one: PeerAddress, other: PeerAddress) -> Bool {
        one.hasHost(of: other) && one.port == other.port
    }
}

extension PeerAddress {
    /// - Parameter address: in network order; of an IPv4 address the first four bytes, and zeros.
    package init(isIPv6: Bool, address: SIMD16<UInt8>, port: UInt16) {
        self.init()
        record.family = UInt16(isIPv6 ? AF_INET6 : AF_INET)
        record.port = port
        withUnsafeMutableBytes(of: &record.bytes) { $0.storeBytes(of: address, as: SIMD16<UInt8>.self) }
    }

    /// Of its form for another process of this program.
    package static let byteCount = MemoryLayout<evg_peer>.size

    package func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) { withUnsafeBytes(of: record, body) }

    /// - Parameter bytes: at least ``byteCount``. Any bytes give an address.
    package init(bytes: UnsafeRawBufferPointer) {
        self.init()
        let record = bytes.loadUnaligned(as: evg_peer.self)
        if [0, UInt16(AF_INET), UInt16(AF_INET6)].contains(record.family) { self.record = record }
    }
}
