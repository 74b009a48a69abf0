// One head of a peer whose fields may have to be believed, or dropped. Law: everything is read before anything follows
// from it.

import EvLoop
import HTTPCore

struct ForwardedReader {
    private let rules: ForwardingRules
    private let head: RequestHead
    private let isTrusted: Bool
    private let connectionIsSecure: Bool

    private var isSecure: Bool?
    private var node: ForwardedNode?
    private var host: UnsafeRawBufferPointer?
    private var port: UInt16?
    private var prefix: ByteSlice?
    private var pathHasPrefix = false
    /// For each field whether the app sees it; empty for all.
    private var kept: [Bool] = []

    init(_ rules: ForwardingRules, _ head: RequestHead, isTrusted: Bool, connectionIsSecure: Bool) {
        self.rules = rules
        self.head = head
        self.isTrusted = isTrusted
        self.connectionIsSecure = connectionIsSecure
    }

    mutating func read() throws(ForwardedRefusal) {
        for (place, field) in head.fields.enumerated() {
            if isTrusted { try readScheme(field) }
            if isTrusted { try readTrusted(field) }
            if head.hasUnderscore { try readUnderscored(field, place) }
        }
        if isTrusted, rules.configuration.fields.contains(.forwarded) { try readForwarded() }
    }

    // MARK: the scheme

    /// gunicorn's rule: exactly the value of the settings means TLS, any other none, and all fields must agree.
    private mutating func readScheme(_ field: FieldSlice) throws(ForwardedRefusal) {
        for (name, value) in rules.secureSchemes where head.matches(field.name, name) {
            let told = head.bytes(of: field.value)
            // For a WebSocket some proxies write its own scheme, as uvicorn expects it.
            let isSecure =
                told.elementsEqual(value) || value.elementsEqual("https".utf8) && told.elementsEqual("wss".utf8)
            guard self.isSecure == nil || self.isSecure == isSecure else {
                throw ForwardedRefusal.contradictorySchemes
            }
            self.isSecure = isSecure
        }
    }

    // MARK: host, port, prefix

    /// Of a list the last element is that of the nearest proxy.
    private mutating func readTrusted(_ field: FieldSlice) throws(ForwardedRefusal) {
        let trusted = rules.configuration.fields
        if trusted.contains(.host), head.matches(field.name, "x-forwarded-host") {
            guard let last = last(field) else { return }
            guard FieldSyntax.isAuthority(last) else { throw ForwardedRefusal.badHost }
            host = last
        } else if trusted.contains(.port), head.matches(field.name, "x-forwarded-port") {
            guard let last = last(field) else { return }
            guard let number = UInt16(decimal: last), number > 0 else { throw ForwardedRefusal.badPort }
            port = number
        } else if trusted.contains(.prefix), head.matches(field.name, "x-forwarded-prefix") {
            guard let last = last(field) else { return }
            try take(prefix: last, in: field.value, pathHasPrefix: false)
        }
    }

    private func last(_ field: FieldSlice) -> UnsafeRawBufferPointer? {
        var list = ForwardedList(head.bytes(of: field.value))
        return list.previous()
    }

    /// A path, without slashes at its end. One that begins with two slashes would name a host in a link.
    private mutating func take(
        prefix text: UnsafeRawBufferPointer, in value: ByteSlice, pathHasPrefix: Bool
    ) throws(ForwardedRefusal) {
        guard prefix == nil || !pathHasPrefix && !self.pathHasPrefix else { throw ForwardedRefusal.twoPrefixes }
        var count = text.count
        while count > 0, text[count - 1] == UInt8(ascii: "/") { count -= 1 }
        let isPath = text.isEmpty || text[0] == UInt8(ascii: "/") && (count < 2 || text[1] != UInt8(ascii: "/"))
        let isPlain = text.allSatisfy { (0x21...0x7e).contains($0) && !Self.excluded.contains($0) }
        guard isPath, isPlain else { throw ForwardedRefusal.badPrefix }
        let all = head.bytes(of: value)
        let offset = text.baseAddress.flatMap { text in all.baseAddress.map { text - $0 } } ?? 0
        prefix = ByteSlice(start: value.start + UInt32(clamping: offset), count: UInt32(clamping: count))
        self.pathHasPrefix = pathHasPrefix
    }

