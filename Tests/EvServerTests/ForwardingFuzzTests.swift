import EvLoop
@testable import EvServer
import HTTPCore
import Testing

/// Hostile values: whatever comes, the reader ends, and what it gives lies within the head.
@Suite struct ForwardingFuzzTests {
    private static let names = [
        "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
        "X-Forwarded-Prefix", "X-Forwarded-Ssl", "SCRIPT_NAME", "PATH_INFO", "X_Forwarded_For", "Via",
    ]
    private static let pieces = [
        "for=", "proto=", "host=", "by=", "\"", "\\", ",", ";", "=", " ", "\t", "[", "]", ":", "/", "//", "127.0.0.1",
        "10.0.0.1", "203.0.113.9", "::1", "[::1]", "https", "http", "unknown", "_x", "a.example", "8443", "0", "999999",
        "%", "\u{e9}", "*", "_", "..", "1.", ".",
    ]

    private static func rules() throws -> [ForwardingRules] {
        var configuration = ForwardingConfiguration()
        configuration.trusted = try AddressSet(["127.0.0.1", "10.0.0.0/8"])
        configuration.secureSchemes = [("X-FORWARDED-PROTO", "https"), ("X-FORWARDED-SSL", "on")]
        configuration.namesClient = true
        configuration.forwarderNames = ["SCRIPT_NAME"]
        var all: [ForwardingRules] = []
        for fields in [.client, [.client, .host, .port, .prefix], .forwarded] as [TrustedFields] {
            for underscores in [.dropped, .refused, .kept] as [ForwardingConfiguration.Underscores] {
                configuration.fields = fields
                configuration.underscores = underscores
                all.append(ForwardingRules(configuration))
            }
        }
        return all
    }

    @Test func readsAnything() throws {
        var random = SystemRandomNumberGenerator()
        let rules = try Self.rules()
        for _ in 0..<3000 {
            let lines = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                let value = (0..<Int.random(in: 0...9, using: &random)).map { _ in
                    Self.pieces.randomElement(using: &random) ?? ""
                }
                return "\(Self.names.randomElement(using: &random) ?? ""): \(value.joined())"
            }
            let text = lines.joined(separator: "\r\n")
            let received = try head(text)
            for rules in rules {
                let isTrusted = Bool.random(using: &random)
                check(rules.read(received, isTrusted: isTrusted, isSecure: false), isTrusted: isTrusted, text)
                _ = rules.client(of: received)
            }
        }
    }

    private func check(_ reading: ForwardingRules.Reading, isTrusted: Bool, _ text: String) {
        let head = reading.head
        let fields = head.fields.map { (head.string($0.name), head.string($0.value)) }
        #expect(fields.count { $0.0.lowercased() == "host" } == 1, "\(text)")
        guard let facts = reading.forwarded.facts else { return }
        #expect(isTrusted, "\(text)")
        if let name = facts.serverName { #expect(FieldSyntax.isAuthority(head.bytes(of: name)), "\(text)") }
        if let prefix = facts.prefix.map({ head.string($0) }), !prefix.isEmpty {
            #expect(prefix.hasPrefix("/") && !prefix.hasPrefix("//") && !prefix.hasSuffix("/"), "\(text)")
        }
    }

    /// What costs more than it is long would show as a test that does not end.
    @Test(arguments: [",", "1,", "10.0.0.1,", "\"", "\\\"", "\\", "a=\"\\\"\",", "for=10.0.0.1,", ";", "=", "[", ":"])
    func endsWithLongValues(_ piece: String) throws {
        let value = String(String(repeating: piece, count: 8000).prefix(8000))
        let lines = (0..<20).map { "\($0 % 2 == 0 ? "Forwarded" : "X-Forwarded-For"): \(value)" }
        let received = try head(lines.prefix(6).joined(separator: "\r\n"))
        for rules in try Self.rules() {
            _ = rules.read(received, isTrusted: true, isSecure: false)
            _ = rules.client(of: received)
        }
    }
}
