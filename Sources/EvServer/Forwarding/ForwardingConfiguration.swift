// What the operator says of the proxies in front: whom to believe, which fields they write, and what follows.

package import EvLoop

package struct ForwardingConfiguration: Sendable {
    /// The proxies that are believed. A peer without an address, that of a unix socket, always is.
    package var trusted = AddressSet()
    /// Fields that tell of TLS, by the value with which they do. Names in any case, values exactly.
    package var secureSchemes: [(name: String, value: String)] = []
    /// Fields that the proxies write, and that no client can pass through them.
    package var fields: TrustedFields = []
    /// Hops that are read of a list, from the right; 0 for as many as are trusted.
    package var hops = 0
    /// What an app sees as the other end of the connection (`REMOTE_ADDR`) is the client that the proxies name.
    package var namesClient = false
    /// Names with an underscore that proxies may send, in upper case; `*` for all.
    package var forwarderNames: [String] = []
    package var underscores = Underscores.kept

    /// What becomes of other fields whose name has an underscore.
    package enum Underscores: Sendable { case dropped, refused, kept }

    package init() {}
}

/// The fields of proxies. One source only: `forwarded` excludes the others.
package struct TrustedFields: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `X-Forwarded-For`.
    package static let client = TrustedFields(rawValue: 1)
    /// `X-Forwarded-Host`.
    package static let host = TrustedFields(rawValue: 2)
    /// `X-Forwarded-Port`.
    package static let port = TrustedFields(rawValue: 4)
    /// `X-Forwarded-Prefix`.
    package static let prefix = TrustedFields(rawValue: 8)
    /// `Forwarded` (RFC 7239).
    package static let forwarded = TrustedFields(rawValue: 16)
}
