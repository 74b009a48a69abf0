// Text of others as it may stand in a line of the log.

/// Escapes what could begin a new line, or control a terminal.
///
/// - Parameters:
///   - quotes: also what could end a quoted text.
///   - separators: also what only some programs take for the end of a line.
package func escapingControls(_ text: String, quotes: Bool = true, separators: Bool = false) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        let isEscaped =
            switch scalar {
            case "\0"..<" ", "\u{7f}"..."\u{9f}": true
            case "\"", "\\": quotes
            case "\u{2028}", "\u{2029}": separators
            default: false
            }
        guard isEscaped else {
            result.unicodeScalars.append(scalar)
            continue
        }
        let digits = String(scalar.value, radix: 16)
        let (prefix, width) = scalar.value < 0x100 ? ("\\x", 2) : ("\\u", 4)
        result += prefix + String(repeating: "0", count: width - digits.utf8.count) + digits
    }
    return result
}
