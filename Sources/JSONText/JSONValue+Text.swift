// A value as compact text. Members stand in the order of their names, so that one value has one text.

extension JSONValue {
    package var serialized: [UInt8] {
        var text: [UInt8] = []
        write(into: &text)
        return text
    }

    package func write(into text: inout [UInt8]) {
        switch self {
        case .null: text += "null".utf8
        case .boolean(let value): text += (value ? "true" : "false").utf8
        case .number(let number):
            text += (integer.map(String.init) ?? String(number)).utf8
        case .string(let string): Self.quote(string.utf8, into: &text)
        case .array(let values):
            text.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                value.write(into: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .object(let members):
            text.append(UInt8(ascii: "{"))
            for (index, name) in members.keys.sorted().enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                Self.quote(name.utf8, into: &text)
                text.append(UInt8(ascii: ":"))
                members[name]?.write(into: &text)
            }
            text.append(UInt8(ascii: "}"))
        }
    }

    /// Writes UTF-8 as a string; only what has to be is escaped.
    package static func quote(_ utf8: some Collection<UInt8>, into text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        if utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
            text.append(contentsOf: utf8)
        } else {
            for byte in utf8 { text.append(escaping: byte) }
        }
        text.append(UInt8(ascii: "\""))
    }
}

extension [UInt8] {
    fileprivate mutating func append(escaping byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            append(UInt8(ascii: "\\"))
            append(byte)
        case UInt8(ascii: "\n"): self += "\\n".utf8
        case UInt8(ascii: "\r"): self += "\\r".utf8
        case UInt8(ascii: "\t"): self += "\\t".utf8
        case 0..<0x20:
            self += "\\u00".utf8
            append(byte < 0x10 ? UInt8(ascii: "0") : UInt8(ascii: "1"))
            append(contentsOf: String(byte & 15, radix: 16).utf8)
        default: append(byte)
        }
    }
}
