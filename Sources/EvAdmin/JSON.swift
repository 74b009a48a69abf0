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

    package mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
        self.name(name)
        object(body)
    }

    package mutating func array(_ name: String, _ body: (inout JSONWriter) -> Void) {
        self.name(name)
        array(body)
    }

    package mutating func member(_ name: String, _ value: String?) {
        self.name(name)
        if let value { string(value) } else { raw("null") }
    }

    package mutating func member(_ name: String, _ value: some BinaryInteger) {
        self.name(name)
        raw("\(value)")
    }

    package mutating func member(_ name: String, _ value: (some BinaryInteger)?) {
        if let value { member(name, value) } else { null(name) }
    }

    package mutating func null(_ name: String) {
        self.name(name)
        raw("null")
    }

    /// A text as a client has sent it, repaired where it is not UTF-8; null where there is none.
    /// - Parameter isCut: an ellipsis is to show that more of it came.
    package mutating func member(_ name: String, utf8 bytes: [UInt8]?, isCut: Bool = false) {
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

    package mutating func member(_ name: String, _ value: Bool) {
        self.name(name)
        raw(value ? "true" : "false")
    }

    /// A number with three digits behind the point; null where there is none.
    package mutating func member(_ name: String, _ value: Double?) {
        self.name(name)
        raw(value.map(Self.decimal) ?? "null")
    }

    /// A value that is JSON already.
    package mutating func member(_ name: String, json: [UInt8]) {
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

    private mutating func name(_ name: String) {
        comma()
        quoted(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
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
        if text.utf8.allSatisfy(Self.isPlain) { return quoted(plain: text.utf8) }
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

    private static func decimal(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "null" }
        let thousandths = Int((value * 1000).rounded())
        let (whole, rest) = (abs(thousandths) / 1000, abs(thousandths) % 1000)
        let digits = String(rest + 1000).dropFirst()
        return "\(thousandths < 0 ? "-" : "")\(whole).\(digits)"
    }
}
