// The rows about which worker serves which client.

extension Setting {
    static let stickyRows = [
        Setting(
            "sticky", "--sticky", .workers, .sticky, value: "what",
            "Requests of one client go to one worker: address, cookie[:NAME], query:NAME or header:NAME.",
            details: "For apps that keep sessions in the memory of a worker, such as Socket.IO with long polling "
                + "(query:sid). A connection moves to the worker that its request belongs to. address: of the client, "
                + "as trusted proxies tell it; cookie: the server's own; with a NAME: the worker whose response has "
                + "named the value (Set-Cookie, a field, a JSON member at the beginning of the body) owns it. Requests "
                + "over TLS or HTTP/2 stay where they are."),
        Setting(
            "rebalance", "--rebalance", off: "--no-rebalance", .workers, .toggle(\.rebalances),
            "Idle and held connections move from a worker that has had more than others for 10 seconds.",
            details: "More than 1.25 times as many as the worker with the fewest."),
    ]
}

/// `--sticky`: by what a request belongs to a worker.
package enum StickyChoice: Equatable, Sendable {
    case address
    /// Of the server's own without a name.
    case cookie(String?)
    case query(String)
    case header(String)

    package var text: String {
        switch self {
        case .address: "address"
        case .cookie(nil): "cookie"
        case .cookie(let name?): "cookie:\(name)"
        case .query(let name): "query:\(name)"
        case .header(let name): "header:\(name)"
        }
    }
}

extension Kind {
    static let sticky = Kind(
        .value, reset: { $0.sticky = nil }, show: { $0.sticky.map { .text($0.text) } ?? .none }
    ) { configuration, value throws(ValueError) in
        configuration.sticky = try stickyChoice(ValueReader.nonEmpty(value))
    }

    private static func stickyChoice(_ text: String) throws(ValueError) -> StickyChoice {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = parts.count == 2 ? parts[1] : nil
        switch (parts[0], name) {
        case ("address", nil): return .address
        case ("cookie", nil): return .cookie(nil)
        case ("cookie", let name?) where isName(name): return .cookie(name)
        case ("query", let name?) where isName(name): return .query(name)
        case ("header", let name?) where isName(name): return .header(name)
        default:
            throw ValueError("'\(text)' is none of address, cookie, cookie:NAME, query:NAME and header:NAME")
        }
    }

    private static func isName(_ text: String) -> Bool {
        1...64 ~= text.utf8.count && text.utf8.allSatisfy(isTokenByte)
    }
}
