// The field lines of a response head, as one block of "Name: value" lines, and the members and parameters that stand in
// the values of GRIP's fields.

/// Calls with the name and the value of each line, the value without blanks around it.
func forEachLine<Failure: Error>(
    _ lines: [UInt8], _ body: (_ name: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) throws(Failure) -> Void
) throws(Failure) {
    var rest = lines[...]
    while !rest.isEmpty {
        let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
        let line = rest[..<end]
        rest = rest[end...].dropFirst()
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
        try body(line[..<colon], trimmed(line[(colon + 1)...]))
    }
}

func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d || byte == 0x0a }
    var bytes = bytes.drop(while: isBlank)
    while let last = bytes.last, isBlank(last) { bytes.removeLast() }
    return bytes
}

/// One member of a field's value: `first; name=value; name="value"`.
struct Parameters: Equatable {
    /// What stands in front of the first semicolon, as it is.
    var first: [UInt8] = []
    var others: [Field] = []

    /// The members of a value that are separated by commas. A comma inside quotation marks separates nothing.
    static func members(of value: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var members: [ArraySlice<UInt8>] = []
        var (start, index, isQuoted) = (value.startIndex, value.startIndex, false)
        while index < value.endIndex {
            switch value[index] {
            case UInt8(ascii: "\\") where isQuoted: index += 1
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: ",") where !isQuoted:
                members.append(trimmed(value[start..<index]))
                start = index + 1
            default: break
            }
            index += 1
        }
        if start < value.endIndex { members.append(trimmed(value[start...])) }
        return members
    }

    /// - Returns: nil where a quotation mark is not closed.
    init?(_ member: ArraySlice<UInt8>) {
        let semicolon = member.firstIndex(of: UInt8(ascii: ";")) ?? member.endIndex
        first = Array(trimmed(member[..<semicolon]))
        guard let others = Self.list(member[semicolon...].dropFirst()) else { return nil }
        self.others = others
    }

    /// The parameters of a text that has nothing in front of them.
    static func list(_ text: ArraySlice<UInt8>) -> [Field]? {
        var parameters: [Field] = []
        var rest = text
        while !rest.isEmpty {
            let end = rest.firstIndex { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: ";") } ?? rest.endIndex
            let name = Array(trimmed(rest[..<end]))
            let hasValue = end < rest.endIndex && rest[end] == UInt8(ascii: "=")
            rest = rest[end...].dropFirst()
            var value: [UInt8] = []
            if hasValue {
                if rest.first == UInt8(ascii: "\"") {
                    guard let text = quoted(&rest) else { return nil }
                    value = text
                    rest = rest.drop { $0 != UInt8(ascii: ";") }.dropFirst()
                } else {
                    let end = rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.endIndex
                    value = Array(trimmed(rest[..<end]))
                    rest = rest[end...].dropFirst()
                }
            }
            parameters.append(Field(name: name, value: value))
        }
        return parameters
    }

    /// The value of the first parameter of that name; nil without one.
    func value(of name: StaticString) -> [UInt8]? {
        others.first { entry in name.withUTF8Buffer { equalIgnoringCase(entry.name, $0) } }?.value
    }

    /// Reads a text in quotation marks, and goes past it.
    private static func quoted(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        var text: [UInt8] = []
        rest.removeFirst()
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return text
            case UInt8(ascii: "\\"):
                guard let escaped = rest.popFirst() else { return nil }
                text.append(escaped)
            default: text.append(byte)
            }
        }
        return nil
    }
}

/// A decimal number as it stands in a field; nil for anything else, and for what is beyond 31 bits.
func integer(_ text: [UInt8]) -> Int? {
    var digits = trimmed(text[...])
    let isNegative = digits.first == UInt8(ascii: "-")
    if isNegative || digits.first == UInt8(ascii: "+") { digits.removeFirst() }
    guard !digits.isEmpty, digits.count <= 10 else { return nil }
    var number = 0
    for byte in digits {
        guard (0x30...0x39).contains(byte) else { return nil }
        number = number * 10 + Int(byte - 0x30)
    }
    guard number <= Int(Int32.max) else { return nil }
    return isNegative ? -number : number
}
