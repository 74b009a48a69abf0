// The user in a field `Authorization: Basic ...` (RFC 7617), for the access log. Law: no byte of the password is kept.

/// Returns the user's name, whose bytes may be any but a colon; nil if there is none, or no base64.
func basicUser(of credentials: UnsafeRawBufferPointer) -> [UInt8]? {
    let scheme = UnsafeRawBufferPointer(rebasing: credentials.prefix(6))
    guard scheme.equalsIgnoringCase("basic ".utf8) else { return nil }
    var name: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for byte in credentials.dropFirst(6).drop(while: { $0 == UInt8(ascii: " ") }) {
        if byte == UInt8(ascii: "=") || byte == UInt8(ascii: " ") { break }
        guard let value = base64Value(byte) else { return nil }
        bits = bits << 6 | value
        count += 6
        guard count >= 8 else { continue }
        count -= 8
        let next = UInt8(truncatingIfNeeded: bits >> UInt32(count))
        if next == UInt8(ascii: ":") { break }
        name.append(next)
    }
    return name.isEmpty ? nil : name
}

private func base64Value(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
}
