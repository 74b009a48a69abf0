// Reads files of environment variables in the form that Docker, systemd and python-dotenv share: `NAME=value`, one a
// line. No value is expanded: `$` is a character like another.

package enum EnvironmentFile {
    /// The variables in the order of the file. A name that is repeated is given as often.
    package static func read(_ text: String) throws(FileSyntaxError) -> [(name: String, value: String)] {
        var variables: [(name: String, value: String)] = []
        var cursor = ByteCursor(text)
        while !cursor.isAtEnd {
            cursor.skipBlanks()
            switch cursor.next {
            case nil: break
            case UInt8(ascii: "\n"): cursor.take()
            case UInt8(ascii: "#"), UInt8(ascii: ";"): cursor.takeLine()
            default:
                let line = cursor.line
                let name = try name(&cursor)
                let value = try value(&cursor)
                guard !value.contains(0) else {
                    throw FileSyntaxError(line: line, "a variable cannot hold a NUL character")
                }
                variables.append((name, String(decoding: value, as: UTF8.self)))
            }
        }
        return variables
    }

    /// Takes the name and the sign `=`, with the blanks around it.
    private static func name(_ cursor: inout ByteCursor) throws(FileSyntaxError) -> String {
        let line = cursor.line
        func isEnd(_ byte: UInt8) -> Bool { byte.isBlank || byte == UInt8(ascii: "=") || byte == UInt8(ascii: "\n") }
        var name = cursor.take { !isEnd($0) }
        cursor.skipBlanks()
        if name.elementsEqual("export".utf8), cursor.next != UInt8(ascii: "=") {
            name = cursor.take { !isEnd($0) }
            cursor.skipBlanks()
        }
        let text = String(decoding: name, as: UTF8.self)
        guard cursor.take("=") else { throw FileSyntaxError(line: line, "expected NAME=value") }
        guard let first = name.first, !first.isDigit,
            name.allSatisfy({ $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "_") })
        else {
            let rule = "a name has letters, digits and _, and does not begin with a digit"
            throw FileSyntaxError(line: line, "'\(text.oneLine)' is no name of a variable: \(rule)")
        }
        return text
    }

    /// Takes the value and the rest of its last line.
    private static func value(_ cursor: inout ByteCursor) throws(FileSyntaxError) -> [UInt8] {
        let hasBlanks = cursor.next?.isBlank ?? false
        cursor.skipBlanks()
        switch cursor.next {
        case UInt8(ascii: "'"), UInt8(ascii: "\""):
            let value = try quotedValue(&cursor)
            cursor.skipBlanks()
            guard [nil, UInt8(ascii: "\n"), UInt8(ascii: "#")].contains(cursor.next) else {
                throw FileSyntaxError(line: cursor.line, "only a comment may follow the closing quote")
            }
            cursor.takeLine()
            return value
        case UInt8(ascii: "#") where hasBlanks:
            cursor.takeLine()
            return []
        default:
            return plainValue(cursor.takeLine())
        }
    }

    /// Of the rest of a line: what stands before ` #`, without the blanks at its end.
    private static func plainValue(_ rest: ArraySlice<UInt8>) -> [UInt8] {
        let comment = rest.indices.dropFirst().first { rest[$0] == UInt8(ascii: "#") && rest[$0 - 1].isBlank }
        var value = rest[..<(comment ?? rest.endIndex)]
        while let last = value.last, last.isBlank { value.removeLast() }
        return Array(value)
    }

    private static func quotedValue(_ cursor: inout ByteCursor) throws(FileSyntaxError) -> [UInt8] {
        let line = cursor.line
        let quote = cursor.take()
        var value: [UInt8] = []
        while let byte = cursor.next {
            cursor.take()
            if byte == quote { return value }
            guard byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\""), let escaped = cursor.next else {
                value.append(byte)
                continue
            }
            cursor.take()
            switch escaped {
            case UInt8(ascii: "n"): value.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "r"): value.append(UInt8(ascii: "\r"))
            case UInt8(ascii: "t"): value.append(UInt8(ascii: "\t"))
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "$"): value.append(escaped)
            default: value += [byte, escaped]
            }
        }
        throw FileSyntaxError(line: line, "the quote is not closed")
    }
}
