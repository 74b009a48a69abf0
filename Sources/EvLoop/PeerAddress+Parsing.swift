// A peer's address from its text, as proxies write it into fields. Law: any bytes may come; what is not exactly an
// address is none.

import CEvLoop
import Glibc

extension PeerAddress {
    /// The most bytes that the text of an address has: an IPv6 address whose last four bytes are written as IPv4.
    private static let longestText = 45

    /// An IPv4 address in four decimal parts, or an IPv6 address without brackets and without a zone. Nil for any other
    /// bytes. An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) is read as the IPv4 address.
    package init?(parsing text: UnsafeRawBufferPointer, port: UInt16 = 0) {
        // An IPv6 address has at least two colons, so a name or a number is never taken for one.
        guard (2...Self.longestText).contains(text.count), !text.contains(0) else { return nil }
        var record = evg_peer()
        record.port = port
        let isIPv6 = text.contains(UInt8(ascii: ":"))
        let isAddress = withUnsafeTemporaryAllocation(byteCount: Self.longestText + 1, alignment: 1) { copy in
            copy.copyMemory(from: text)
            copy[text.count] = 0
            guard let name = copy.baseAddress?.assumingMemoryBound(to: CChar.self) else { return false }
            return withUnsafeMutableBytes(of: &record.bytes) { bytes in
                inet_pton(isIPv6 ? AF_INET6 : AF_INET, name, bytes.baseAddress) == 1
            }
        }
        guard isAddress else { return nil }
        record.family = UInt16(isIPv6 ? AF_INET6 : AF_INET)
        self.init()
        self.record = record
        if isIPv6 { self = withoutMapping }
    }

    package init?(parsing text: String) {
        var text = text
        guard let address = text.withUTF8({ PeerAddress(parsing: UnsafeRawBufferPointer($0)) }) else { return nil }
        self = address
    }

    /// The IPv4 address for one that is mapped into IPv6 (RFC 4291 section 2.5.5.2).
    var withoutMapping: PeerAddress {
        let mapped = withUnsafeBytes(of: record.bytes) { bytes in
            bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
        }
        guard mapped else { return self }
        var address = PeerAddress()
        address.record.family = UInt16(AF_INET)
        address.record.port = record.port
        let old = record.bytes
        (address.record.bytes.0, address.record.bytes.1) = (old.12, old.13)
        (address.record.bytes.2, address.record.bytes.3) = (old.14, old.15)
        return address
    }
}
