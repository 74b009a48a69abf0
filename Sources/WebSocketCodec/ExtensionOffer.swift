// The value of Sec-WebSocket-Extensions (RFC 6455 section 9.1): extensions with their parameters, in the order in which
// the client prefers them.
import HTTPCore

struct ExtensionOffer: Equatable {
    var name: String
    /// The value of one that has been quoted stands without its quotes.
    var parameters: [(name: String, value: String?)] = []

    /// Nil when this is no such list.
    static func read(_ text: [UInt8]) -> [ExtensionOffer]? {
        var scanner = Scanner(text: text)
        var offers: [ExtensionOffer] = []
        repeat {
            // Members of a list may be empty (RFC 9110 section 5.6.1.2).
            if scanner.isAt(",") || scanner.isAtEnd { continue }
            guard let name = scanner.token() else { return nil }
            var offer = ExtensionOffer(name: name)
            while scanner.skip(";") {
                guard let name = scanner.token() else { return nil }
                var value: String?
                if scanner.skip("=") {
                    guard let given = scanner.value() else { return nil }
                    value = given
                }
                offer.parameters.append((name, value))
            }
            offers.append(offer)
        } while scanner.skip(",")
        return scanner.isAtEnd ? offers : nil
    }

    static func == (left: ExtensionOffer, right: ExtensionOffer) -> Bool {
        left.name == right.name && left.parameters.elementsEqual(right.parameters, by: ==)
    }
}

private struct Scanner {
    let text: [UInt8]
    var index = 0

    init(text: [UInt8]) {
        self.text = text
        skipSpace()
    }

    var isAtEnd: Bool { index == text.count }

    func isAt(_ character: Unicode.Scalar) -> Bool { index < text.count && text[index] == UInt8(ascii: character) }

    private mutating func skipSpace() {
        while isAt(" ") || isAt("\t") { index += 1 }
    }

    /// With the blanks behind it.
    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard isAt(character) else { return false }
        index += 1
        skipSpace()
        return true
    }

    mutating func token() -> String? {
        let start = index
        while index < text.count, Self.isTokenByte(text[index]) { index += 1 }
        guard index > start else { return nil }
        defer { skipSpace() }
        return String(decoding: text[start..<index], as: UTF8.self)
    }

    /// A token, or a quoted string that is one behind its quotes and backslashes.
    mutating func value() -> String? {
        guard isAt("\"") else { return token() }
        index += 1
        var bytes: [UInt8] = []
        while index < text.count, !isAt("\"") {
            if isAt("\\") { index += 1 }
            guard index < text.count, Self.isTokenByte(text[index]) else { return nil }
            bytes.append(text[index])
            index += 1
        }
        guard skip("\""), !bytes.isEmpty else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        withUnsafeBytes(of: byte) { FieldSyntax.isToken($0) }
    }
}