    /// `?` and `#` end a path, and browsers take a backslash for a slash.
    private static let excluded = Array("?#\\".utf8)

    // MARK: names with an underscore

    private mutating func readUnderscored(_ field: FieldSlice, _ place: Int) throws(ForwardedRefusal) {
        let name = head.bytes(of: field.name)
        guard name.contains(UInt8(ascii: "_")) else { return }
        let configuration = rules.configuration
        if isTrusted, configuration.forwarderNames.contains(where: { $0 == "*" || isNamed(name, $0) }) {
            guard head.matches(field.name, "script_name") else { return }
            return try take(prefix: head.bytes(of: field.value), in: field.value, pathHasPrefix: true)
        }
        switch configuration.underscores {
        case .kept: return
        case .refused: throw ForwardedRefusal.underscore
        case .dropped:
            if kept.isEmpty { kept = Array(repeating: true, count: head.fields.count) }
            kept[place] = false
        }
    }

    /// - Parameter wanted: in upper case.
    private func isNamed(_ name: UnsafeRawBufferPointer, _ wanted: String) -> Bool {
        name.count == wanted.utf8.count
            && zip(name, wanted.utf8).allSatisfy { byte, expected in
                byte == expected || (97...122).contains(byte) && byte & 0xdf == expected
            }
    }

    // MARK: Forwarded

    /// The elements of the trusted proxies, and the one that the last of them has written about the client. What an
    /// element further on the left says of host and scheme is nearer to the client.
    private mutating func readForwarded() throws(ForwardedRefusal) {
        let configuration = rules.configuration
        let hops = configuration.hops == 0 ? ForwardingRules.mostHops + 1 : configuration.hops
        var count = 0
        for field in head.fields.reversed() where head.matches(field.name, "forwarded") {
            var list = ForwardedList(head.bytes(of: field.value), knowsQuotes: true)
            while let text = list.previous() {
                guard let element = ForwardedElement(text) else { throw ForwardedRefusal.badForwarded }
                node = element.node ?? .hidden
                isSecure = element.isSecure ?? isSecure
                host = element.host ?? host
                count += 1
                guard count < hops, case .address(let address)? = node, configuration.trusted.contains(address) else {
                    // No chain of proxies is so long.
                    if count > ForwardingRules.mostHops { node = .hidden }
                    return
                }
            }
        }
    }

    // MARK: what follows

    /// The head without what the app must not see, with the host that the client has asked for.
    var headForApp: RequestHead {
        let authority = self.authority
        return kept.isEmpty && authority.isEmpty ? head : head.copy(keeping: kept, authority: authority)
    }

    /// Empty where it stays as it is. A port that is told apart is added, unless it is the scheme's own.
    private var authority: [UInt8] {
        guard let host else { return [] }
        guard Self.port(of: host) == nil, let port, port != defaultPort else { return Array(host) }
        return Array(host) + Array(":\(port)".utf8)
    }

    private var defaultPort: UInt16 { isSecure ?? connectionIsSecure ? 443 : 80 }

    /// What stands behind the last colon that is not within brackets.
    private static func port(of authority: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let colon = authority.lastIndex(of: UInt8(ascii: ":")), authority.last != UInt8(ascii: "]") else {
            return nil
        }
        return UnsafeRawBufferPointer(rebasing: authority[(colon + 1)...])
    }

    /// - Parameter head: the one for the app.
    func facts(in head: RequestHead) -> Forwarded {
        var serverName: ByteSlice?
        var serverPort = port
        if let host {
            let digits = Self.port(of: host)
            let count = host.count - (digits.map { $0.count + 1 } ?? 0)
            serverName = ByteSlice(start: head.authority.start, count: UInt32(clamping: count))
            serverPort = digits.flatMap { UInt16(decimal: $0) } ?? port ?? defaultPort
        } else if isSecure != nil, rules.configuration.namesClient {
            serverPort = port ?? defaultPort
        }
        guard isSecure.map({ $0 != connectionIsSecure }) == true || node != nil || serverPort != nil || prefix != nil
        else { return .nothing }
        return .said(
            ForwardedFacts(
                isSecure: isSecure, node: node, serverName: serverName, serverPort: serverPort, prefix: prefix,
                pathHasPrefix: pathHasPrefix))
    }
}
