extension RequestHead {
    /// Whether the client asks for fields behind the body: `TE: trailers` (RFC 9110 10.1.4).
    package var takesTrailers: Bool {
        guard version != .http10 else { return false }
        return fields.contains { field in
            guard matches(field.name, "TE") else { return false }
            return bytes(of: field.value).split(separator: UInt8(ascii: ",")).contains { member in
                let word = member.drop { $0 == 0x20 || $0 == 0x09 }
                    .prefix { $0 != 0x20 && $0 != 0x09 && $0 != UInt8(ascii: ";") }
                return word.count == 8 && zip(word, "trailers".utf8).allSatisfy { $0 | 0x20 == $1 }
            }
        }
    }
}
