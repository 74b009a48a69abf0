import EvLoop
@testable import EvServer
import HTTP1
import HTTPCore
import Testing

/// What is believed of the fields of proxies.
@Suite struct ForwardingTests {
    // MARK: the client

    @Test(arguments: [
        ("203.0.113.9", "203.0.113.9:0"), ("203.0.113.9:4711", "203.0.113.9:4711"), ("2001:db8::1", "2001:db8::1:0"),
        ("[2001:DB8::1]", "2001:db8::1:0"), ("[2001:db8::1]:80", "2001:db8::1:80"),
        // What a client writes stands on the left of what the proxy saw.
        ("127.0.0.1, 198.51.100.1, 203.0.113.9", "203.0.113.9:0"),
        ("evil\"; for=1.1.1.1, 203.0.113.9", "203.0.113.9:0"),
        // Proxies of one's own are passed over, from the right.
        ("198.51.100.1, 203.0.113.9, 10.1.2.3 , 10.1.2.4", "203.0.113.9:0"),
        ("198.51.100.1,,203.0.113.9,\t,10.1.2.4,", "203.0.113.9:0"),
        // All are trusted: the first.
        ("10.0.0.1, 10.0.0.2", "10.0.0.1:0"), ("10.0.0.7", "10.0.0.7:0"),
        // What is no address is nobody, and not the proxy that has sent it.
        ("unknown", "hidden"), ("unix:", "hidden"), ("203.0.113.9, _secret, 10.0.0.1", "hidden"),
        ("localhost", "hidden"),
        ("1.2.3.4.5", "hidden"), ("1.2.3.4:99999", "hidden"), ("[::1", "hidden"), ("::ffff:10.0.0.1", "10.0.0.1:0"),
        ("", nil), (" , ,", nil),
    ])
    func readsXForwardedForFromTheRight(_ value: String, _ expected: String?) throws {
        var configuration = ForwardingConfiguration()
        configuration.trusted = try AddressSet(["127.0.0.1", "10.0.0.0/8"])
        let rules = ForwardingRules(configuration)
        #expect(try rules.client(of: head("X-Forwarded-For: \(value)")).map(text) == expected)
        // Several lines are one list.
        let lines = value.replacing(",", with: "\r\nX-Forwarded-For: ")
        #expect(try rules.client(of: head("X-Forwarded-For: \(lines)")).map(text) == expected)
    }

    @Test func readsNoMoreHopsThanAreAllowed() throws {
        var configuration = ForwardingConfiguration()
        configuration.trusted = try AddressSet(["*"])
        let value = "X-Forwarded-For: 198.51.100.1, 203.0.113.9, 203.0.113.10"
        for (hops, expected) in [
            (0, "198.51.100.1:0"), (1, "203.0.113.10:0"), (2, "203.0.113.9:0"), (9, "198.51.100.1:0"),
        ] {
            configuration.hops = hops
            #expect(try ForwardingRules(configuration).client(of: head(value)).map(text) == expected)
        }
        #expect(try ForwardingRules(configuration).client(of: head("Via: x")) == nil)
    }

    @Test func givesUpWhereTooManyHopsAreTrusted() throws {
        var configuration = ForwardingConfiguration()
        configuration.trusted = try AddressSet(["10.0.0.0/8"])
        let few = String(repeating: "10.0.0.1,", count: 99) + "10.0.0.2"
        let many = "203.0.113.9," + String(repeating: "10.0.0.1,", count: 500)
        let rules = ForwardingRules(configuration)
        #expect(try rules.client(of: head("X-Forwarded-For: \(few)")).map(text) == "10.0.0.1:0")
        #expect(try rules.client(of: head("X-Forwarded-For: \(many)")).map(text) == "hidden")
    }

    // MARK: the scheme

