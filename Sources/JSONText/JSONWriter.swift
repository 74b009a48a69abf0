// JSON as it is written (RFC 8259). What clients have sent may stand in it, so everything that is not printable is
// escaped.

/// Builds one JSON text, from left to right.
package struct JSONWriter {
    package private(set) var bytes: [UInt8] = []
    /// A value stands before the next one.
    private var needsComma = false

    package init() {}

    package mutating func object(_ body: (inout JSONWriter) -> Void) { nest("{", "}", body) }
    package mutating func array(_ body: (inout JSONWriter) -> Void) { nest("[", "]", body) }

    package mutating func object(_ name: StaticString, _ body: (inout JSONWriter) -> Void) {
        self.name(name)
        object(body)
    }

    package mutating func array(_ name: StaticString, _ body: (inout JSONWriter) -> Void) {
        self.name(name)
        array(body)
    }

    package mutating func member(_ name: StaticString, _ value: String?) {
        self.name(name)
        if let value { string(value) } else { raw("null") }
    }

    package mutating func member(_ name: StaticString, _ value: some BinaryInteger) {
        self.name(name)
        comma()
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        digits(UInt64(clamping: value.magnitude))
        needsComma = true
    }

    package mutating func member(_ name: StaticString, _ value: (some BinaryInteger)?) {
        if let value { member(name, value) } else { null(name) }
    }

    package mutating func null(_ name: StaticString) {
        self.name(name)
        raw("null")
    }

    /// A text as a client has sent it, repaired where it is not UTF-8; null where there is none.
    /// - Parameter isCut: an ellipsis is to show that more of it came.
    package mutating func member(_ name: StaticString, utf8 bytes: [UInt8]?, isCut: Bool = false) {
        guard let bytes else { return null(name) }
        self.name(name)
        comma()
        if !isCut, bytes.allSatisfy(Self.isPlain) {
            quoted(plain: bytes)
        } else {
            quoted(String(decoding: bytes, as: UTF8.self) + (isCut ? "\u{2026}" : ""))
        }
        needsComma = true
    }

    /// A text of the program's own, in which nothing has to be escaped.
    package mutating func member(_ name: StaticString, word: StaticString) {
        self.name(name)
        comma()
        quoted(word)
        needsComma = true
    }

    package mutating func member(_ name: StaticString, _ value: Bool) {
        self.name(name)
        raw(value ? "true" : "false")
    }

    /// A number with three digits behind the point; null where there is none.
    package mutating func member(_ name: StaticString, _ value: Double?) {
        guard let value, value.isFinite, abs(value) < 1e15 else { return null(name) }
        self.name(name)
        comma()
        let thousandths = Int((value * 1000).rounded())
        if thousandths < 0 { bytes.append(UInt8(ascii: "-")) }
        digits(UInt64(thousandths.magnitude) / 1000)
        bytes.append(UInt8(ascii: "."))
        digits(UInt64(thousandths.magnitude) % 1000, atLeast: 3)
        needsComma = true
    }

    /// A value that is JSON already.
    package mutating func member(_ name: StaticString, json: [UInt8]) {
        self.name(name)
        comma()
        bytes.append(contentsOf: json)
        needsComma = true
    }

    /// The members of an object that is JSON already.
    package mutating func members(of json: [UInt8]) {
        guard json.count > 2, json.first == UInt8(ascii: "{") else { return }
        comma()
        bytes.append(contentsOf: json[1..<(json.count - 1)])
        needsComma = true
    }

    package mutating func string(_ text: String) {
        comma()
        quoted(text)
        needsComma = true
    }

    // MARK: parts

    /// Of a member: made by the programmer, so nothing in it has to be escaped.
    private mutating func name(_ name: StaticString) {
        comma()
        quoted(name)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func quoted(_ text: StaticString) { text.withUTF8Buffer { quoted(plain: $0) } }

    /// A number, with zeros in front of it where it would be shorter.
    private mutating func digits(_ number: UInt64, atLeast width: Int = 1) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { buffer in
            var (rest, first) = (number, buffer.count)
            while first > 0, rest > 0 || buffer.count - first < width {
                first -= 1
                buffer[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            bytes.append(contentsOf: buffer[first...])
        }
    }

    private mutating func raw(_ text: String) {
        comma()
        bytes.append(contentsOf: text.utf8)
        needsComma = true
    }

    private mutating func comma() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = false
    }

    private mutating func nest(_ open: Character, _ close: Character, _ body: (inout JSONWriter) -> Void) {
        comma()
        bytes.append(contentsOf: open.utf8)
        body(&self)
        bytes.append(contentsOf: close.utf8)
        needsComma = true
    }

    /// Whether a byte stands for itself.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "<"), UInt8(ascii: ">"): false
        default: byte >= 0x20 && byte < 0x7f
        }
    }

    private mutating func quoted(plain text: some Sequence<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: text)
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func quoted(_ text: String) {
        var text = text
        if text.withUTF8({ $0.allSatisfy(Self.isPlain) }) { return text.withUTF8 { quoted(plain: $0) } }
        bytes.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": bytes.append(contentsOf: "\\\"".utf8)
            case "\\": bytes.append(contentsOf: "\\\\".utf8)
            case "\n": bytes.append(contentsOf: "\\n".utf8)
            // C1 controls are as dangerous in a terminal as the others; < and > are for whoever puts this into markup.
            case "\u{0}"..<" ", "\u{7f}"..."\u{9f}", "<", ">", "\u{2028}", "\u{2029}":
                let digits = String(scalar.value, radix: 16)
                bytes.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8)
            default: bytes.append(contentsOf: String(Character(scalar)).utf8)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
