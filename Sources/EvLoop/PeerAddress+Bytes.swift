import CEvLoop
import Glibc

extension PeerAddress {
    /// - Parameter address: in network order; of an IPv4 address the first four bytes, and zeros.
    package init(isIPv6: Bool, address: SIMD16<UInt8>, port: UInt16) {
        self.init()
        record.family = UInt16(isIPv6 ? AF_INET6 : AF_INET)
        record.port = port
        withUnsafeMutableBytes(of: &record.bytes) { $0.storeBytes(of: address, as: SIMD16<UInt8>.self) }
    }
}