    @Test(arguments: [
        ("X-Forwarded-Proto: https", true), ("X-Forwarded-Proto: http", false), ("x-forwarded-PROTO: https", true),
        ("X-Forwarded-Proto: HTTPS", false), ("X-Forwarded-Proto: https, http", false), ("X-Forwarded-Ssl: on", true),
        ("X-Forwarded-Proto: wss", true), ("X-Forwarded-Proto:", false), ("X-Forwarded-Protocol: ssl", true),
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on", true), ("X-Forwarded-Protocol: https", false),
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off", nil),
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http", nil), ("Forwarded: proto=https", false),
    ])
    func takesTheSchemeAsGunicornDoes(_ lines: String, _ expected: Bool?) throws {
        #expect(try secure(read(lines, usual())) == expected)
        #expect(try secure(read(lines, usual(), isTrusted: false)) == false)
    }

    @Test func hasNoFactsWhereNothingDiffers() throws {
        guard case .nothing = try read("X-Forwarded-Proto: http\r\nX-Forwarded-For: 1.2.3.4", usual()).forwarded else {
            Issue.record("facts that say what the connection says")
            return
        }
    }

    // MARK: host, port, prefix

    @Test(
        arguments: [
            ("X-Forwarded-Host: a.example", "a.example", "a.example", 80),
            ("X-Forwarded-Host: a.example:8443", "a.example:8443", "a.example", 8443),
            ("X-Forwarded-Host: evil.example, a.example", "a.example", "a.example", 80),
            ("X-Forwarded-Host: evil.example\r\nX-Forwarded-Host: a.example", "a.example", "a.example", 80),
            ("X-Forwarded-Host: [::1]:81", "[::1]:81", "[::1]", 81), ("X-Forwarded-Host: [::1]", "[::1]", "[::1]", 80),
            ("X-Forwarded-Host: a.example\r\nX-Forwarded-Port: 8443", "a.example:8443", "a.example", 8443),
            ("X-Forwarded-Host: a\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Proto: https", "a", "a", 443),
            ("X-Forwarded-Host: a\r\nX-Forwarded-Port: 80\r\nX-Forwarded-Proto: https", "a:80", "a", 80),
            ("X-Forwarded-Host: a:1\r\nX-Forwarded-Port: 2", "a:1", "a", 1),
            ("X-Forwarded-Port: 8443", "test", nil, 8443), ("X-Forwarded-Proto: https", "test", nil, 443),
            ("X-Forwarded-Host:", "test", nil, nil), ("X-Forwarded-Host: a b", nil, nil, nil),
            ("X-Forwarded-Host: a:99999", nil, nil, nil), ("X-Forwarded-Port: 0", nil, nil, nil),
            ("X-Forwarded-Host: a/b", nil, nil, nil), ("X-Forwarded-Port: 80x", nil, nil, nil),
            ("X-Forwarded-Port: 65536", nil, nil, nil),
        ] as [(String, String?, String?, UInt16?)])
    func takesTheHostThatTheClientAskedFor(
        _ lines: String, _ authority: String?, _ name: String?, _ port: UInt16?
    ) throws {
        let reading = try read(lines, named([.client, .host, .port]))
        guard let authority else {
            guard case .refused = reading.forwarded else {
                Issue.record("not refused")
                return
            }
            return
        }
        #expect(reading.head.string(reading.head.authority) == authority)
        let host = try #require(reading.head.firstValue(of: "Host"))
        #expect(reading.head.string(host) == authority)
        #expect(reading.forwarded.facts?.serverName.map { reading.head.string($0) } == name)
        #expect(reading.forwarded.facts?.serverPort == port)
        // A list that does not name them, and a peer that is not trusted.
        for other in try [read(lines, usual()), read(lines, named([.host, .port]), isTrusted: false)] {
            #expect(other.head.string(other.head.authority) == "test" && other.forwarded.facts?.serverName == nil)
        }
    }

