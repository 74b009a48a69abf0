// The rows of TLS. The names are gunicorn's where it has one.

package import EvLoop

extension Setting {
    static let tlsRows = [
        Setting(
            "certfile", "--certfile", .tls, .text(\.certificateFile, .file), value: "file",
            "Certificate and those of its issuers, in PEM: HTTP is then spoken over TLS.",
            details: "At every address of --bind that does not say http://. Files that change are read again, and so "
                + "they are at a reload; connections that are open go on."),
        Setting(
            "keyfile", "--keyfile", .tls, .text(\.keyFile, .file), value: "file",
            "The certificate's private key, in PEM; else it stands in --certfile.",
            details: "The master reads it, before and whatever --user is."),
        Setting(
            "keyfile_password", "--keyfile-password", .tls, .text(\.keyPassword), value: "text", secret: true,
            "Password of private keys that are encrypted.",
            details: "EVGATEWAY_KEYFILE_PASSWORD in the environment is seen by fewer people than the command line."),
        Setting(
            "ca_certs", "--ca-certs", .tls, .text(\.authoritiesFile, .file), value: "file",
            "Who issues the certificates of clients, in PEM; with --cert-reqs."),
        Setting(
            "cert_reqs", "--cert-reqs", .tls, .clientCertificates, value: "name",
            "Whether a client must show a certificate: none, optional or required; also 0, 1 and 2.",
            details: "Apps are told of it: in environ as SSL_CLIENT_S_DN and its neighbours, in ASGI by the extension "
                + "tls."),
        Setting(
            "ciphers", "--ciphers", .tls, .text(\.ciphers), value: "names",
            "Ciphers as OpenSSL names them, with colons between; else those with forward secrecy and AEAD.",
            details: "Names that begin with TLS_ are suites of TLS 1.3."),
        Setting(
            "ssl_min_version", "--ssl-min-version", .tls, .minimumVersion, value: "version",
            "Oldest version of TLS that is spoken: 1.2 or 1.3."),
        Setting(
            "sni_dir", "--sni-dir", .tls, .text(\.certificateFolder, .folder), value: "folder",
            "Further certificates by the name that clients ask for: NAME.pem, or NAME/fullchain.pem and privkey.pem.",
            details: "NAME.pem holds the key, too. _.example.org and *.example.org are for every name of one label "
                + "more. Whoever asks for another name gets --certfile."),
        Setting(
            "ocsp_file", "--ocsp-file", .tls, .text(\.stapleFile, .file), value: "file",
            "A response of OCSP for --certfile, in DER, which clients that ask for it get with the certificate."),
        Setting(
            "http_protocols", "--http-protocols", .tls, .httpProtocols, value: "names",
            "What is offered to clients over TLS, the best first: h2 and h1, with commas between.",
            details: "A client that says nothing by ALPN is served by HTTP/1.1. Without TLS, see http2_cleartext."),
    ]
}

/// `--http-protocols`.
package enum HTTPProtocol: String, CaseIterable, Sendable {
    case h1, h2

    /// The name in ALPN.
    package var applicationProtocol: String {
        switch self {
        case .h1: "http/1.1"
        case .h2: "h2"
        }
    }
}

/// `--cert-reqs`.
package enum ClientCertificates: String, CaseIterable, Sendable {
    case none, optional, required
}

extension GatewayConfiguration {
    /// Where HTTP is spoken over TLS.
    package var secureAddresses: [BindAddress] { binds.filter { spoken(at: $0) == .https } }
}

extension Kind {
    /// Python's numbers and its names of them, too.
    fileprivate static let clientCertificates = Kind.choice(
        \.clientCertificates,
        also: [
            "0": .none, "1": .optional, "2": .required, "cert_none": .none, "cert_optional": .optional,
            "cert_required": .required,
        ])

    fileprivate static let httpProtocols = Kind(
        .value, reset: { $0.httpProtocols = GatewayConfiguration().httpProtocols },
        show: { .list($0.httpProtocols.map { .text($0.rawValue) }) }
    ) { configuration, value throws(ValueError) in
        var chosen: [HTTPProtocol] = []
        for text in try Kind.parts(of: value) {
            guard let word = HTTPProtocol(rawValue: text.lowercased()) else {
                throw ValueError("'\(text)' is unknown: choose h1 or h2, or both with a comma between")
            }
            if !chosen.contains(word) { chosen.append(word) }
        }
        configuration.httpProtocols = chosen
    }

    fileprivate static let minimumVersion = Kind(
        .value, words: ["1.2", "1.3"], reset: { $0.minimumTLSVersion = GatewayConfiguration().minimumTLSVersion },
        show: { .text("1.\($0.minimumTLSVersion & 0xff - 1)") }
    ) { configuration, value throws(ValueError) in
        let text = value.plainText.lowercased()
        // TLSv1.2, TLSv1_2, tls1.2.
        let digits = text.filter(\.isNumber)
        guard let version = ["12": 0x0303, "13": 0x0304][digits] else {
            throw ValueError("'\(value.plainText)' is unknown: choose 1.2 or 1.3")
        }
        configuration.minimumTLSVersion = version
    }
}

extension Settings {
    /// Throws where a setting misses another one. Nothing is read here.
    func checkTLS() throws(ConfigurationError) {
        if configuration.clientCertificates != .none, configuration.authoritiesFile == nil {
            throw ConfigurationError(label(of: "cert_reqs"), reason: "needs --ca-certs")
        }
        guard configuration.certificateFile == nil else { return }
        if let address = configuration.secureAddresses.first {
            throw ConfigurationError(label(of: "bind"), reason: "https://\(address.text) needs --certfile")
        }
        for (name, isSet) in [
            ("keyfile", configuration.keyFile != nil), ("sni_dir", configuration.certificateFolder != nil),
            ("ocsp_file", configuration.stapleFile != nil), ("cert_reqs", configuration.clientCertificates != .none),
        ] where isSet {
            throw ConfigurationError(label(of: name), reason: "needs --certfile")
        }
    }
}
