// From the value that a source gives to the type of a property. Every error is the end of a sentence that begins with
// the name of the setting.

enum ValueReader {
    /// A whole number: decimal, or after 0x, 0o, 0b as Python writes them.
    static func wholeNumber(_ value: SettingValue, in range: ClosedRange<Int>) throws(ValueError) -> Int {
        let (text, number): (String, Int?)
        switch value {
        case .integer(let integer): (text, number) = (String(integer), integer)
        case .text(let word): (text, number) = (word, integer(word))
        default: throw ValueError("\(value.description) is not a whole number")
        }
        if let number, range.contains(number) { return number }
        if number.map({ $0 > range.upperBound }) ?? isDecimal(text), range.upperBound != .max {
            throw ValueError("'\(text)' is more than \(range.upperBound)")
        }
        throw ValueError("'\(text)' is not a whole number of \(range.lowerBound) or more")
    }

    private static func isDecimal(_ text: String) -> Bool {
        !text.isEmpty && text.allSatisfy { $0.isASCII && $0.isNumber }
    }

    private static func integer(_ text: String) -> Int? {
        if isDecimal(text) { return Int(text) }
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where text.lowercased().hasPrefix(prefix) {
            let digits = text.dropFirst(2)
            return digits.first?.isHexDigit == true ? Int(digits, radix: radix) : nil
        }
        return text.first == "-" && isDecimal(String(text.dropFirst())) ? Int(text) : nil
    }

    static func seconds(_ value: SettingValue) throws(ValueError) -> Double {
        let (text, number): (String, Double?)
        switch value {
        case .integer(let integer): (text, number) = (String(integer), Double(integer))
        case .number(let double): (text, number) = (value.plainText, double)
        case .text(let word):
            let isPlain = word.allSatisfy { $0.isASCII && $0.isNumber || $0 == "." }
            (text, number) = (word, isPlain ? Double(word) : nil)
        default: throw ValueError("\(value.description) is not a number of seconds")
        }
        guard let number, number.isFinite, number >= 0 else {
            throw ValueError("'\(text)' is not a number of seconds of 0 or more")
        }
        guard number <= 31_536_000 else { throw ValueError("'\(text)' is more than 31536000 seconds") }
        return number
    }

    /// `1048576`, `1024K`, `1M`; a `B` or `iB` may follow the letter, and letters may be small.
    static func bytes(_ value: SettingValue) throws(ValueError) -> Int {
        guard case .text(let word) = value else { return try wholeNumber(value, in: 0...Int.max) }
        let digits = word.prefix { $0.isASCII && $0.isNumber }
        let unit = word.dropFirst(digits.count).lowercased()
        let shifts = ["": 0, "b": 0, "k": 10, "kb": 10, "kib": 10, "m": 20, "mb": 20, "mib": 20]
        let larger = ["g": 30, "gb": 30, "gib": 30]
        guard let number = Int(digits), let shift = shifts[unit] ?? larger[unit] else {
            throw ValueError("'\(word)' is not a number of bytes, such as 512M")
        }
        let (bytes, isTooLarge) = number.multipliedReportingOverflow(by: 1 << shift)
        guard !isTooLarge else { throw ValueError("'\(word)' is more than \(Int.max) bytes") }
        return bytes
    }

    static func mode(_ value: SettingValue, isOctal: Bool) throws(ValueError) -> Int {
        var mode: Int?
        switch value {
        case .integer(let integer): mode = integer
        case .text(let text):
            mode = (isOctal || text.first == "0") && isDecimal(text) ? Int(text, radix: 8) : integer(text)
        default: break
        }
        guard let mode, (0...0o777).contains(mode) else {
            throw ValueError("\(value.description) is not a mode of 0 to 0777")
        }
        return mode
    }

    static func boolean(_ value: SettingValue) throws(ValueError) -> Bool {
        switch value {
        case .boolean(let value): return value
        case .integer(0): return false
        case .integer(1): return true
        case .text(let text):
            switch text.trimmedWord.lowercased() {
            case "true", "yes", "on", "1", "y": return true
            case "false", "no", "off", "0", "n": return false
            default: break
            }
        default: break
        }
        throw ValueError("\(value.description) is neither true nor false")
    }

    static func text(_ value: SettingValue) throws(ValueError) -> String {
        switch value {
        case .text(let text): return text
        case .integer, .number: return value.plainText
        default: throw ValueError("\(value.description) is not a text")
        }
    }

    static func nonEmpty(_ value: SettingValue) throws(ValueError) -> String {
        let text = try text(value)
        guard !text.isEmpty else { throw ValueError("the value is empty") }
        return text
    }

    /// A list; one text for a list of one; `{NAME = value}` for `NAME=value`.
    static func texts(_ value: SettingValue) throws(ValueError) -> [String] {
        if case .table(let entries) = value { return entries.map { "\($0.name)=\($0.value.plainText)" } }
        guard case .list(let values) = value else { return [try nonEmpty(value)] }
        var texts: [String] = []
        for value in values { texts.append(try nonEmpty(value)) }
        return texts
    }

    /// `a, b or c`.
    static func alternatives(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return "\(words.dropLast().joined(separator: ", ")) or \(last)"
    }
}

extension SettingValue: CustomStringConvertible {
    /// As messages show it.
    package var description: String {
        switch self {
        case .none: "nothing"
        case .text(let text): "'\(text)'"
        case .list: "a list"
        case .table: "a table"
        default: plainText
        }
    }
}

extension String {
    var trimmedWord: String { String(self[...].trimming(" ")) }
}
