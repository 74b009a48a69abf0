/// Why an instruction, an item or a token is refused. The text is for a log, or for whoever has published.
package struct GRIPError: Error, Equatable, Sendable, CustomStringConvertible {
    package let text: String

    package init(_ text: String) { self.text = text }

    package var description: String { text }
}

/// A name that came from outside, as a text for people: what is long is cut.
func shown(_ bytes: some Collection<UInt8>) -> String {
    let text = String(decoding: bytes.prefix(100), as: UTF8.self)
    return bytes.count > 100 ? text + "\u{2026}" : text
}
