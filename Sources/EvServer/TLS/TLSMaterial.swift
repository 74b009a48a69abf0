// What TLS is spoken with, as bytes: read by the master, which may read what its workers may not, and handed to them.
// The form of the bytes is that of one program, and may change at any time.

package struct TLSMaterial: Equatable, Sendable {
    /// A certificate and its key.
    package struct Identity: Equatable, Sendable {
        /// As messages name them.
        package var chainName: String
        package var keyName: String
        /// In PEM.
        package var chain: [UInt8]
        package var key: [UInt8]
        /// A response of OCSP in DER; empty for none.
        package var staple: [UInt8] = []

        package init(chainName: String, chain: [UInt8], keyName: String, key: [UInt8]) {
            (self.chainName, self.chain, self.keyName, self.key) = (chainName, chain, keyName, key)
        }
    }

    /// `--cert-reqs`: what is asked of clients.
    package enum ClientCertificates: UInt8, Sendable {
        case none, optional, required
    }

    /// For clients that ask for no name, or for one that is not known.
    package var standard: Identity
    /// By the names that clients ask for, in lower case; `*.example.org` for all of a kind.
    package var named: [String: Identity] = [:]
    /// Who issues the certificates of clients, in PEM; empty for nobody.
    package var authorities: [UInt8] = []
    package var clients = ClientCertificates.none
    /// Of the keys that are encrypted.
    package var password: String?
    /// As OpenSSL takes them; nil for good ones.
    package var ciphers: String?
    /// As in the protocol: 0x0303 is TLS 1.2.
    package var minimumVersion = 0x0303
    /// The names of ALPN, in the order of preference.
    package var protocols = ["http/1.1"]
    /// 32 random bytes that all workers have, from which the keys of tickets follow.
    package var ticketSecret: [UInt8]
    /// Seconds that such a key is used to make tickets.
    package var ticketPeriod = 12 * 3600

    package init(_ standard: Identity, ticketSecret: [UInt8]) {
        self.standard = standard
        self.ticketSecret = ticketSecret
    }

    /// Whether a session of the other may be resumed: nothing is asked of its client that was not asked then.
    var realm: [UInt8] {
        var hash: UInt64 = 14_695_981_039_346_656_037
        for byte in authorities + [clients.rawValue] { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
        return withUnsafeBytes(of: hash.bigEndian) { Array($0) }
    }
}

// MARK: as bytes

extension TLSMaterial {
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        func append(_ part: [UInt8]) {
            bytes.append(integer: UInt32(clamping: part.count))
            bytes += part
        }
        func append(_ text: String) { append(Array(text.utf8)) }
        func append(_ identity: Identity) {
            for text in [identity.chainName, identity.keyName] { append(text) }
            for part in [identity.chain, identity.key, identity.staple] { append(part) }
        }
        for part in [authorities, [clients.rawValue], ticketSecret] { append(part) }
        for text in [password, ciphers] { append(text.map { [1] + Array($0.utf8) } ?? []) }
        for text in ["\(minimumVersion)", "\(ticketPeriod)", protocols.joined(separator: ",")] { append(text) }
        append(standard)
        for (name, identity) in named.sorted(by: { $0.key < $1.key }) {
            append(name)
            append(identity)
        }
        return bytes
    }

    /// Nil for bytes that are not whole.
    package init?(bytes: [UInt8]) {
        var rest = bytes[...]
        func take() -> [UInt8]? {
            guard let count = rest.takeInteger(UInt32.self), rest.count >= Int(count) else { return nil }
            defer { rest = rest.dropFirst(Int(count)) }
            return Array(rest.prefix(Int(count)))
        }
        func takeText() -> String? { take().map { String(decoding: $0, as: UTF8.self) } }
        func takeIdentity() -> Identity? {
            guard let chainName = takeText(), let keyName = takeText(), let chain = take(), let key = take(),
                let staple = take()
            else { return nil }
            var identity = Identity(chainName: chainName, chain: chain, keyName: keyName, key: key)
            identity.staple = staple
            return identity
        }
        guard let authorities = take(), let clients = take()?.first.flatMap(ClientCertificates.init),
            let ticketSecret = take(), let password = take(), let ciphers = take(),
            let minimum = takeText().flatMap({ Int($0) }), let period = takeText().flatMap({ Int($0) }),
            let protocols = takeText(), let standard = takeIdentity()
        else { return nil }
        self.init(standard, ticketSecret: ticketSecret)
        (self.authorities, self.clients) = (authorities, clients)
        func text(_ bytes: [UInt8]) -> String? {
            bytes.isEmpty ? nil : String(decoding: bytes.dropFirst(), as: UTF8.self)
        }
        (self.password, self.ciphers) = (text(password), text(ciphers))
        (minimumVersion, ticketPeriod) = (minimum, period)
        self.protocols = protocols.split(separator: ",").map(String.init)
        while !rest.isEmpty {
            guard let name = takeText(), let identity = takeIdentity() else { return nil }
            named[name] = identity
        }
    }
}
