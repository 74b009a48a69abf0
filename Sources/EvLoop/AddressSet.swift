// Which peers are meant: single addresses, networks in CIDR notation, or everybody. Law: the text is checked when it is
// read, strictly, so that a mistake is an error of the settings and not an open door.

import CEvLoop
import Glibc

/// Why a text is no address and no network: the end of a sentence.
package struct AddressSetError: Error, Equatable {
    package let reason: String
}

/// A set of peers, as `--forwarded-allow-ips` names it.
package struct AddressSet: Sendable, Equatable {
    /// `*`: every peer, whatever its address.
    package private(set) var isEverybody = false
    private var networks: [Network] = []
    /// As it was written, one entry each.
    package private(set) var texts: [String] = []

    package init() {}

    /// `127.0.0.1,::1`.
    package static let loopback: AddressSet = {
        var set = AddressSet()
        set.networks = ["127.0.0.1", "::1"].compactMap { try? Network($0) }
        set.texts = ["127.0.0.1", "::1"]
        return set
    }()

    /// Addresses (`192.0.2.1`, `::1`), networks (`10.0.0.0/8`, `fd00::/8`) and `*`.
    ///
    /// - Throws: for another text, and for a network whose address has bits beyond its prefix, as gunicorn does:
    ///   `192.168.1.1/24` is meant as a single address or as the whole network.
    package init(_ texts: [String]) throws(AddressSetError) {
        for text in texts {
            if text == "*" { isEverybody = true } else { networks.append(try Network(text)) }
            self.texts.append(text)
        }
    }

    /// A peer without an address, that of a unix socket, is in the set of everybody alone.
    package func contains(_ peer: PeerAddress) -> Bool {
        if isEverybody { return true }
        if peer.isUnix { return false }
        // A socket of IPv6 that takes IPv4 too has the mapped form.
        let address = peer.withoutMapping
        return networks.contains { $0.contains(address) }
    }
}

private struct Network: Sendable, Equatable {
    let family: UInt16
    /// The address and the mask in the order of the network, as two numbers of eight bytes each.
    let address, mask: (high: UInt64, low: UInt64)

    static func == (one: Network, other: Network) -> Bool {
        one.family == other.family && one.address == other.address && one.mask == other.mask
    }

    init(_ text: String) throws(AddressSetError) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = PeerAddress(parsing: String(first)) else {
            throw AddressSetError(reason: "'\(text)' is no IP address and no network")
        }
        family = address.record.family
        let bits = family == UInt16(AF_INET) ? 32 : 128
        var length = bits
        if parts.count > 1 {
            let digits = parts[1].utf8.allSatisfy { (48...57).contains($0) }
            guard digits, let number = Int(parts[1]), number <= bits, first.contains(":") == (bits == 128) else {
                throw AddressSetError(reason: "'\(text)' is no network: its prefix is a number up to \(bits)")
            }
            length = number
        }
        self.address = address.halves
        mask = (Self.ones(min(length, 64)), Self.ones(max(length - 64, 0)))
        guard self.address.high & ~mask.high == 0, self.address.low & ~mask.low == 0 else {
            throw AddressSetError(reason: "'\(text)' has bits beyond its prefix: write the address or its network")
        }
    }

    /// A number whose first `count` bits are set.
    private static func ones(_ count: Int) -> UInt64 { count == 0 ? 0 : ~0 << (64 - UInt64(count)) }

    /// - Parameter peer: not in the mapped form.
    func contains(_ peer: PeerAddress) -> Bool {
        guard peer.record.family == family else { return false }
        let (high, low) = peer.halves
        return high & mask.high == address.high && low & mask.low == address.low
    }
}

extension PeerAddress {
    fileprivate var halves: (high: UInt64, low: UInt64) {
        withUnsafeBytes(of: record.bytes) { bytes in
            (
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
    }
}
