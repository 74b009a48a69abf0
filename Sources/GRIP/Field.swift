// A field of a response, or an entry of meta data: a name and a value, in bytes.

package struct Field: Equatable, Hashable, Sendable {
    package var name: [UInt8]
    package var value: [UInt8]

    package init(name: [UInt8], value: [UInt8]) {
        self.name = name
        self.value = value
    }

    package init(_ name: StaticString, _ value: String) {
        self.init(name: Array(name.description.utf8), value: Array(value.utf8))
    }

    /// Whether it may stand in a head (RFC 9110 5.1, 5.5).
    var isValid: Bool {
        !name.isEmpty && name.allSatisfy(Self.isTokenByte)
            && value.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}

/// Entries of meta data. A name stands there once.
package typealias Meta = [Field]

extension [Field] {
    /// The value of the entry of that name; nil without one.
    package func value(of name: StaticString) -> [UInt8]? {
        first { entry in
            name.withUTF8Buffer { entry.name.elementsEqual($0) }
        }?.value
    }

    package func value(of name: [UInt8]) -> [UInt8]? { first { $0.name == name }?.value }

    /// Adds an entry, in place of one of the same name.
    package mutating func set(_ entry: Field) throws(GRIPError) {
        let checked = Field(
            name: try checkedText(entry.name, "a name of meta", Limits.metaBytes),
            value: try checkedText(entry.value, "meta '\(shown(entry.name))'", Limits.metaBytes))
        if let index = firstIndex(where: { $0.name == checked.name }) {
            self[index].value = checked.value
        } else {
            guard count < Limits.metaEntries else {
                throw GRIPError("more than \(Limits.metaEntries) entries of meta")
            }
            append(checked)
        }
    }
}

/// ASCII case-insensitive.
func equalIgnoringCase(_ one: some Collection<UInt8>, _ other: some Collection<UInt8>) -> Bool {
    one.count == other.count && zip(one, other).allSatisfy { lower($0) == lower($1) }
}

func startsIgnoringCase(_ bytes: some Collection<UInt8>, with word: StaticString) -> Bool {
    word.withUTF8Buffer { word in bytes.count >= word.count && equalIgnoringCase(bytes.prefix(word.count), word) }
}

private func lower(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
