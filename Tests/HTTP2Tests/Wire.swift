// Frames as bytes, and what a session makes of them, as words.

import EvTestSupport
@testable import HTTP2

let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

func frame(_ type: UInt8, _ flags: UInt8 = 0, _ stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(FrameHeader(length: payload.count, type: type, flags: flags, stream: stream))
    return bytes + payload
}

func number(_ value: UInt32) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(number: value)
    return bytes
}

let noSettings = frame(FrameType.settings)

func settings(_ entries: (UInt16, UInt32)...) -> [UInt8] {
    frame(
        FrameType.settings, 0, 0,
        entries.flatMap { [UInt8($0.0 >> 8), UInt8(truncatingIfNeeded: $0.0)] + number($0.1) })
}

/// Literal fields without Huffman codes, which every decoder reads (RFC 7541 section 6.2.2).
func block(_ fields: [(String, String)]) -> [UInt8] {
    func text(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        var length: [UInt8] = [127]
        var rest = bytes.count - 127
        while rest >= 128 {
            length.append(UInt8(rest % 128 + 128))
            rest /= 128
        }
        return length + [UInt8(rest)] + bytes
    }
    return fields.flatMap { [0] + text($0.0) + text($0.1) }
}

let usual = [(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/")]
let posting = [(":method", "POST"), (":scheme", "http"), (":authority", "a.example"), (":path", "/")]

enum Flag {
    static let end = FrameFlags.endStream
    static let whole = FrameFlags.endHeaders
    static let both = end | whole
}

func request(_ stream: UInt32, _ fields: [(String, String)] = usual, _ flags: UInt8 = Flag.both) -> [UInt8] {
    frame(FrameType.headers, flags, stream, block(fields))
}

/// Reads all that it is given, and says what came of it.
struct Reader {
    var session: HTTP2Session
    private(set) var events: [String] = []
    private var body: [UInt8] = []

    init(_ settings: HTTP2Settings = HTTP2Settings()) {
        session = HTTP2Session(settings)
        session.output = []
    }

    private mutating func note(_ event: String) {
        if !body.isEmpty { events.append("body " + String(decoding: body, as: UTF8.self)) }
        body = []
        events.append(event)
    }

    var text: String {
        (events + (body.isEmpty ? [] : ["body " + String(decoding: body, as: UTF8.self)])).joined(separator: "; ")
    }

    mutating func read(_ bytes: [UInt8]) { bytes.withUnsafeBytes { read($0) } }

    mutating func read(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while true {
            switch session.next(bytes, from: &offset) {
            case .needMoreData: return
            case .request(let id, let section):
                let text = String(decoding: section.text.dropLast(4), as: UTF8.self)
                note(
                    "request \(id) [\(text.replacing("\r\n", with: "|"))]" + (section.endsStream ? " end" : ""))
            case .tooLarge(let id, _): note("too large \(id)")
            case .data(let id, _, let range, let ends):
                body += bytes[range]
                if ends { note("end \(id)") }
            case .reset(let id, _, let code): note("reset \(id) \(code)")
            case .windowOpened: note("window")
            case .priorityChanged: note("priority")
            case .acknowledged: note("acknowledged")
            case .failure(let error):
                if events.last?.hasPrefix("failure") != true { note("failure \(error.code): \(error)") }
                return
            }
        }
    }

    /// The frames that are to be sent, as words.
    mutating func sent() -> String {
        var rest = session.output[...]
        session.output = []
        var frames: [String] = []
        while rest.count >= 9 {
            let header = rest.withUnsafeBytes { FrameHeader($0[..<9]) }
            let payload = rest.dropFirst(9).prefix(header.length)
            rest = rest.dropFirst(9 + header.length)
            let name =
                switch header.type {
                case FrameType.settings: header.has(1) ? "settings ack" : "settings"
                case FrameType.ping: header.has(1) ? "ping ack" : "ping"
                case FrameType.reset: "reset \(header.stream) \(payload.last.map { Int($0) } ?? -1)"
                case FrameType.goAway:
                    Array(payload).withUnsafeBytes { "goaway \($0.number(at: 4)) after \($0.number(at: 0))" }
                case FrameType.windowUpdate:
                    "window \(header.stream) \(Array(payload).withUnsafeBytes { $0.number(at: 0) })"
                default: "frame \(header.type)"
                }
            frames.append(name)
        }
        return frames.joined(separator: "; ")
    }
}
