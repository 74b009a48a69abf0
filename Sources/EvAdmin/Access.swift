// Who may ask. Over a unix socket the file's mode has decided. Over TCP everybody of this machine can connect, and so
// can pages in a browser: without a token the request must name this server, and commands are not taken; with one it
// must be shown. No page of another site may give a command in any case. Publishing is a door of its own, with other
// secrets, of which one may sign tokens.

import EvLoop
import EvServer
import GRIP
import Glibc
import HTTPCore
import Logging

/// What a request is for.
enum AdminPurpose {
    /// Tells nothing that helps anybody: for probes, which have no token.
    case health
    case reading
    case command
    case publishing
}

/// Which door, in the words of its answers.
enum AdminDoor {
    case admin, publishing

    var bind: String { self == .admin ? "--admin-bind" : "--publish-bind" }
    var secret: String { self == .admin ? "--admin-token" : "--publish-token" }
    var challenge: String {
        switch self {
        case .admin: "Show --admin-token: as Authorization: Bearer TOKEN, or as the password of any user"
        case .publishing: "Show a token that --publish-key has signed, or --publish-token: Authorization: Bearer TOKEN"
        }
    }
    var realm: StaticString {
        switch self {
        case .admin: "Basic realm=\"evgateway admin\", charset=\"UTF-8\""
        case .publishing: "Bearer realm=\"evgateway publishing\""
        }
    }
}

@LoopActor
final class Access {
    private let loop: EventLoop
    private let door: AdminDoor
    private let token: [UInt8]?
    /// What signs tokens that are taken, too.
    private let key: TokenKey?
    /// Names by which this server may be asked without a token, in lower case.
    private let names: Set<String>
    /// Answers that are held back, with their timers.
    private var slowed: [ObjectIdentifier: TimerWatcher] = [:]
    private var failures = 0
    /// Why the last token that was to be signed is none.
    private var lastReason: String?
    private var nextReport = 0.0

    /// How long a wrong token waits for its answer, in seconds, and how many do at a time.
    private static let pause = 1.0
    private static let mostSlowed = 32

    init(_ loop: EventLoop, _ door: AdminDoor, token: String?, key: TokenKey? = nil, names: [String]) {
        (self.loop, self.door, self.key) = (loop, door, key)
        self.token = token.map { Array($0.utf8) }
        self.names = Set(names.map { $0.lowercased() } + ["localhost"])
    }

    /// Returns true if the request may be answered; else it has been, or will be.
    func admits(_ exchange: Exchange, for purpose: AdminPurpose) -> Bool {
        let head = exchange.head
        if purpose == .command || purpose == .publishing, Origin.isForeign(head) {
            return refuse(exchange, 403, "Another site may not ask for this")
        }
        guard !exchange.local.isUnix, purpose != .health else { return true }
        guard token != nil || key != nil else {
            // A name that leads to this address, too, may be anybody's (DNS rebinding).
            guard namesThisServer(head) else {
                return refuse(
                    exchange, 403,
                    "Ask by address, by the name that \(door.bind) has, or with \(door.secret): the Host of this "
                        + "request is another")
            }
            guard purpose != .command else {
                return refuse(
                    exchange, 403,
                    "Commands are taken on a unix socket, such as --admin-bind unix:PATH, or over TCP with "
                        + "--admin-token")
            }
            return true
        }
        guard let shown = Credentials.token(in: head) else { return challenge(exchange) }
        guard opens(shown) else {
            slowDown(exchange)
            return false
        }
        return true
    }

    private func opens(_ shown: [UInt8]) -> Bool {
        if let token, Credentials.areEqual(shown, token) { return true }
        guard let key else { return false }
        do throws(GRIPError) {
            try Token.check(shown, key, now: Int(EventLoop.wallNow()))
            return true
        } catch {
            lastReason = error.text
            return false
        }
    }

    private func namesThisServer(_ head: RequestHead) -> Bool {
        // HTTP/1.0 has no Host, and no browser speaks it.
        guard !head.authority.isEmpty else { return true }
        let host = Origin.host(of: head.string(head.authority)).lowercased()
        return names.contains(host) || Origin.isAddress(host)
    }

    // MARK: answers

