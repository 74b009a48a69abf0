// Splits a line into words as a POSIX shell does, without expansions and comments. The law is `shlex.split` of Python,
// with which gunicorn reads GUNICORN_CMD_ARGS.

package enum ShellWords {
    package static func split(_ text: String) throws(FileSyntaxError) -> [String] {
        var words: [String] = []
        var word: [UInt8] = []
        // A word may be empty: it is one when it has quotes.
        var isInWord = false
        var quote: UInt8?
        var bytes = text.utf8.makeIterator()
        while let byte = bytes.next() {
            switch (byte, quote) {
            case (singleQuote, nil), (doubleQuote, nil):
                quote = byte
                isInWord = true
            case (_, .some(byte)):
                quote = nil
            case (backslash, nil), (backslash, doubleQuote):
                guard let escaped = bytes.next() else { throw FileSyntaxError("nothing follows the last backslash") }
                // Within double quotes, only a quote and a backslash can be escaped.
                if quote != nil, escaped != doubleQuote, escaped != backslash { word.append(backslash) }
                word.append(escaped)
                isInWord = true
            case (_, nil) where isSpace(byte):
                if isInWord { words.append(String(decoding: word, as: UTF8.self)) }
                word.removeAll(keepingCapacity: true)
                isInWord = false
            default:
                word.append(byte)
                isInWord = true
            }
        }
        guard quote == nil else { throw FileSyntaxError("a quotation is not closed") }
        if isInWord { words.append(String(decoding: word, as: UTF8.self)) }
        return words
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte.isBlank || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
    }

    private static let singleQuote = UInt8(ascii: "'")
    private static let doubleQuote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")
}
