// Base64 (RFC 4648 4), for contents that are no text.

package enum Base64 {
    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    private static let urlAlphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    package static func encoded(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var text = encoded(bytes, alphabet)
        while text.count % 4 != 0 { text.append(UInt8(ascii: "=")) }
        return text
    }

    /// In the alphabet of URLs, without padding (RFC 7515 2).
    package static func urlEncoded(_ bytes: some Collection<UInt8>) -> [UInt8] { encoded(bytes, urlAlphabet) }

    private static func encoded(_ bytes: some Collection<UInt8>, _ alphabet: StaticString) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var (bits, count): (UInt32, UInt32) = (0, 0)
        alphabet.withUTF8Buffer { letters in
            for byte in bytes {
                bits = bits << 8 | UInt32(byte)
                count += 8
                while count >= 6 {
                    count -= 6
                    text.append(letters[Int(bits >> count & 63)])
                }
            }
            if count > 0 { text.append(letters[Int(bits << (6 - count) & 63)]) }
        }
        return text
    }

    /// Passes over what is not of the alphabet, as Pushpin does.
    package static func lenientlyDecoded(_ text: some Sequence<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        var (bits, count): (UInt32, UInt32) = (0, 0)
        for byte in text {
            guard let value = value(of: byte, isURL: false) else { continue }
            bits = bits << 6 | value
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> count))
        }
        return bytes
    }

    /// - Returns: nil for anything that is not exactly base64 in the alphabet of URLs, without padding.
    package static func urlDecoded(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 4 != 1 else { return nil }
        var bytes: [UInt8] = []
        var (bits, count): (UInt32, UInt32) = (0, 0)
        for byte in text {
            guard let value = value(of: byte, isURL: true) else { return nil }
            bits = bits << 6 | value
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> count))
        }
        // Bits that are left over are zero, so that one value has one text.
        return bits & (1 << count - 1) == 0 ? bytes : nil
    }

    private static func value(of byte: UInt8, isURL: Bool) -> UInt32? {
        switch byte {
        case 0x41...0x5a: UInt32(byte - 0x41)
        case 0x61...0x7a: UInt32(byte - 0x61 + 26)
        case 0x30...0x39: UInt32(byte - 0x30 + 52)
        case UInt8(ascii: "+") where !isURL, UInt8(ascii: "-") where isURL: 62
        case UInt8(ascii: "/") where !isURL, UInt8(ascii: "_") where isURL: 63
        default: nil
        }
    }
}
