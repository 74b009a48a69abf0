// What a Swift app is told of a connection over TLS.

import EvServer

extension Request {
    /// What was agreed upon with the peer over TLS. Nil where the peer has connected without it, as with a proxy that
    /// speaks TLS to its clients and plain HTTP to the server: that is told by ``scheme``.
    public var tls: TLSConnection? { secureFacts.map(TLSConnection.init) }
}

/// A connection over TLS.
public struct TLSConnection: Sendable {
    private let facts: TLSFacts

    init(_ facts: TLSFacts) { self.facts = facts }

    /// `TLSv1.2` or `TLSv1.3`.
    public var version: String { facts.versionName }
    /// The cipher suite, by OpenSSL's name.
    public var cipher: String { facts.cipherName }
    /// The name that the client has asked for (SNI).
    public var serverName: String? { facts.serverName }
    /// The client's certificate, which was verified (`--cert-reqs`). Nil for a client that has shown none.
    public var clientCertificate: ClientCertificate? { facts.client.map(ClientCertificate.init) }

    /// The certificate of a client.
    public struct ClientCertificate: Sendable, Equatable {
        private let certificate: TLSFacts.Certificate

        init(_ certificate: TLSFacts.Certificate) { self.certificate = certificate }

        /// Whose it is, as RFC 2253 writes names: `CN=Ann,O=Example`.
        public var subject: String { certificate.subject }
        /// Who has issued it, in the same form.
        public var issuer: String { certificate.issuer }
        /// Hexadecimal, in upper case.
        public var serialNumber: String { certificate.serial }
        /// The whole of it, in PEM.
        public var pem: String { certificate.pem }
    }
}
