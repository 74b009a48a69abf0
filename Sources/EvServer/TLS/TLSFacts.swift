// What an app is told of a connection over TLS: what was agreed upon, and who the client has shown to be. A value that
// outlives the connection.

internal import CTLS
import EvLoop
import Glibc

package final class TLSFacts: Sendable {
    /// 0x0304 is TLS 1.3.
    package let version: Int
    package let versionName: String
    /// The number of the suite in TLS, and OpenSSL's name.
    package let cipher: Int
    package let cipherName: String
    /// The name that the client has asked for.
    package let serverName: String?
    /// Nil for a client without a certificate.
    package let client: Certificate?
    /// In PEM, the client's own first.
    package let clientChain: [String]

    package struct Certificate: Equatable, Sendable {
        /// RFC 2253.
        package let subject: String
        package let issuer: String
        /// Hexadecimal.
        package let serial: String
        /// `Jan  1 00:00:00 2026 GMT`.
        package let notBefore: String
        package let notAfter: String
        package let pem: String
    }

    /// The same in another form, of whoever has made it.
    @LoopActor package var attachment: AnyObject?

    /// Chains of clients are cut here.
    private static let longestChain = 16

    init(_ session: OpaquePointer) {
        version = Int(evg_tls_version(session))
        versionName = String(cString: evg_tls_version_name(session))
        cipher = Int(evg_tls_cipher(session))
        cipherName = String(cString: evg_tls_cipher_name(session))
        serverName = evg_tls_server_name(session).map { String(cString: $0) }
        func text(_ kind: evg_tls_text) -> String { Self.text(evg_tls_client_text(session, kind, 0)) ?? "" }
        var chain: [String] = []
        while chain.count < Self.longestChain,
            let pem = Self.text(evg_tls_client_text(session, EVG_TLS_PEM, Int32(chain.count)))
        {
            chain.append(pem)
        }
        clientChain = chain
        client = chain.first.map {
            Certificate(
                subject: text(EVG_TLS_SUBJECT), issuer: text(EVG_TLS_ISSUER), serial: text(EVG_TLS_SERIAL),
                notBefore: text(EVG_TLS_START), notAfter: text(EVG_TLS_END_DATE), pem: $0)
        }
    }

    private static func text(_ made: UnsafeMutablePointer<CChar>?) -> String? {
        guard let made else { return nil }
        defer { free(made) }
        return String(cString: made)
    }
}
