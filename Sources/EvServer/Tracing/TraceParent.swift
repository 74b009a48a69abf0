// `traceparent` of W3C Trace Context, level 2, section 3.2: the trace that a request belongs to. Law: what a parser of
// an app's might read in another way is not valid. No I/O.

enum TraceParent {
    /// Bytes of `version-trace-parent-flags`: of the whole value in version 00, of its beginning in later ones.
    static let count = 55
    /// Where the 32 digits of the trace stand.
    static let trace = 3..<35
    static let parent = 36..<52

    /// Whether a value may be passed on.
    static func isValid(_ value: UnsafeRawBufferPointer) -> Bool {
        guard value.count >= count, isDash(value[2]), isDash(value[35]), isDash(value[52]),
            let version = number(value, at: 0), version != 0xff, number(value, at: 53) != nil,
            isIdentifier(value, trace), isIdentifier(value, parent)
        else { return false }
        if value.count == count { return true }
        // A later version may have more, behind another dash. Nobody knows yet what that is.
        return version != 0 && isDash(value[count]) && value.allSatisfy { 0x21...0x7e ~= $0 }
    }

    /// Digits in lower case, not all of them 0.
    private static func isIdentifier(_ value: UnsafeRawBufferPointer, _ place: Range<Int>) -> Bool {
        var isZero = true
        for byte in value[place] {
            guard digit(byte) != nil else { return false }
            if byte != UInt8(ascii: "0") { isZero = false }
        }
        return !isZero
    }

    private static func number(_ value: UnsafeRawBufferPointer, at place: Int) -> Int? {
        guard let high = digit(value[place]), let low = digit(value[place + 1]) else { return nil }
        return high << 4 | low
    }

    private static func digit(_ byte: UInt8) -> Int? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): Int(byte - UInt8(ascii: "a")) + 10
        default: nil
        }
    }

    private static func isDash(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "-") }
}
