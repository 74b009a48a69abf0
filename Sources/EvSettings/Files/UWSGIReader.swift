// Reads the section [uwsgi] of a uwsgi.ini as uWSGI does: a line is a whole entry, nothing is quoted, and a comment has
// a line of its own. The placeholders in the values are replaced.

package enum UWSGIReader {
    package struct Line: Equatable, Sendable {
        /// As it is written.
        package var key: String
        /// Empty for a key alone, which means true.
        package var value: String
        /// From 1.
        package var number: Int
        /// A line below uses it as `%(key)`. So it may be a name of the file's own.
        package var isPlaceholder: Bool

        package init(_ key: String, _ value: String, number: Int, isPlaceholder: Bool = false) {
            self.key = key
            self.value = value
            self.number = number
            self.isPlaceholder = isPlaceholder
        }
    }

    /// `folder` is the file's, absolute; of `file`, the last component counts. `environment` gives the variables that
    /// the file uses as `$(NAME)`.
    package static func read(
        _ text: String, folder: String, file: String, environment: (String) -> String?
    ) throws(FileSyntaxError) -> [Line] {
        var lines: [Line] = []
        var placeholders = UWSGIPlaceholders(folder: folder, file: file)
        var section: String?
        var hasSection = false
        var cursor = ByteCursor(text)
        while !cursor.isAtEnd {
            let number = cursor.line
            let line = trimmed(cursor.takeLine())
            if !cursor.isAtEnd { cursor.take() }
            switch line.first {
            case nil, UInt8(ascii: ";"), UInt8(ascii: "#"): continue
            case UInt8(ascii: "["):
                guard line.last == UInt8(ascii: "]") else {
                    throw FileSyntaxError(line: number, "expected ] at the end of the line")
                }
                section = String(decoding: line.dropFirst().dropLast(), as: UTF8.self)
                hasSection = hasSection || section == "uwsgi"
            default:
                guard section == "uwsgi" else { continue }
                guard let entry = entry(line, number: number) else {
                    throw FileSyntaxError(line: number, "expected a name before =")
                }
                let value = try placeholders.replaced(in: entry.value, line: number, environment)
                placeholders.define(entry.key, value, index: lines.count)
                lines.append(Line(entry.key, value, number: number))
            }
        }
        guard hasSection else { throw FileSyntaxError("there is no section [uwsgi]") }
        for index in placeholders.used { lines[index].isPlaceholder = true }
        return lines
    }

    private static func entry(_ line: ArraySlice<UInt8>, number: Int) -> Line? {
        let key = trimmed(line.prefix { $0 != UInt8(ascii: "=") })
        guard !key.isEmpty else { return nil }
        let value = trimmed(line.drop { $0 != UInt8(ascii: "=") }.dropFirst())
        return Line(String(decoding: key, as: UTF8.self), String(decoding: value, as: UTF8.self), number: number)
    }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isSpace(_ byte: UInt8) -> Bool { byte.isBlank || byte == UInt8(ascii: "\r") }
        var rest = text.drop(while: isSpace)
        while let last = rest.last, isSpace(last) { rest.removeLast() }
        return rest
    }
}
