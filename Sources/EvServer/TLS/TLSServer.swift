// The server's part of every handshake: certificates by the name that a client asks for, and the rules. Made in the
// master before workers are forked, and again in a worker when its master says that files have changed. Connections
// that are open keep what they have begun with.

internal import CTLS

package final class TLSServer: Sendable {
    // Changed by nobody once they are made.
    private nonisolated(unsafe) let standard: OpaquePointer
    private nonisolated(unsafe) let named: [String: OpaquePointer]

    /// - Throws: for the first part that cannot be used.
    package init(_ material: TLSMaterial) throws(TLSError) {
        let standard = try Self.context(material.standard, material)
        var named: [String: OpaquePointer] = [:]
        for (name, identity) in material.named {
            do throws(TLSError) {
                named[name] = try Self.context(identity, material)
            } catch {
                for context in named.values + [standard] { evg_tls_context_free(context) }
                throw error
            }
        }
        (self.standard, self.named) = (standard, named)
        guard !named.isEmpty else { return }
        // The context forgets this object before the object goes.
        evg_tls_context_set_chooser(standard, chosen, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        for context in Array(named.values) + [standard] { evg_tls_context_free(context) }
    }

    /// The state of a connection; nil without memory.
    func open(_ socket: Int32, read: UnsafeRawBufferPointer) -> OpaquePointer? {
        evg_tls_new(standard, socket, read.baseAddress?.assumingMemoryBound(to: UInt8.self), read.count)
    }

    /// Nil for the standard one.
    fileprivate func context(named text: String) -> OpaquePointer? {
        var name = text.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        if let context = named[name] { return context }
        guard let dot = name.firstIndex(of: ".") else { return nil }
        return named["*" + name[dot...]]
    }

    private static func context(
        _ identity: TLSMaterial.Identity, _ material: TLSMaterial
    ) throws(TLSError) -> OpaquePointer {
        let realm = material.realm
        guard let context = evg_tls_context_new(realm, realm.count) else { throw TLSError(.memory, "no memory") }
        do throws(TLSError) {
            try set(context, identity, material.password)
            try set(context, material)
        } catch {
            evg_tls_context_free(context)
            throw error
        }
        return context
    }

    private static func set(
        _ context: OpaquePointer, _ identity: TLSMaterial.Identity, _ password: String?
    ) throws(TLSError) {
        let chain = evg_tls_context_set_chain(context, identity.chain, identity.chain.count)
        if let reason = TLSError.reason(chain, "certificate", identity.chainName) {
            throw TLSError(.certificate, reason)
        }
        let key = evg_tls_context_set_key(context, identity.key, identity.key.count, password)
        if let reason = TLSError.reason(key, "private key", identity.keyName) {
            throw TLSError(key == EVG_TLS_NO_PASSWORD || key == EVG_TLS_WRONG_PASSWORD ? .password : .key, reason)
        }
        guard identity.staple.isEmpty || evg_tls_context_set_staple(context, identity.staple, identity.staple.count)
        else { throw TLSError(.memory, "no memory") }
    }

    private static func set(_ context: OpaquePointer, _ material: TLSMaterial) throws(TLSError) {
        guard evg_tls_context_set_minimum(context, Int32(clamping: material.minimumVersion)) else {
            throw TLSError(.version, TLSError.lastReason())
        }
        if let text = material.ciphers {
            // The suites of TLS 1.3 are apart in OpenSSL, and have names of their own.
            let names = text.split(whereSeparator: { ":, ".contains($0) })
            let suites = names.filter { $0.hasPrefix("TLS_") }.joined(separator: ":")
            let ciphers = names.filter { !$0.hasPrefix("TLS_") }.joined(separator: ":")
            guard
                evg_tls_context_set_ciphers(
                    context, ciphers.isEmpty ? nil : ciphers, suites.isEmpty ? nil : suites)
            else { throw TLSError(.ciphers, "'\(text)': \(TLSError.lastReason())") }
        }
        if material.clients != .none {
            let loaded = evg_tls_context_set_authorities(context, material.authorities, material.authorities.count)
            if let reason = TLSError.reason(loaded, "certificate", nil) { throw TLSError(.authorities, reason) }
            evg_tls_context_ask_clients(context, material.clients == .required)
        }
        let protocols = material.protocols.flatMap { [UInt8(truncatingIfNeeded: $0.utf8.count)] + Array($0.utf8) }
        guard evg_tls_context_set_protocols(context, protocols, protocols.count) else {
            throw TLSError(.memory, "no memory")
        }
        guard material.ticketSecret.count == 32 else { return }
        evg_tls_context_set_tickets(context, material.ticketSecret, material.ticketPeriod)
    }
}

private func chosen(_ owner: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?) -> OpaquePointer? {
    guard let owner, let name else { return nil }
    return Unmanaged<TLSServer>.fromOpaque(owner).takeUnretainedValue().context(named: String(cString: name))
}

/// What of the material cannot be used, and why.
package struct TLSError: Error, Equatable, Sendable {
    package enum Part: Sendable { case certificate, key, password, authorities, ciphers, version, memory }

    package let part: Part
    /// The end of a sentence that begins with the name of a setting.
    package let reason: String

    init(_ part: Part, _ reason: String) { (self.part, self.reason) = (part, reason) }

    /// Why OpenSSL's last call has failed.
    static func lastReason() -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { text in
            evg_tls_error(text.baseAddress, text.count)
            return text.baseAddress.map { String(cString: $0) } ?? ""
        }
    }

    /// - Parameters:
    ///   - what: what was looked for.
    ///   - name: of the file; nil where the setting names it.
    /// - Returns: nil where nothing is wrong.
    static func reason(_ result: evg_tls_load, _ what: String, _ name: String?) -> String? {
        let subject = name ?? "it"
        let why = result == EVG_TLS_LOADED ? "" : lastReason()
        switch result {
        case EVG_TLS_LOADED: return nil
        case EVG_TLS_NONE_THERE: return "no \(what) in \(subject) (PEM)"
        case EVG_TLS_NO_PASSWORD: return "\(subject) is encrypted: write --keyfile-password"
        case EVG_TLS_WRONG_PASSWORD: return "not the password of \(subject)"
        case EVG_TLS_NOT_THE_KEY: return "\(subject) is not the key of the certificate"
        default: return "\(subject) cannot be used: \(why)"
        }
    }
}
