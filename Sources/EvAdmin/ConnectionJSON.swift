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
        case .published: "a message on its channels"
        case .reader: "the client to read \(amount.grouped) bytes"
        case .message: "a message"
        case .sign: timed("a sign of life", now)
        case .room: "the app to take messages"
        case .closeFrame: timed("the client's close frame", now)
        case .handshake: timed("the end of a TLS handshake", now)
        case .close: timed("the client to close", now)
        }
    }

    private func timed(_ what: String, _ now: Double) -> String {
        guard let limit, let since, !hasRequest || awaited == .head else { return what }
        return "\(what), \(Int(max(0, min(now - since, limit)))) of at most \(limit.shortly) s"
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
