// JSON Web Tokens with HS256 alone (RFC 7515, RFC 7519): what tells an app that a request came through here, and who
// may publish. Law: no other algorithm is ever looked at; a comparison takes the same time wherever two signatures
// differ.

import JSONText

/// A secret that signs.
package struct TokenKey: Sendable {
    /// HMAC with SHA-256 (RFC 2104); 32 bytes.
    package typealias Code = @Sendable (_ key: [UInt8], _ message: [UInt8]) -> [UInt8]

    private let secret: [UInt8]
    private let code: Code

    /// - Parameter text: the secret itself, or `base64:` and the secret in base64.
    /// - Returns: nil if the secret is empty.
    package init?(_ text: String, code: @escaping Code) {
        let prefix = "base64:"
        secret =
            text.hasPrefix(prefix)
            ? Base64.lenientlyDecoded(text.utf8.dropFirst(prefix.utf8.count)) : Array(text.utf8)
        self.code = code
        if secret.isEmpty { return nil }
    }

    fileprivate func signature(_ message: [UInt8]) -> [UInt8] { code(secret, message) }
}

package enum Token {
    /// A token of an issuer that is valid until a second of Unix time.
    package static func signed(issuer: String, until expiry: Int, _ key: TokenKey) -> [UInt8] {
        let header = JSONValue.object(["alg": .string("HS256"), "typ": .string("JWT")])
        let claims = JSONValue.object(["iss": .string(issuer), "exp": .number(Double(expiry))])
        var token = Base64.urlEncoded(header.serialized) + [UInt8(ascii: ".")] + Base64.urlEncoded(claims.serialized)
        let signature = key.signature(token)
        token.append(UInt8(ascii: "."))
        token += Base64.urlEncoded(signature)
        return token
    }

    /// Checks a token that somebody has shown.
    ///
    /// - Parameter now: seconds of Unix time.
    package static func check(_ token: some Collection<UInt8>, _ key: TokenKey, now: Int) throws(GRIPError) {
        let parts = token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, token.count <= 8192, let signature = Base64.urlDecoded(parts[2]),
            let header = Base64.urlDecoded(parts[0]).flatMap({ JSONValue($0) }),
            let claims = Base64.urlDecoded(parts[1]).flatMap({ JSONValue($0) })
        else { throw GRIPError("not a JSON Web Token") }
        guard header["alg"].text == "HS256" else { throw GRIPError("its algorithm is not HS256") }
        let wanted = key.signature(Array(parts[0]) + [UInt8(ascii: ".")] + Array(parts[1]))
        guard areEqual(signature, wanted) else { throw GRIPError("its signature is wrong") }
        guard let expiry = claims["exp"].number else { throw GRIPError("it has no time of expiry") }
        guard Double(now) < expiry else { throw GRIPError("it has expired") }
        if let start = claims["nbf"].number, Double(now) < start { throw GRIPError("it is not valid yet") }
    }

    private static func areEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(UInt8(0)) { $0 | $1.0 ^ $1.1 } == 0
    }
}

/// The token that every request carries to the app, made anew from time to time.
package struct RenewedToken: Sendable {
    private let issuer: String
    private let key: TokenKey
    private var made: (token: [UInt8], at: Int)?

    /// Seconds that a token is valid, and after how many it is replaced.
    private static let validity = 3600
    private static let renewal = 600

    package init(issuer: String, key: TokenKey) {
        self.issuer = issuer
        self.key = key
    }

    /// - Parameter now: seconds of Unix time.
    package mutating func token(now: Int) -> [UInt8] {
        // A clock that was set back must not leave a token that lasts for ever.
        if let made, (0..<Self.renewal).contains(now - made.at) { return made.token }
        let token = Token.signed(issuer: issuer, until: now + Self.validity, key)
        made = (token, now)
        return token
    }
}
