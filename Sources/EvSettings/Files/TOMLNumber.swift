// TOML's integers and floats, from a word that can be nothing else.

enum TOMLNumber {
    struct Failure: Error {
        var reason: String

        static let isNone = Failure(reason: "is no value: a text stands in quotes")
        static let isTooLarge = Failure(reason: "does not fit in 64 bits")
    }

    /// True if the word begins like 2024-01-31 or 10:15.
    static func isDate(_ word: ArraySlice<UInt8>) -> Bool {
        let digits = word.prefix(while: \.isDigit).count
        let next = word.dropFirst(digits).first
        return (digits == 4 && next == UInt8(ascii: "-")) || (digits == 2 && next == UInt8(ascii: ":"))
    }

    static func read(_ word: ArraySlice<UInt8>) throws(Failure) -> SettingValue {
        if let radix = radix(word.prefix(2)) {
            guard let digits = digits(word.dropFirst(2), radix.contains) else { throw .isNone }
            guard let value = Int(String(decoding: digits, as: UTF8.self), radix: radix.base) else {
                throw .isTooLarge
            }
            return .integer(value)
        }
        let hasSign = word.first.map(isSign) ?? false
        let number = word.dropFirst(hasSign ? 1 : 0)
        let whole = number.prefix { $0 != UInt8(ascii: ".") && $0 | 0x20 != UInt8(ascii: "e") }
        guard var plain = digits(whole, \.isDigit), plain.count == 1 || plain.first != UInt8(ascii: "0") else {
            throw .isNone
        }
        if hasSign { plain.insert(word[word.startIndex], at: 0) }
        if whole.count == number.count {
            guard let value = Int(String(decoding: plain, as: UTF8.self)) else { throw .isTooLarge }
            return .integer(value)
        }
        plain += try fractionAndExponent(number.dropFirst(whole.count))
        guard let value = Double(String(decoding: plain, as: UTF8.self)), value.isFinite else { throw .isTooLarge }
        return .number(value)
    }

    /// `.5`, `e-3` or both, without underscores.
    private static func fractionAndExponent(_ tail: ArraySlice<UInt8>) throws(Failure) -> [UInt8] {
        var plain: [UInt8] = []
        var rest = tail
        if rest.first == UInt8(ascii: ".") {
            let fraction = rest.dropFirst().prefix { $0 | 0x20 != UInt8(ascii: "e") }
            guard let digits = digits(fraction, \.isDigit) else { throw .isNone }
            plain += [UInt8(ascii: ".")] + digits
            rest = rest.dropFirst(1 + fraction.count)
        }
        guard let mark = rest.first else { return plain }
        rest = rest.dropFirst()
        plain.append(mark)
        if let sign = rest.first, isSign(sign) {
            plain.append(sign)
            rest = rest.dropFirst()
        }
        guard let exponent = digits(rest, \.isDigit) else { throw .isNone }
        return plain + exponent
    }

    /// The digits without their underscores; nil if there are none, or an underscore is not between two digits.
    private static func digits(_ text: ArraySlice<UInt8>, _ isDigit: (UInt8) -> Bool) -> [UInt8]? {
        guard let first = text.first, let last = text.last, isDigit(first), isDigit(last) else { return nil }
        var digits: [UInt8] = []
        var previous = first
        for byte in text {
            if isDigit(byte) {
                digits.append(byte)
            } else {
                guard byte == underscore, previous != underscore else { return nil }
            }
            previous = byte
        }
        return digits
    }

    private static func radix(_ prefix: ArraySlice<UInt8>) -> (base: Int, contains: (UInt8) -> Bool)? {
        switch String(decoding: prefix, as: UTF8.self) {
        case "0x": (16, \.isHexDigit)
        case "0o": (8, { UInt8(ascii: "0")...UInt8(ascii: "7") ~= $0 })
        case "0b": (2, { UInt8(ascii: "0")...UInt8(ascii: "1") ~= $0 })
        default: nil
        }
    }

    private static func isSign(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") }

    private static let underscore = UInt8(ascii: "_")
}
