// TOML's strings: basic ones with escapes, literal ones without, and both over several lines.

extension TOMLParser {
    /// Takes a string of any kind.
    mutating func string() throws(FileSyntaxError) -> String {
        let isLong = cursor.starts(with: "\"\"\"") || cursor.starts(with: "'''")
        return String(decoding: isLong ? try stringOfLines() : try stringOfOneLine(), as: UTF8.self)
    }

    /// Takes `"…"` or `'…'`.
    mutating func stringOfOneLine() throws(FileSyntaxError) -> [UInt8] {
        let quote = cursor.take()
        var text: [UInt8] = []
        while let byte = cursor.next, byte != UInt8(ascii: "\n") {
            if byte == quote {
                cursor.take()
                return text
            }
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                try escape(into: &text)
            } else {
                text.append(try character())
            }
        }
        throw FileSyntaxError(line: cursor.line, "the string is not closed on its line")
    }

    /// Takes `"""…"""` or `'''…'''`.
    private mutating func stringOfLines() throws(FileSyntaxError) -> [UInt8] {
        let line = cursor.line
        let quote = cursor.take()
        cursor.take()
        cursor.take()
        var text: [UInt8] = []
        // The first line does not count if it is empty.
        _ = cursor.take("\n")
        while let byte = cursor.next {
            switch byte {
            case quote:
                // One or two quotes are text, also in front of the three that end the string.
                let quotes = takeQuotes(quote)
                text += repeatElement(quote, count: quotes < 3 ? quotes : quotes - 3)
                if quotes >= 3 { return text }
            case UInt8(ascii: "\\") where quote == UInt8(ascii: "\""):
                if try !skipLineBreak() { try escape(into: &text) }
            case UInt8(ascii: "\n"): text.append(cursor.take())
            default: text.append(try character())
            }
        }
        throw FileSyntaxError(line: line, "the string is not closed")
    }

    /// Takes up to five quotes and returns how many.
    private mutating func takeQuotes(_ quote: UInt8) -> Int {
        var count = 0
        while count < 5, cursor.next == quote {
            cursor.take()
            count += 1
        }
        return count
    }

    /// Takes a backslash at the end of a line, and all white space up to the next character. Returns false, and takes
    /// nothing, if the backslash is not at the end of a line.
    private mutating func skipLineBreak() throws(FileSyntaxError) -> Bool {
        var end = 1
        while cursor.byte(at: end)?.isBlank ?? false { end += 1 }
        guard cursor.byte(at: end) == UInt8(ascii: "\n") else { return false }
        cursor.take()
        cursor.take { $0.isBlank || $0 == UInt8(ascii: "\n") }
        return true
    }

    private mutating func character() throws(FileSyntaxError) -> UInt8 {
        guard let byte = cursor.next, !byte.isControl else {
            throw failure("a control character in a string must be written as an escape")
        }
        return cursor.take()
    }

    /// Takes a backslash and what it escapes, and appends what they mean.
    private mutating func escape(into text: inout [UInt8]) throws(FileSyntaxError) {
        cursor.take()
        switch cursor.next {
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): text.append(cursor.next ?? 0)
        case UInt8(ascii: "u"): return text += try scalar(digits: 4).utf8
        case UInt8(ascii: "U"): return text += try scalar(digits: 8).utf8
        default: throw failure("no such escape: \\ stands before b, t, n, f, r, \", \\, uXXXX or UXXXXXXXX")
        }
        cursor.take()
    }

    /// Takes a letter and the `count` digits of a code point after it.
    private mutating func scalar(digits count: Int) throws(FileSyntaxError) -> Character {
        cursor.take()
        var value: UInt32 = 0
        for _ in 0..<count {
            guard let digit = cursor.next.flatMap({ Character(UnicodeScalar($0)).hexDigitValue }) else {
                throw failure("expected \(count) hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            cursor.take()
        }
        guard let scalar = UnicodeScalar(value) else { throw failure("the escape is no Unicode scalar value") }
        return Character(scalar)
    }
}
