// Version 2 of the PROXY header (section 2.2): 12 bytes that no text begins with, version and command, family and
// transport, the length of the rest in two bytes, and the rest: addresses, and fields of type, length and value (TLV).
// Law: no length that was received is used before it has been compared with what is there.

enum ProxyBlock {
    static let signature: StaticString = "\r\n\r\n\0\r\nQUIT\n"
    /// Bytes before the addresses.
    private static let fixed = 16

    private enum Family: UInt8 {
        case unspecified, ipv4, ipv6, unix

        /// Bytes of both addresses and ports.
        var size: Int {
            switch self {
            case .unspecified: 0
            case .ipv4: 12
            case .ipv6: 36
            case .unix: 216
            }
        }
    }

    /// - Parameter bytes: begin with the signature.
    static func parse(_ bytes: UnsafeRawBufferPointer) -> ProxyHeader.Outcome {
        // Each byte is judged as soon as it is there: the answer must not depend on how many come at once.
        guard bytes.count > 12 else { return .needMoreData(isHeader: true) }
        guard bytes[12] >> 4 == 2 else { return .failure(.badVersion) }
        guard bytes[12] & 0x0F <= 1 else { return .failure(.badCommand) }
        let isLocal = bytes[12] & 0x0F == 0
        guard bytes.count > 13 else { return .needMoreData(isHeader: true) }
        let family = Family(rawValue: bytes[13] >> 4)
        guard isLocal || isSpoken(family, transport: bytes[13] & 0x0F) else { return .failure(.badFamily) }
        guard bytes.count >= fixed else { return .needMoreData(isHeader: true) }
        let count = fixed + (Int(bytes[14]) << 8 | Int(bytes[15]))
        guard count <= ProxyHeader.longest else { return .failure(.tooLong) }
        guard bytes.count >= count else { return .needMoreData(isHeader: true) }
        // LOCAL is the proxy's own, as its health checks are, and all that it carries is to be skipped; so is what
        // stands behind addresses of unknown size.
        guard !isLocal, let family, family != .unspecified else {
            return .header(ProxyHeader(announced: nil), count: count)
        }
        do throws(ProxyHeaderError) {
            let header = UnsafeRawBufferPointer(rebasing: bytes[..<count])
            guard count >= fixed + family.size else { throw .cutShort }
            try checkFields(header, from: fixed + family.size)
            return .header(ProxyHeader(announced: endpoints(header, family)), count: count)
        } catch {
            return .failure(error)
        }
    }

    /// HTTP comes over streams. A family or transport that is not defined must be refused; one that is not specified
    /// says nothing.
    private static func isSpoken(_ family: Family?, transport: UInt8) -> Bool {
        switch family {
        case .unspecified: transport <= 2
        case .unix: transport == 1 || transport == 2
        case .ipv4, .ipv6: transport == 1
        case nil: false
        }
    }

    /// - Parameter header: has the family's addresses.
    private static func endpoints(_ header: UnsafeRawBufferPointer, _ family: Family) -> ProxyHeader.Endpoints? {
        guard family != .unix else { return nil }
        let size = family == .ipv6 ? 16 : 4
        func endpoint(_ place: Int) -> ProxyHeader.Endpoint {
            var address = SIMD16<UInt8>()
            for index in 0..<size { address[index] = header[fixed + place * size + index] }
            let port = fixed + 2 * size + 2 * place
            return ProxyHeader.Endpoint(
                isIPv6: family == .ipv6, address: address, port: UInt16(header[port]) << 8 | UInt16(header[port + 1]))
        }
        return ProxyHeader.Endpoints(source: endpoint(0), destination: endpoint(1))
    }

    // MARK: TLV

    /// PP2_TYPE_CRC32C
    private static let checksumType: UInt8 = 3

    /// Follows the fields to the end, which they have to reach exactly. None of them means anything here but the
    /// checksum, which the receiver has to verify where there is one.
    private static func checkFields(_ header: UnsafeRawBufferPointer, from start: Int) throws(ProxyHeaderError) {
        var place = start
        var isChecked = false
        while place < header.count {
            guard header.count - place >= 3 else { throw .badField }
            let length = Int(header[place + 1]) << 8 | Int(header[place + 2])
            let value = place + 3
            guard header.count - value >= length else { throw .badField }
            if header[place] == checksumType {
                // One is as much as is worth the work.
                guard length == 4, !isChecked else { throw .badField }
                isChecked = true
                let expected = header[value..<(value + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                guard checksum(header, without: value..<(value + 4)) == expected else { throw .badChecksum }
            }
            place = value + length
        }
    }

    /// CRC-32C (RFC 3720 appendix B.4) of the header with zeros in place of the checksum itself.
    private static func checksum(_ header: UnsafeRawBufferPointer, without itself: Range<Int>) -> UInt32 {
        var remainder = UInt32.max
        for (index, byte) in header.enumerated() {
            remainder ^= itself.contains(index) ? 0 : UInt32(byte)
            for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0x82F6_3B78 : 0) }
        }
        return ~remainder
    }
}
