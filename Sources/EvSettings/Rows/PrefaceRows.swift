// The rows of what a proxy sends before the first request of a connection.

import EvLoop

extension Setting {
    static let prefaceRows = [
        Setting(
            "proxy_protocol", "--proxy-protocol", .binding, .proxyProtocol(\.proxyProtocol), value: "[mode]",
            "PROXY headers, by which a proxy says who has connected to it: off, v1, v2, or auto for both.",
            details: "Without a value: auto. A connection that begins with a request is served as it is."),
        Setting(
            "proxy_allow_ips", "--proxy-allow-from", .binding, .addressSet(\.proxySenders), value: "addresses",
            "Who may send PROXY headers: addresses and networks as 10.0.0.0/8, with commas between, or * for all.",
            details: "Peers of Unix sockets always may. A header of anybody else is answered with 403."),
    ]
}

/// `--proxy-protocol`.
package enum ProxyProtocol: String, CaseIterable, Sendable {
    case off, v1, v2, auto
}

extension Kind {
    /// gunicorn's words, those of the switch that it was once among them.
    fileprivate static func proxyProtocol(_ path: Path<ProxyProtocol>) -> Kind {
        let words = ProxyProtocol.allCases.map(\.rawValue)
        let others: [String: ProxyProtocol] = ["true": .auto, "1": .auto, "false": .off, "0": .off, "none": .off]
        return Kind(
            .value, words: words, alone: Alone(value: "auto", otherWords: Array(others.keys)),
            reset: { $0[keyPath: path] = GatewayConfiguration()[keyPath: path] },
            show: { .text($0[keyPath: path].rawValue) }
        ) { configuration, value throws(ValueError) in
            let word =
                if case .boolean(let isOn) = value { isOn ? "true" : "false" } else { try ValueReader.text(value) }
            let text = word.trimmedWord.lowercased()
            guard let mode = ProxyProtocol(rawValue: text) ?? others[text] else {
                throw ValueError("'\(word)' is unknown: choose \(ValueReader.alternatives(words))")
            }
            configuration[keyPath: path] = mode
        }
    }
}
