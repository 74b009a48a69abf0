// The rules about fields of proxies, ready for use: read from a head, they give what is to be believed of it. Law: only
// a trusted peer is believed, only in the fields that the operator has named, and what its fields leave open or say in
// two ways is refused rather than guessed. No I/O, no clock.

package import EvLoop
package import HTTPCore

/// What trusted proxies have said of one request.
package enum Forwarded: Sendable {
    /// Nothing that differs from what the connection says.
    case nothing
    case said(ForwardedFacts)
    /// Fields that contradict each other, or that cannot be read: the request is answered with 400.
    case refused(ForwardedRefusal)

    package var facts: ForwardedFacts? {
        if case .said(let facts) = self { facts } else { nil }
    }
}

/// Why fields are not believed, for the log.
package enum ForwardedRefusal: String, Error {
    case contradictorySchemes = "contradictory scheme fields"
    case badHost = "a bad X-Forwarded-Host"
    case badPort = "a bad X-Forwarded-Port"
    case badPrefix = "a bad path prefix"
    case twoPrefixes = "two path prefixes"
    case badForwarded = "a malformed Forwarded"
    case underscore = "a field name with an underscore"
}

/// What differs from what the connection says. Places are in the bytes of the exchange's head.
package final class ForwardedFacts: Sendable {
    let isSecure: Bool?
    /// Of `Forwarded` alone: X-Forwarded-For is read when somebody asks for the client.
    let node: ForwardedNode?
    /// The host that the client has asked for, without its port.
    package let serverName: ByteSlice?
    package let serverPort: UInt16?
    /// The path prefix below which the app is; empty for none. Nil when nobody has said it.
    package let prefix: ByteSlice?
    /// The request's path still has the prefix.
    package let pathHasPrefix: Bool

    init(
        isSecure: Bool?, node: ForwardedNode?, serverName: ByteSlice?, serverPort: UInt16?, prefix: ByteSlice?,
        pathHasPrefix: Bool
    ) {
        self.isSecure = isSecure
        self.node = node
        self.serverName = serverName
        self.serverPort = serverPort
        self.prefix = prefix
        self.pathHasPrefix = pathHasPrefix
    }
}

package final class ForwardingRules: Sendable {
    let configuration: ForwardingConfiguration
    /// In lower case.
    let secureSchemes: [(name: [UInt8], value: [UInt8])]
    private let filter: FieldNameFilter
    private let keepsUnderscores: Bool

    package init(_ configuration: ForwardingConfiguration) {
        self.configuration = configuration
        let fields = configuration.fields
        secureSchemes =
            fields.contains(.forwarded)
            ? [] : configuration.secureSchemes.map { (Array($0.name.lowercased().utf8), Array($0.value.utf8)) }
        var names = secureSchemes.map(\.name)
        for (field, name) in Self.names where fields.contains(field) { names.append(Array(name.utf8)) }
        filter = FieldNameFilter(names)
        keepsUnderscores = configuration.underscores == .kept && configuration.forwarderNames.isEmpty
    }

    /// Those that decide something before the app is called.
    private static let names: [(TrustedFields, String)] = [
        (.host, "x-forwarded-host"), (.port, "x-forwarded-port"), (.prefix, "x-forwarded-prefix"),
        (.forwarded, "forwarded"),
    ]

    /// gunicorn's rule: a peer without an address is always believed.
    package func trusts(_ peer: PeerAddress) -> Bool { peer.isUnix || configuration.trusted.contains(peer) }

    package typealias Reading = (head: RequestHead, forwarded: Forwarded)

    /// - Parameters:
    ///   - isTrusted: the peer is.
    ///   - isSecure: what the connection says.
    /// - Returns: the head as the app is to see it, and what follows from it.
    @inline(__always) func read(_ head: RequestHead, isTrusted: Bool, isSecure: Bool) -> Reading {
        // Most requests end here.
        guard head.hasUnderscore && !keepsUnderscores || isTrusted && head.mayHave(filter) else {
            return (head, .nothing)
        }
        return readFields(head, isTrusted: isTrusted, isSecure: isSecure)
    }

    @inline(never) private func readFields(_ head: RequestHead, isTrusted: Bool, isSecure: Bool) -> Reading {
        var reader = ForwardedReader(self, head, isTrusted: isTrusted, connectionIsSecure: isSecure)
        do throws(ForwardedRefusal) {
            try reader.read()
            let head = reader.headForApp
            return (head, reader.facts(in: head))
        } catch {
            return (head, .refused(error))
        }
    }

    /// Who has made the request, as `X-Forwarded-For` of a trusted peer says: the hop on the right that is not trusted,
    /// or the first one where all are. Nil when nobody says.
    func client(of head: RequestHead) -> ForwardedNode? {
        let hops = configuration.hops == 0 ? Int.max : configuration.hops
        if configuration.trusted.isEverybody, hops == .max { return firstNode(of: head) }
        var last: ForwardedNode?
        var count = 0
        for field in head.fields.reversed() where head.matches(field.name, "x-forwarded-for") {
            var list = ForwardedList(head.bytes(of: field.value))
            while let element = list.previous() {
                let node = ForwardedNode(loosely: element)
                count += 1
                guard count < hops, case .address(let address) = node, configuration.trusted.contains(address) else {
                    return node
                }
                // No chain of proxies is so long, and reading it takes time.
                guard count <= Self.mostHops else { return .hidden }
                last = node
            }
        }
        return last
    }

    static let mostHops = 100

    /// Where every hop is trusted, the others need not be read.
    private func firstNode(of head: RequestHead) -> ForwardedNode? {
        for field in head.fields where head.matches(field.name, "x-forwarded-for") {
            let first = head.bytes(of: field.value).split(separator: UInt8(ascii: ",")).lazy
                .map { UnsafeRawBufferPointer(rebasing: $0).withoutBlanks }.first { !$0.isEmpty }
            if let first { return ForwardedNode(loosely: first) }
        }
        return nil
    }
}
