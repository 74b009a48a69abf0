// The access log's line as a value: a format in gunicorn's `%(x)s` notation is compiled once into atoms, and a record
// is rendered by walking them; two forms for machines are there by their names. What a client sent is escaped here, so
// a line is one line and a quoted field ends where its quote is. No I/O and no clock.

/// Why an access log format cannot be used.
package struct AccessLogFormatError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// A compiled access log format.
package struct AccessLogFormat: Equatable, Sendable {
    enum Atom: Equatable, Sendable {
        case literal([UInt8])
        case remoteAddress, user, time, requestLine, method, path, query, version, status, bytes, bytesOrDash
        case seconds, milliseconds, microseconds, decimalSeconds, process, dash
        /// Names are in lower case.
        case requestField([UInt8])
        case responseField([UInt8])
        /// As it was typed.
        case variable([UInt8])
    }

    /// `atoms` are walked; the other two have a fixed set of fields.
    enum Form: Equatable, Sendable { case atoms, json, logfmt }

    let form: Form
    let atoms: [Atom]

    /// Whether a line needs to know the response's fields.
    package var showsResponseFields: Bool {
        atoms.contains { if case .responseField = $0 { true } else { false } }
    }

    /// The variables of the app's environ that a line shows, as they were typed.
    package var variables: [[UInt8]] {
        atoms.compactMap { if case .variable(let name) = $0 { name } else { nil } }
    }

    /// Whether a line shows how long a request took, to less than a few milliseconds.
    var showsDuration: Bool {
        form != .atoms
            || atoms.contains { [.milliseconds, .microseconds, .decimalSeconds].contains($0) }
    }

    /// Compiles `text`: `json` or `logfmt`, or a text with `%(x)s` for an atom of gunicorn's (`h l u t r m U q H s B b
    /// f a T M D L p {name}i {name}o {name}e`), and `%%` for a percent sign. Atoms that are not known print `-`.
    package init(parsing text: String) throws(AccessLogFormatError) {
        form = text == "json" ? .json : text == "logfmt" ? .logfmt : .atoms
        guard form == .atoms else {
            atoms = []
            return
        }
        var atoms: [Atom] = []
        var literal: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                // A line break inside a format would let one request write two lines.
                guard byte >= 0x20 || byte == 0x09 else {
                    throw AccessLogFormatError(description: "the format has a control character")
                }
                literal.append(byte)
                continue
            }
            if rest.first == UInt8(ascii: "%") {
                rest.removeFirst()
                literal.append(byte)
                continue
            }
            guard rest.first == UInt8(ascii: "("), let close = rest.firstIndex(of: UInt8(ascii: ")")),
                rest.index(after: close) < rest.endIndex, rest[rest.index(after: close)] == UInt8(ascii: "s")
            else {
                let column = rest.startIndex
                throw AccessLogFormatError(description: "the '%' at column \(column) does not begin '%(name)s'")
            }
            if !literal.isEmpty { atoms.append(.literal(literal)) }
            literal = []
            atoms.append(Self.atom(Array(rest[rest.index(after: rest.startIndex)..<close])))
            rest = rest[(close + 2)...]
        }
        if !literal.isEmpty { atoms.append(.literal(literal)) }
        self.atoms = atoms
    }

    private static func atom(_ name: [UInt8]) -> Atom {
        if name.first == UInt8(ascii: "{"), name.count > 3, name[name.count - 2] == UInt8(ascii: "}") {
            let field = name[1..<(name.count - 2)].map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
            switch name.last {
            case UInt8(ascii: "i"): return .requestField(field)
            case UInt8(ascii: "o"): return .responseField(field)
            case UInt8(ascii: "e"): return .variable(Array(name[1..<(name.count - 2)]))
            default: return .dash
            }
        }
        switch String(decoding: name, as: UTF8.self) {
        case "h": return .remoteAddress
        case "u": return .user
        case "t": return .time
        case "r": return .requestLine
        case "m": return .method
        case "U": return .path
        case "q": return .query
        case "H": return .version
        case "s": return .status
        case "B": return .bytes
        case "b": return .bytesOrDash
        case "f": return .requestField(Array("referer".utf8))
        case "a": return .requestField(Array("user-agent".utf8))
        case "T": return .seconds
        case "M": return .milliseconds
        case "D": return .microseconds
        case "L": return .decimalSeconds
        case "p": return .process
        default: return .dash
        }
    }
}