    private func refuse(_ exchange: Exchange, _ status: Int, _ sentence: String) -> Bool {
        exchange.answer(status, sentence)
        return false
    }

    private func challenge(_ exchange: Exchange) -> Bool {
        exchange.answer(401, door.challenge, more: ["WWW-Authenticate": door.realm])
        return false
    }

    /// Holds the answer back, so that whoever tries one token after the other needs ages.
    private func slowDown(_ exchange: Exchange) {
        failures += 1
        report(exchange)
        guard slowed.count < Self.mostSlowed else {
            _ = refuse(exchange, 429, "Too many requests with a wrong token")
            return
        }
        let key = ObjectIdentifier(exchange)
        let timer = TimerWatcher(loop) { [unowned self] in
            LoopActor.assumeIsolated {
                self.slowed[key] = nil
                exchange.onClientLeft = nil
                _ = self.challenge(exchange)
            }
        }
        slowed[key] = timer
        exchange.onClientLeft = { [unowned self] in
            slowed.removeValue(forKey: key)?.stop()
            exchange.taskEnded()
        }
        timer.start(after: Self.pause)
    }

    /// Once a minute at most.
    private func report(_ exchange: Exchange) {
        let now = EventLoop.monotonicNow()
        guard now >= nextReport else { return }
        nextReport = now + 60
        var facts: Logger.Metadata = ["requests": "\(failures)", "last": "\(exchange.peer.host)"]
        if let lastReason { facts["reason"] = "\(lastReason)" }
        exchange.logger.warning(
            "Requests to the \(door == .admin ? "admin" : "publishing") address had a wrong token", metadata: facts)
        failures = 0
    }
}

/// What a request shows of a token.
enum Credentials {
    /// The token after `Bearer`, or the password after `Basic` (RFC 6750 2.1, RFC 7617). Nil without either; empty for
    /// what cannot be read.
    static func token(in head: RequestHead) -> [UInt8]? {
        let values = head.values(of: "Authorization")
        guard let value = values.first else { return nil }
        guard values.count == 1 else { return [] }
        let text = head.string(value)
        let parts = text.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return [] }
        let rest = parts[1].drop { $0 == " " }
        switch parts[0].lowercased() {
        case "bearer": return Array(rest.utf8)
        case "basic":
            guard let pair = decode(rest.utf8), let colon = pair.firstIndex(of: UInt8(ascii: ":")) else { return [] }
            return Array(pair[(colon + 1)...])
        default: return []
        }
    }

    /// In a time that tells nothing of where they differ.
    static func areEqual(_ shown: [UInt8], _ token: [UInt8]) -> Bool {
        var difference = UInt(bitPattern: shown.count ^ token.count)
        for (index, byte) in token.enumerated() {
            difference |= UInt(byte ^ (shown.isEmpty ? ~byte : shown[index % shown.count]))
        }
        return difference == 0
    }

    /// Base64 (RFC 4648 4); nil for anything else.
    private static func decode(_ text: Substring.UTF8View) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (bits, count): (UInt32, Int) = (0, 0)
        for byte in text {
            if byte == UInt8(ascii: "=") { break }
            let value: UInt8
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = byte - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = byte - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = byte - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        return bytes
    }
}

/// Where a request is from, as browsers say it.
enum Origin {
    /// A page of another site has made the request: browsers say so, and nobody else does.
    static func isForeign(_ head: RequestHead) -> Bool {
        for site in head.values(of: "Sec-Fetch-Site").map(head.string) where site != "same-origin" && site != "none" {
            return true
        }
        let own = head.string(head.authority).lowercased()
        for origin in head.values(of: "Origin").map(head.string) {
            // Behind a proxy with TLS the scheme is another.
            let origin = origin.lowercased()
            if origin != "http://\(own)", origin != "https://\(own)" { return true }
        }
        return false
    }

    /// Without the port, and without the brackets of IPv6.
    static func host(of authority: String) -> String {
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return String(authority.prefix { $0 != ":" })
    }

    static func isAddress(_ text: String) -> Bool {
        var four = in_addr()
        var six = in6_addr()
        return inet_pton(AF_INET, text, &four) == 1 || inet_pton(AF_INET6, text, &six) == 1
    }
}
