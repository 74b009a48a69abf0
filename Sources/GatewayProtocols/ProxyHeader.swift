// The header of the PROXY protocol, which a proxy sends before the first byte of a connection that it passes on: who
// has connected to the proxy, and where. Law: bytes to values, no I/O and no clock, and the same answer for the same
// bytes however they arrive. "The PROXY protocol, versions 1 & 2" (haproxy.org) is the specification.

/// What a PROXY header says.
package struct ProxyHeader: Equatable, Sendable {
    /// Who has connected to the proxy, and the address that it has connected to. Nil where the header names nobody that
    /// an IP address could stand for (v1 UNKNOWN; v2 LOCAL, UNSPEC and Unix sockets): the connection then counts as the
    /// proxy's own.
    package let announced: Endpoints?

    package struct Endpoints: Equatable, Sendable {
        package let source: Endpoint
        package let destination: Endpoint
    }

    /// An IP address and a port of TCP.
    package struct Endpoint: Equatable, Sendable {
        package let isIPv6: Bool
        /// In network order; of an IPv4 address the first four, and zeros.
        package let address: SIMD16<UInt8>
        package let port: UInt16

        package init(isIPv6: Bool, address: SIMD16<UInt8>, port: UInt16) {
            self.isIPv6 = isIPv6
            self.address = address
            self.port = port
        }
    }

    package init(announced: Endpoints?) { self.announced = announced }

    /// The versions that are looked for.
    package struct Versions: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let v1 = Versions(rawValue: 1)
        package static let v2 = Versions(rawValue: 2)
    }

    /// What the first bytes of a connection turn out to be.
    package enum Outcome: Equatable, Sendable {
        /// More bytes are needed. `isHeader`: so far as to be sure that they are a header.
        case needMoreData(isHeader: Bool)
        /// Something else than a header; no byte is used up.
        case absent
        /// A whole header of `count` bytes.
        case header(ProxyHeader, count: Int)
        /// A header that must not be used, and so neither may be what follows it.
        case failure(ProxyHeaderError)
    }

    /// Bytes that the longest header may have: v2 could have 65,551, and no proxy sends a tenth of this.
    package static let longest = 16_384

    /// Reads the beginning of a connection.
    ///
    /// - Parameter bytes: all that has come so far, which may be the header and more.
    package static func parse(_ bytes: UnsafeRawBufferPointer, _ versions: Versions) -> Outcome {
        var isUndecided = bytes.isEmpty
        if versions.contains(.v1) {
            switch bytes.matches(ProxyLine.signature) {
            case .whole: return ProxyLine.parse(bytes)
            case .part: isUndecided = true
            case .none: break
            }
        }
        if versions.contains(.v2) {
            switch bytes.matches(ProxyBlock.signature) {
            case .whole: return ProxyBlock.parse(bytes)
            case .part: isUndecided = true
            case .none: break
            }
        }
        return isUndecided ? .needMoreData(isHeader: false) : .absent
    }
}

/// Why a header cannot be used.
package enum ProxyHeaderError: Error, Equatable, Sendable {
    // Version 1.
    case lineTooLong, badLine, badAddress, badPort
    // Version 2.
    case badVersion, badCommand, badFamily, tooLong, cutShort, badField, badChecksum

    /// A sentence without a full stop, for the log.
    package var detail: StaticString {
        switch self {
        case .lineTooLong: "the line of a PROXY header has more than 107 bytes"
        case .badLine: "the line of a PROXY header is malformed"
        case .badAddress: "an address in a PROXY header is malformed"
        case .badPort: "a port in a PROXY header is malformed"
        case .badVersion: "a PROXY header has an unknown version"
        case .badCommand: "a PROXY header has an unknown command"
        case .badFamily: "a PROXY header has an unknown family, or one that is not TCP"
        case .tooLong: "a PROXY header has more than 16384 bytes"
        case .cutShort: "a PROXY header is too short for its addresses"
        case .badField: "a TLV of a PROXY header is malformed"
        case .badChecksum: "the checksum of a PROXY header is wrong"
        }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate enum Match { case none, part, whole }

    /// Whether these bytes begin with all of `signature`, or are its beginning.
    fileprivate func matches(_ signature: StaticString) -> Match {
        let length = signature.utf8CodeUnitCount
        guard !isEmpty else { return .part }
        for index in 0..<Swift.min(count, length) where self[index] != signature.utf8Start[index] { return .none }
        return count < length ? .part : .whole
    }
}
