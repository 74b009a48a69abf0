// The rows of what is spoken at the addresses: HTTP, or the protocols by which web servers pass requests on.

package import EvLoop

extension Setting {
    static let gatewayRows = [
        Setting(
            "protocol", "--protocol", .binding,
            .choice(\.addressProtocol, also: ["http11": .http, "fcgi": .fastcgi]), value: "name",
            "What is spoken at the addresses of --bind that do not say it: http, https, uwsgi, fastcgi or scgi.",
            details: "An address says it as https://HOST:PORT, scgi://unix:PATH or http://fd://N. With --certfile, "
                + "https is what http is without."),
        Setting(
            "uwsgi_allow_ips", "--uwsgi-allow-from", .binding, .addressSet(\.gatewaySenders), value: "addresses",
            "Who may speak uwsgi, FastCGI and SCGI: addresses and networks, with commas between, or * for all.",
            details: "What they say of their clients is believed. Peers of Unix sockets always may; anybody else is "
                + "answered with 403."),
    ]
}

/// What is spoken at an address.
package enum AddressProtocol: String, CaseIterable, Sendable {
    case http, https, uwsgi, fastcgi, scgi
}

extension GatewayConfiguration {
    package func spoken(at address: BindAddress) -> AddressProtocol {
        bindProtocols[address.text] ?? (addressProtocol == .http && certificateFile != nil ? .https : addressProtocol)
    }

    /// `binds` as `--bind` takes them.
    package var bindTexts: [String] { binds.map(text(of:)) }

    private func text(of bind: BindAddress) -> String {
        bindProtocols[bind.text].map { "\($0)://\(bind.text)" } ?? bind.text
    }

    /// What is spoken at the addresses that do not speak plain HTTP, by `BindAddress.text`.
    package var gatewayProtocols: [String: AddressProtocol] {
        var spoken: [String: AddressProtocol] = [:]
        for bind in binds where self.spoken(at: bind) != .http { spoken[bind.text] = self.spoken(at: bind) }
        return spoken
    }
}

extension Kind {
    /// Addresses, each of which may say what is spoken there.
    static let binds = Kind(
        .list,
        reset: {
            $0.binds = GatewayConfiguration().binds
            $0.bindProtocols = [:]
        },
        show: { .list($0.bindTexts.map { .text($0) }) }
    ) { configuration, value throws(ValueError) in
        var addresses: [BindAddress] = []
        var spoken: [String: AddressProtocol] = [:]
        for text in try Kind.parts(of: value) {
            let said = AddressProtocol.allCases.first { text.hasPrefix("\($0)://") }
            let rest = said.map { String(text.dropFirst("\($0)://".count)) } ?? text
            let address = try Kind.address(rest)
            // Workers know a socket by its address.
            guard !addresses.contains(address) || spoken[address.text] == said else {
                throw ValueError("'\(address.text)' cannot have two protocols")
            }
            addresses.append(address)
            spoken[address.text] = said
        }
        guard !addresses.isEmpty else { throw ValueError("the value is empty") }
        configuration.binds = addresses
        configuration.bindProtocols = spoken
    }

    /// gunicorn takes several addresses in one text.
    static func parts(of value: SettingValue) throws(ValueError) -> [String] {
        try ValueReader.texts(value).flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
            .map { String($0.trimming(" ")) }
    }

    static func address(_ text: String) throws(ValueError) -> BindAddress {
        do throws(BindAddressError) {
            return try BindAddress(parsing: text)
        } catch {
            throw ValueError("\(error)")
        }
    }
}