    @Test(arguments: [
        ("X-Forwarded-Prefix: /a", "/a", false), ("X-Forwarded-Prefix: /a/b/", "/a/b", false),
        ("X-Forwarded-Prefix: /", "", false), ("X-Forwarded-Prefix: /evil, /a", "/a", false),
        ("X-Forwarded-Prefix: /evil\r\nX-Forwarded-Prefix: /a", "/a", false), ("SCRIPT_NAME: /a", "/a", true),
        ("Script_Name: /a/", "/a", true), ("SCRIPT_NAME:", "", true), ("X-Forwarded-Prefix: a", nil, false),
        ("X-Forwarded-Prefix: //evil.example", nil, false), ("X-Forwarded-Prefix: /\\evil.example", nil, false),
        ("X-Forwarded-Prefix: /a?b", nil, false), ("X-Forwarded-Prefix: /a b", nil, false),
        ("X-Forwarded-Prefix: /\u{e9}", nil, false), ("SCRIPT_NAME: a", nil, true),
        ("SCRIPT_NAME: /a\r\nSCRIPT_NAME: /a", nil, true), ("SCRIPT_NAME: /a\r\nX-Forwarded-Prefix: /a", nil, true),
    ])
    func takesThePrefixOfThePath(_ lines: String, _ prefix: String?, _ pathHasPrefix: Bool) throws {
        var configuration = named([.prefix])
        configuration.forwarderNames = ["SCRIPT_NAME"]
        configuration.underscores = .dropped
        let reading = try read(lines, configuration)
        let facts = reading.forwarded.facts
        #expect(facts?.prefix.map { reading.head.string($0) } == prefix)
        if prefix != nil { #expect(facts?.pathHasPrefix == pathHasPrefix) }
        if prefix == nil, case .nothing = reading.forwarded { Issue.record("not refused") }
        if case .said = try read(lines, configuration, isTrusted: false).forwarded { Issue.record("believed") }
    }

    // MARK: Forwarded

    @Test(arguments: [
        ("for=203.0.113.9", "203.0.113.9:0"), ("For=\"[2001:db8::1]:4711\"", "2001:db8::1:4711"),
        ("for=\"203.0.113.9:80\";proto=http;by=10.0.0.1", "203.0.113.9:80"), ("for=unknown", "hidden"),
        ("for=_hidden", "hidden"), ("for=\"_a.b-c:_port\"", "hidden"), ("proto=http", "hidden"),
        ("for=198.51.100.1, for=203.0.113.9, for=10.0.0.1", "203.0.113.9:0"),
        (" for=203.0.113.9 ; proto=http ;", "203.0.113.9:0"),
        // A quote that a client has left open swallows nothing of what the proxy adds.
        ("for=\"198.51.100.1, for=203.0.113.9", "203.0.113.9:0"), ("for=\"\\, for=203.0.113.9", "203.0.113.9:0"),
        ("for=198.51.100.1;x=\"a,b\\\",c\", for=203.0.113.9;x=\"a,\\\\\", for=10.0.0.1", "203.0.113.9:0"),
        // Malformed, where it is read.
        ("for", nil), ("for=", nil), ("for=[::1]", nil), ("for=203.0.113.9:80", nil), ("for=\"203.0.113.9", nil),
        ("for=203.0.113.9;for=203.0.113.9", nil), ("for =203.0.113.9", nil), ("for= 203.0.113.9", nil),
        ("=203.0.113.9", nil), ("for=\"20\\3.0.113.9\"", nil), ("for=\"::1\"", nil), ("for=\"[::1]x\"", nil),
        ("proto=gopher", nil), ("host=\"a b\"", nil), ("host=\"\"", nil), ("for=localhost", nil),
        ("for=10.0.0.1 x", nil),
    ])
    func readsForwarded(_ value: String, _ expected: String?) throws {
        let reading = try read(
            "X-Forwarded-Proto: https\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: \(value)", forwarded())
        guard let expected else {
            guard case .refused = reading.forwarded else {
                Issue.record("not refused")
                return
            }
            return
        }
        let facts = try #require(reading.forwarded.facts)
        #expect(facts.node.map(text) == expected && facts.isSecure != true)
    }

    @Test func takesHostAndSchemeThatAreNearestToTheClient() throws {
        let value =
            "Forwarded: for=1.1.1.1;host=evil.example;proto=http, for=203.0.113.9;host=\"a.example:8443\";proto=https,"
            + "for=10.0.0.1;proto=http;host=inner"
        let reading = try read(value, forwarded())
        #expect(reading.head.string(reading.head.authority) == "a.example:8443")
        let facts = try #require(reading.forwarded.facts)
        #expect(facts.isSecure == true && facts.serverPort == 8443)
        #expect(try secure(read(value, usual())) == false)
    }

    // MARK: names with an underscore

    @Test(
        arguments: [
            (ForwardingConfiguration.Underscores.dropped, true, ["A", "SCRIPT_NAME", "B"]),
            (.dropped, false, ["A", "B"]), (.kept, false, ["A", "X_Y", "SCRIPT_NAME", "B"]),
            (.kept, true, ["A", "X_Y", "SCRIPT_NAME", "B"]), (.refused, true, nil), (.refused, false, nil),
        ] as [(ForwardingConfiguration.Underscores, Bool, [String]?)])
    func treatsNamesWithAnUnderscore(
        _ underscores: ForwardingConfiguration.Underscores, _ isTrusted: Bool, _ names: [String]?
    ) throws {
        var configuration = usual()
        configuration.underscores = underscores
        configuration.forwarderNames = ["SCRIPT_NAME", "PATH_INFO"]
        let lines = "A: 1\r\nX_Y: 2\r\nSCRIPT_NAME: /s\r\nB: 3"
        let reading = try read(lines, configuration, isTrusted: isTrusted)
        if case .refused = reading.forwarded { return #expect(names == nil) }
        #expect(reading.head.fields.dropFirst().map { reading.head.string($0.name) } == names)
        let hasUnderscore = names?.contains("SCRIPT_NAME")
        #expect(reading.head.hasUnderscore == hasUnderscore)
        #expect((reading.forwarded.facts?.prefix == nil) == !isTrusted)
        configuration.forwarderNames = ["*"]
        let all = try read(lines, configuration)
        #expect(all.head.fields.count == 5)
    }

    @Test(arguments: [
        "A_", "_", "Abcdefghijklmno_", "Abcdefghijklmnop_", "Abcdefghijklmnopqrstuvwxyz_b", "A", "Abcdefghijklmnop",
    ])
    func findsAnUnderscoreWhereverItIs(_ name: String) throws {
        for lines in ["\(name): x", "\(name):", "B_: \(name)", "Via: a_b\r\n\(name): x", "\(name): x\r\nVia: a_b"] {
            let expected = lines.split(separator: "\r\n").contains { $0.prefix { $0 != ":" }.contains("_") }
            #expect(try head(lines).hasUnderscore == expected, "\(lines)")
        }
    }

    // MARK: -

    private func usual() -> ForwardingConfiguration {
        var configuration = ForwardingConfiguration()
        configuration.trusted = .loopback
        configuration.fields = .client
        configuration.secureSchemes = [
            ("X-FORWARDED-PROTOCOL", "ssl"), ("X-FORWARDED-PROTO", "https"), ("X-FORWARDED-SSL", "on"),
        ]
        return configuration
    }

    private func named(_ fields: TrustedFields) -> ForwardingConfiguration {
        var configuration = usual()
        configuration.fields = fields
        configuration.namesClient = true
        return configuration
    }

    private func forwarded() throws -> ForwardingConfiguration {
        var configuration = named(.forwarded)
        configuration.trusted = try AddressSet(["10.0.0.0/8"])
        return configuration
    }

    private func read(
        _ lines: String, _ configuration: ForwardingConfiguration, isTrusted: Bool = true
    ) throws -> ForwardingRules.Reading {
        try ForwardingRules(configuration).read(head(lines), isTrusted: isTrusted, isSecure: false)
    }

    /// Nil where the request is refused.
    private func secure(_ reading: ForwardingRules.Reading) -> Bool? {
        if case .refused = reading.forwarded { nil } else { reading.forwarded.facts?.isSecure ?? false }
    }

    private func text(_ node: ForwardedNode) -> String {
        switch node {
        case .hidden: "hidden"
        case .address(let address): "\(address.host):\(address.port)"
        }
    }
}

/// A head with these lines behind Host.
func head(_ lines: String) throws -> RequestHead {
    var parser = RequestParser(limits: HTTPLimits())
    let bytes = Array("GET / HTTP/1.1\r\nHost: test\r\n\(lines)\r\n\r\n".utf8)
    let head: RequestHead? = bytes.withUnsafeBytes {
        if case .head(let head, _) = parser.parse($0) { head } else { nil }
    }
    return try #require(head, "\(lines)")
}
