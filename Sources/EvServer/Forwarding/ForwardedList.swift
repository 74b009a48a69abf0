// The elements of a list that each proxy extends on the right. Law: it is read from the right, so that what a client
// has written is never looked at before what the proxies have added, and cannot hide it.

/// Walks over a list's elements from the last to the first, without the blanks around them. Empty ones are skipped
/// (RFC 9110 section 5.6.1.2).
struct ForwardedList {
    private let bytes: UnsafeRawBufferPointer
    /// Where what is still to be read ends.
    private var end: Int
    /// A comma within double quotes separates nothing.
    private let knowsQuotes: Bool

    init(_ bytes: UnsafeRawBufferPointer, knowsQuotes: Bool = false) {
        self.bytes = bytes
        end = bytes.count
        self.knowsQuotes = knowsQuotes
    }

    mutating func previous() -> UnsafeRawBufferPointer? {
        while end > 0 {
            let start = startOfElement()
            let element = bytes[start..<end]
            // The comma before it goes with it.
            end = max(start - 1, 0)
            let trimmed = UnsafeRawBufferPointer(rebasing: element).withoutBlanks
            if !trimmed.isEmpty { return trimmed }
        }
        return nil
    }

    /// Where the last element begins. A quote that is not closed reaches to the beginning; whoever reads the element
    /// finds it malformed.
    private func startOfElement() -> Int {
        var at = end
        var isQuoted = false
        while at > 0 {
            let byte = bytes[at - 1]
            if knowsQuotes, byte == UInt8(ascii: "\"") {
                if !isQuoted { isQuoted = true } else if !isEscaped(at - 1) { isQuoted = false }
            } else if byte == UInt8(ascii: ","), !isQuoted {
                return at
            }
            at -= 1
        }
        return 0
    }

    /// Whether an odd number of backslashes stands before a place.
    private func isEscaped(_ place: Int) -> Bool {
        var at = place
        while at > 0, bytes[at - 1] == UInt8(ascii: "\\") { at -= 1 }
        return (place - at) % 2 == 1
    }
}

extension UnsafeRawBufferPointer {
    /// Without spaces and tabs at both ends.
    var withoutBlanks: UnsafeRawBufferPointer {
        var (start, end) = (0, count)
        while start < end, self[start].isBlank { start += 1 }
        while end > start, self[end - 1].isBlank { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: self[start..<end])
    }
}

extension UInt8 {
    var isBlank: Bool { self == 32 || self == 9 }
    var isDigit: Bool { (48...57).contains(self) }
}
