// What an id of a request may look like that somebody else has made: it goes to logs, to files that are searched, and
// into commands that people type.

enum RequestID {
    static let longest = 128

    /// Letters, digits and `-._~:+/=@`: UUIDs in each of their forms, base64 in both of its alphabets, `Root=1-...` of
    /// load balancers. Nothing that quotes, separates or expands.
    static func isValid(_ value: UnsafeRawBufferPointer) -> Bool {
        1...longest ~= value.count && value.allSatisfy(isPlain)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "+"), UInt8(ascii: "-")...UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: "@"),
            UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
