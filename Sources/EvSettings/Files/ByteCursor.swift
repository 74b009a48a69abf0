// A place in the text of a configuration file. It counts lines, and sees a line's end as LF, whichever the file has.

struct ByteCursor {
    private let bytes: [UInt8]
    private(set) var position = 0
    /// The line of `position`, from 1.
    private(set) var line = 1

    init(_ text: String) {
        let byteOrderMark = "\u{FEFF}".utf8
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8.starts(with: byteOrderMark) ? text.utf8.dropFirst(byteOrderMark.count) : text.utf8[...] {
            if byte == UInt8(ascii: "\n"), bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
            bytes.append(byte)
        }
        self.bytes = bytes
    }

    var isAtEnd: Bool { position == bytes.count }

    /// The next byte, nil at the end.
    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// The byte `offset` after the next one.
    func byte(at offset: Int) -> UInt8? {
        position + offset < bytes.count ? bytes[position + offset] : nil
    }

    /// Takes the next byte. At the end there must be none to take.
    @discardableResult mutating func take() -> UInt8 {
        let byte = bytes[position]
        position += 1
        if byte == UInt8(ascii: "\n") { line += 1 }
        return byte
    }

    /// Takes `literal` if it comes next, else nothing.
    mutating func take(_ literal: StaticString) -> Bool {
        guard starts(with: literal) else { return false }
        for _ in 0..<literal.utf8CodeUnitCount { take() }
        return true
    }

    func starts(with literal: StaticString) -> Bool {
        literal.withUTF8Buffer { bytes[position...].starts(with: $0) }
    }

    /// Takes the bytes that come next as long as `belongs`.
    @discardableResult mutating func take(while belongs: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let start = position
        while let byte = next, belongs(byte) { take() }
        return bytes[start..<position]
    }

    mutating func skipBlanks() { take(while: \.isBlank) }

    /// Takes the rest of the line without its end.
    @discardableResult mutating func takeLine() -> ArraySlice<UInt8> { take { $0 != UInt8(ascii: "\n") } }
}

extension UInt8 {
    /// A space or a tab.
    var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }
    var isDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }
    var isLetter: Bool { UInt8(ascii: "a")...UInt8(ascii: "z") ~= self | 0x20 }
    var isHexDigit: Bool { isDigit || UInt8(ascii: "a")...UInt8(ascii: "f") ~= self | 0x20 }
    /// A control character of ASCII, other than a tab.
    var isControl: Bool { (self < 0x20 && self != UInt8(ascii: "\t")) || self == 0x7F }
}
