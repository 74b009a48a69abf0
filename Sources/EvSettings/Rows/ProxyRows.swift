// The rows about proxies in front: who is believed, in which fields, and what follows.

import EvLoop

extension Setting {
    static let proxyRows = [
        Setting(
            "forwarded_allow_ips", "--forwarded-allow-ips", .proxies, .addressSet(\.forwardedAllowIPs),
            value: "addresses", variables: [Variable("FORWARDED_ALLOW_IPS")],
            "Proxies that are believed: addresses and networks, with commas between; *: every peer.",
            details: "The peer of a Unix socket always is."),
        Setting(
            "secure_scheme_headers", "", .proxies, .schemeHeaders,
            "The fields of such a proxy, with the value that says TLS; two that disagree are answered with 400.",
            details: "A table: names in any case, values exactly."),
        Setting(
            "proxy_headers", "--proxy-headers", off: "--no-proxy-headers", .proxies, .toggle(\.proxyHeaders),
            "The client that such a proxy names is the app's REMOTE_ADDR, or scope['client'], and %(h)s of the log.",
            details: "By default, as under gunicorn, only the scheme is taken over; under uvicorn's worker class, the "
                + "client too. With --no-proxy-headers nothing is."),
        Setting(
            "trusted_proxy_headers", "--trusted-proxy-headers", .proxies, .proxyHeaders, value: "names",
            "The fields that the proxies write: x-forwarded-for, -proto, -host, -port, -prefix; or forwarded alone.",
            details: "They replace or extend what a client sends. Implies --proxy-headers. forwarded (RFC 7239) "
                + "excludes the others, and secure_scheme_headers. Without x-forwarded-proto, only "
                + "secure_scheme_headers that are set count."),
        Setting(
            "trusted_proxy_count", "--trusted-proxy-count", .proxies, .wholeNumber(\.trustedProxyCount, 0...100),
            value: "int", "The number of proxies, where their addresses do not tell; 0: as many as are trusted.",
            details: "A list of addresses is read so far from the right, and no further: 1 gives the last one."),
        Setting(
            "forwarder_headers", "--forwarder-headers", .proxies, .list(\.forwarderHeaders), value: "names",
            "Fields whose name has an underscore that such a proxy may send; *: all.",
            details: "SCRIPT_NAME says where the app is: its path begins with it, or has had it cut off."),
        Setting(
            "header_map", "--header-map", .proxies, .choice(\.headerMap), value: "name",
            "What becomes of other fields whose name has an underscore, for Python apps: drop, refuse or dangerous.",
            details: "dangerous: the app cannot tell X_A from X-A."),
    ]
}

extension Kind {
    static func toggle(_ path: Path<Bool?>) -> Kind {
        Kind(
            .toggle, reset: { $0[keyPath: path] = GatewayConfiguration()[keyPath: path] },
            show: { $0[keyPath: path].map { .boolean($0) } ?? .none }
        ) { configuration, value throws(ValueError) in
            configuration[keyPath: path] = try ValueReader.boolean(value)
        }
    }

    /// Words in one text, separated by commas, or a list of them. No text is an empty list.
    static func list(_ path: Path<[String]>) -> Kind {
        Kind(
            .value, reset: { $0[keyPath: path] = GatewayConfiguration()[keyPath: path] },
            show: { .list($0[keyPath: path].map { .text($0) }) }
        ) { configuration, value throws(ValueError) in
            configuration[keyPath: path] = try words(value)
        }
    }

    /// Addresses and networks, in one text with commas between or in a list. An empty text stands for nobody.
    static func addressSet(_ path: Path<AddressSet>) -> Kind {
        Kind(
            .value, reset: { $0[keyPath: path] = GatewayConfiguration()[keyPath: path] },
            show: { .list($0[keyPath: path].texts.map { .text($0) }) }
        ) { configuration, value throws(ValueError) in
            let texts = try words(value)
            do throws(AddressSetError) {
                configuration[keyPath: path] = try AddressSet(texts)
            } catch {
                throw ValueError(error.reason)
            }
        }
    }

    private static func words(_ value: SettingValue) throws(ValueError) -> [String] {
        if value == .text("") { return [] }
        return try ValueReader.texts(value).flatMap { text in
            text.split { $0 == "," || $0 == " " }.map(String.init)
        }
    }

    static let proxyHeaders = Kind(
        .list, words: ProxyHeader.allCases.map(\.rawValue), reset: { $0.trustedProxyHeaders = nil },
        show: { $0.trustedProxyHeaders.map { .list($0.map { .text($0.rawValue) }) } ?? .none }
    ) { configuration, value throws(ValueError) in
        var headers: [ProxyHeader] = []
        for word in try words(value) {
            guard let header = ProxyHeader(rawValue: word.lowercased()) else {
                let known = ValueReader.alternatives(ProxyHeader.allCases.map(\.rawValue))
                throw ValueError("'\(word)' is unknown: choose \(known)")
            }
            if !headers.contains(header) { headers.append(header) }
        }
        guard !headers.contains(.forwarded) || headers.count == 1 else {
            throw ValueError(
                "forwarded stands alone: of two sources, a client could write the one that the proxy does not")
        }
        configuration.trustedProxyHeaders = headers
    }

    static let schemeHeaders = Kind(
        .value, reset: { $0.secureSchemeHeaders = nil },
        show: { configuration in
            .table(
                (configuration.secureSchemeHeaders ?? GatewayConfiguration.usualSchemeHeaders).map {
                    SettingValue.Entry($0.name, .text($0.value))
                })
        }
    ) { configuration, value throws(ValueError) in
        var headers: [SchemeHeader] = []
        for text in try pairs(value) {
            let parts = text.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, parts[0].utf8.allSatisfy(Self.isTokenByte) else {
                throw ValueError("'\(text)' is no name of a field with its value")
            }
            headers.append(SchemeHeader(name: String(parts[0]), value: String(parts[1])))
        }
        configuration.secureSchemeHeaders = headers == GatewayConfiguration.usualSchemeHeaders ? nil : headers
    }

    /// A table, or `NAME=value` with commas between.
    private static func pairs(_ value: SettingValue) throws(ValueError) -> [String] {
        if case .text(let text) = value { return text.split(separator: ",").map { String($0.trimming(" ")) } }
        return try ValueReader.texts(value)
    }

    /// RFC 9110 section 5.6.2.
    static func isTokenByte(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte & 0xdf) && byte < 0x80
            || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}
