// The grammar of TOML as far as lines and keys: tables, arrays of tables, `key = value`.

struct TOMLParser {
    /// How deep tables and arrays may lie in each other.
    static let mostDepth = 64

    var cursor: ByteCursor

    init(_ text: String) {
        cursor = ByteCursor(text)
    }

    /// Takes the whole text and returns the table at its top.
    mutating func document() throws(FileSyntaxError) -> TOMLTable {
        let document = TOMLTable()
        var table = document
        var depth = 0
        while true {
            try skipEmptyLines()
            guard let byte = cursor.next else { return document }
            if byte == UInt8(ascii: "[") {
                (table, depth) = try header(in: document)
            } else {
                try entry(of: table, depth: depth)
            }
            try endOfLine()
        }
    }

    /// Takes `[a.b]` or `[[a.b]]`. Returns its table and how deep it lies.
    private mutating func header(in document: TOMLTable) throws(FileSyntaxError) -> (TOMLTable, Int) {
        let line = cursor.line
        let isElement = cursor.take("[[")
        if !isElement { cursor.take() }
        let path = try path(depth: 0)
        guard isElement ? cursor.take("]]") : cursor.take("]") else {
            throw failure("expected \(isElement ? "]]" : "]") after the name of the table")
        }
        var table = document
        for key in path.dropLast() { table = try table.parent(key, line: line) }
        let last = path[path.count - 1]
        table = isElement ? try table.element(last, line: line) : try table.header(last, line: line)
        return (table, path.count)
    }

    /// Takes `a.b = value`. `depth` is how deep `table` lies.
    mutating func entry(of table: TOMLTable, depth: Int) throws(FileSyntaxError) {
        let line = cursor.line
        let path = try path(depth: depth)
        guard cursor.take("=") else { throw failure("expected = after the name") }
        cursor.skipBlanks()
        var table = table
        for key in path.dropLast() { table = try table.dotted(key, line: line) }
        let value = try value(depth: depth + path.count)
        try table.define(path[path.count - 1], value, line: line)
    }

    /// Takes `a.b."c"` and the blanks around it; the path has one key at least.
    private mutating func path(depth: Int) throws(FileSyntaxError) -> [TOMLTable.Key] {
        var path: [TOMLTable.Key] = []
        repeat {
            cursor.skipBlanks()
            path.append(try key())
            cursor.skipBlanks()
            guard depth + path.count <= Self.mostDepth else { throw tooDeep() }
        } while cursor.take(".")
        return path
    }

    private mutating func key() throws(FileSyntaxError) -> TOMLTable.Key {
        switch cursor.next {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return try stringOfOneLine()
        default:
            let key = cursor.take { $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
            guard !key.isEmpty else { throw failure("expected a name") }
            return Array(key)
        }
    }

    /// Takes blanks, comments and ends of lines.
    mutating func skipEmptyLines() throws(FileSyntaxError) {
        repeat {
            cursor.skipBlanks()
            try skipComment()
        } while cursor.take("\n")
    }

    private mutating func endOfLine() throws(FileSyntaxError) {
        cursor.skipBlanks()
        try skipComment()
        guard cursor.isAtEnd || cursor.take("\n") else { throw failure("expected the end of the line") }
    }

    private mutating func skipComment() throws(FileSyntaxError) {
        guard cursor.next == UInt8(ascii: "#") else { return }
        guard !cursor.takeLine().contains(where: \.isControl) else {
            throw failure("a comment cannot hold control characters")
        }
    }

    /// An error at this place. The reason of one that is at the end of the file says so.
    func failure(_ reason: String) -> FileSyntaxError {
        FileSyntaxError(line: cursor.line, cursor.isAtEnd ? "\(reason), and the file ends" : reason)
    }

    func tooDeep() -> FileSyntaxError {
        FileSyntaxError(line: cursor.line, "more than \(Self.mostDepth) tables or arrays in each other")
    }
}
