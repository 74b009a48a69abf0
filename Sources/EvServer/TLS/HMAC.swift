import CTLS

/// Codes that prove a secret (RFC 2104).
package enum HMAC {
    /// With SHA-256: 32 bytes, or none where there is no memory for them.
    @Sendable package static func sha256(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: 32)
        return evg_tls_hmac_sha256(key, key.count, message, message.count, &code) ? code : []
    }
}
