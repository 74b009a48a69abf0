// A line of text for a terminal, in parts of different looks. Its text is printable; only `bytes` adds what a terminal
// obeys.

struct Line: Equatable {
    enum Style: Equatable {
        case plain
        case bold
        case faint
        case good
        case warning
        case bad
        case reversed
    }

    struct Part: Equatable {
        var text: String
        var style: Style
    }

    /// What may be written besides text.
    enum Ink {
        /// Nothing: the output is no terminal.
        case none
        /// Bold and reversed, without colours.
        case attributes
        case colours
    }

    private(set) var parts: [Part] = []

    init(_ text: String = "", _ style: Style = .plain) { append(text, style) }

    mutating func append(_ text: String, _ style: Style = .plain) {
        if !text.isEmpty { parts.append(Part(text: text, style: style)) }
    }

    var text: String { parts.map(\.text).joined() }
    var width: Int { parts.reduce(0) { $0 + Printable.width($1.text) } }

    /// In at most so many columns; nil for any.
    func cut(to columns: Int?) -> Line {
        guard let columns, width > columns else { return self }
        var line = Line()
        var left = columns
        for part in parts {
            let width = Printable.width(part.text)
            // One column is for the sign that there is more.
            if width < left || width == left && part == parts.last {
                line.append(part.text, part.style)
                left -= width
            } else {
                line.append(Printable.cut(width == left ? part.text + " " : part.text, to: left), part.style)
                break
            }
        }
        return line
    }

    /// The whole line in one look, up to so many columns.
    func reversed(to columns: Int) -> Line { Line(Printable.padded(cut(to: columns).text, to: columns), .reversed) }

    /// Without an end of line.
    func bytes(_ ink: Ink) -> [UInt8] {
        var bytes: [UInt8] = []
        for part in parts {
            let code = Self.code(part.style, ink)
            if let code { bytes.append(contentsOf: "\u{1b}[\(code)m".utf8) }
            bytes.append(contentsOf: part.text.utf8)
            if code != nil { bytes.append(contentsOf: "\u{1b}[0m".utf8) }
        }
        return bytes
    }

    /// ECMA-48 section 8.3.117.
    private static func code(_ style: Style, _ ink: Ink) -> Int? {
        switch (ink, style) {
        case (.none, _), (_, .plain): nil
        case (_, .bold): 1
        case (_, .reversed): 7
        case (.attributes, _): nil
        case (.colours, .faint): 2
        case (.colours, .good): 32
        case (.colours, .warning): 33
        case (.colours, .bad): 31
        }
    }
}
