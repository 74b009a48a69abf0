// Text that others have written, on its way to a terminal. Law: no byte of it moves the cursor, changes the terminal,
// or makes text look like another.

package enum Printable {
    /// The text with everything escaped that is not to be seen: `\x1b`, `\u{202e}`.
    package static func text(_ text: String) -> String {
        if text.utf8.allSatisfy({ (0x20..<0x7f).contains($0) }) { return text }
        var result = ""
        for scalar in text.unicodeScalars { append(scalar, to: &result) }
        return result
    }

    /// As ``text(_:)``, of a text whose lines are to stay lines. The last newline is left out.
    package static func lines(_ text: String) -> [String] {
        var lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { line in
            var line = line
            if line.last == "\r" { line.removeLast() }
            return self.text(String(String.UnicodeScalarView(line)))
        }
    }

    private static func append(_ scalar: Unicode.Scalar, to result: inout String) {
        if scalar.isASCII {
            if (0x20..<0x7f).contains(scalar.value) { return result.unicodeScalars.append(scalar) }
            let digits = String(scalar.value, radix: 16)
            return result += (digits.utf8.count < 2 ? "\\x0" : "\\x") + digits
        }
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            result += "\\u{\(String(scalar.value, radix: 16))}"
        default: result.unicodeScalars.append(scalar)
        }
    }

    // MARK: width

    /// The columns of a terminal that the text takes.
    package static func width(_ text: String) -> Int {
        if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
        return text.unicodeScalars.reduce(0) { $0 + width($1) }
    }

    private static func width(_ scalar: Unicode.Scalar) -> Int {
        if scalar.isASCII { return 1 }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return 0
        default: return wide.contains { $0.contains(scalar.value) } ? 2 : 1
        }
    }

    /// Where East Asian width (UAX #11) is wide, as blocks.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff,
        0xfe30...0xfe6f, 0xff01...0xff60, 0xffe0...0xffe6, 0x1f300...0x1f64f, 0x1f680...0x1f6ff, 0x1f900...0x1f9ff,
        0x20000...0x3fffd,
    ]

    /// The text in at most so many columns; one that is cut ends with `>`.
    package static func cut(_ text: String, to columns: Int) -> String {
        guard width(text) > columns else { return text }
        guard columns > 0 else { return "" }
        var result = ""
        var used = 0
        for scalar in text.unicodeScalars {
            used += width(scalar)
            guard used < columns else { break }
            result.unicodeScalars.append(scalar)
        }
        return result + ">"
    }

    package static func padded(_ text: String, to columns: Int, right: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, columns - width(text)))
        return right ? space + text : text + space
    }
}
