// Version 1 of the PROXY header (section 2.1): one line of text, `PROXY TCP4 SOURCE DESTINATION PORT PORT` and CRLF.
// Law: read as the specification has it and not more loosely, because another reader on the way must have seen the same
// address.

import Glibc

enum ProxyLine {
    static let signature: StaticString = "PROXY "

    /// Bytes of the longest line, CRLF included.
    static let longest = 107

    /// - Parameter bytes: begin with the signature.
    static func parse(_ bytes: UnsafeRawBufferPointer) -> ProxyHeader.Outcome {
        let line = bytes.prefix(longest)
        guard let end = line.firstIndex(where: { $0 == 13 || $0 == 10 }), end + 1 < longest else {
            return bytes.count < longest ? .needMoreData(isHeader: true) : .failure(.lineTooLong)
        }
        guard line[end] == 13 else { return .failure(.badLine) }
        guard end + 1 < bytes.count else { return .needMoreData(isHeader: true) }
        guard line[end + 1] == 10 else { return .failure(.badLine) }
        do throws(ProxyHeaderError) {
            let content = line[signature.utf8CodeUnitCount..<end]
            return .header(ProxyHeader(announced: try endpoints(content)), count: end + 2)
        } catch {
            return .failure(error)
        }
    }

    /// Nil for `UNKNOWN`, whatever follows it.
    private static func endpoints(
        _ content: Slice<UnsafeRawBufferPointer>
    ) throws(ProxyHeaderError) -> ProxyHeader.Endpoints? {
        let words = content.split(separator: 32, omittingEmptySubsequences: false)
        if words[0].elementsEqual("UNKNOWN".utf8) { return nil }
        let isIPv6 = words[0].elementsEqual("TCP6".utf8)
        guard isIPv6 || words[0].elementsEqual("TCP4".utf8), words.count == 5 else { throw .badLine }
        func endpoint(_ place: Int) throws(ProxyHeaderError) -> ProxyHeader.Endpoint {
            guard let address = isIPv6 ? ipv6(words[place]) : ipv4(words[place]) else { throw .badAddress }
            guard let port = number(words[place + 2], upTo: 65_535) else { throw .badPort }
            return ProxyHeader.Endpoint(isIPv6: isIPv6, address: address, port: UInt16(port))
        }
        return ProxyHeader.Endpoints(source: try endpoint(1), destination: try endpoint(2))
    }

    /// A decimal number without leading zeros, of at most five digits.
    private static func number(_ digits: some Collection<UInt8>, upTo limit: Int) -> Int? {
        guard !digits.isEmpty, digits.count <= 5, digits.count == 1 || digits.first != UInt8(ascii: "0") else {
            return nil
        }
        var value = 0
        for digit in digits {
            guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return value <= limit ? value : nil
    }

    private static func ipv4(_ text: Slice<UnsafeRawBufferPointer>) -> SIMD16<UInt8>? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address = SIMD16<UInt8>()
        for (index, part) in parts.enumerated() {
            guard let value = number(part, upTo: 255) else { return nil }
            address[index] = UInt8(value)
        }
        return address
    }

    private static func ipv6(_ text: Slice<UnsafeRawBufferPointer>) -> SIMD16<UInt8>? {
        // What could end the text early for C, or names an interface, is none of these.
        let isPlausible = text.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: ":"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isPlausible else { return nil }
        var address = SIMD16<UInt8>()
        return inet_pton(AF_INET6, String(decoding: text, as: UTF8.self), &address) == 1 ? address : nil
    }
}
