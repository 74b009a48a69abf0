// A connection as JSON, and what it waits for in a few words.

import EvLoop
import EvServer
import JSONText

extension JSONWriter {
    /// - Parameter now: monotonic seconds.
    mutating func write(_ record: ConnectionRecord, _ now: Double) {
        if record.id >= 0 { member("id", record.id) } else { null("id") }
        member("peer", record.id < 0 ? "?" : record.peer.text)
        member("client", record.client?.text)
        member("state", word: record.state.name)
        member("since", record.since.map { max(0, now - $0) })
        member("method", utf8: record.method)
        member("target", utf8: record.target, isCut: record.isCut)
        member("request_id", utf8: record.requestID)
        member("bytes_in", record.bytesIn)
        member("bytes_out", record.bytesOut)
        member("waits_for", record.waitsFor(now))
        guard let listening = record.listening else { return null("listens") }
        object("listens") { json in
            json.member("mode", listening.mode.name)
            json.member("left", listening.until.map { max(0, $0 - now) })
            json.array("channels") { json in
                for name in listening.names { json.string(String(decoding: name, as: UTF8.self)) }
            }
            json.member("count", listening.count)
        }
    }
}

extension ConnectionRecord {
    /// - Parameter now: monotonic seconds.
    func waitsFor(_ now: Double) -> String {
        switch awaited {
        case .firstRequest: timed("the first request", now)
        case .nextRequest: timed("the next request", now)
        case .proxyHeader: timed("the rest of a PROXY header", now)
        case .head: timed("the head", now)
        case .body:
            "the body, \(amount.grouped)" + (total.map { " of \($0.grouped)" } ?? "") + " bytes have come"
        case .unwantedBody: timed("the end of a body that nobody reads", now)
        case .turn: "a thread"
        case .app: "the app"
        case .takenByApp: "the app, which has taken the connection"
        case .news: "what the app has parked it for"
        case .published where listening == nil: "a message on its channels"
        case .published: "a message\(onChannels)\(timeLeft(now))"
        case .reader: "the client to read \(amount.grouped) bytes"
        case .message: "a message" + (listening == nil ? "" : " of the client, or one\(onChannels)")
        case .sign: timed("a sign of life", now)
        case .room: "the app to take messages"
        case .closeFrame: timed("the client's close frame", now)
        case .handshake: timed("the end of a TLS handshake", now)
        case .close: timed("the client to close", now)
        }
    }

    /// " on a, b, c and 7 more channels"; empty without one.
    private var onChannels: String {
        guard let listening, !listening.names.isEmpty else { return "" }
        let names = listening.names.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ", ")
        let rest = listening.count - listening.names.count
        return " on \(names)" + (rest > 0 ? " and \(rest) more channel\(rest == 1 ? "" : "s")" : "")
    }

    private func timeLeft(_ now: Double) -> String {
        guard let until = listening?.until else { return "" }
        return ", for \(Int(max(0, min(until - now, 1e9)))) s more"
    }

    private func timed(_ what: String, _ now: Double) -> String {
        guard let limit, let since, !hasRequest || awaited == .head else { return what }
        return "\(what), \(Int(max(0, min(now - since, limit)))) of at most \(limit.shortly) s"
    }
}

extension ListeningRecord.Mode {
    fileprivate var name: String {
        switch self {
        case .response: "response"
        case .stream: "stream"
        case .websocket: "websocket"
        }
    }
}

extension PeerAddress {
    /// As logs show it; without the port where there is none.
    fileprivate var text: String {
        if isUnix { return "unix" }
        let host = host
        guard port > 0 else { return host }
        return host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

extension UInt64 {
    /// With a comma between groups of three digits.
    var grouped: String {
        var text = ""
        let digits = String(self)
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return text
    }
}

extension Double {
    fileprivate var shortly: String {
        let whole = rounded()
        return self == whole && abs(self) < 1e9 ? "\(Int(whole))" : "\(self)"
    }
}
