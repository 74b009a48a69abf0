// HTTP2Session: the frames of a connection, whole and in pieces, behind a good opening.

import HTTP2

private struct Reader {
    private var session: HTTP2Session
    private(set) var events: [String] = []
    private var body = 0
    private(set) var sent: [UInt8] = []

    init() {
        var settings = HTTP2Settings()
        settings.maxConcurrentStreams = 4
        settings.maxHeaderListSize = 2000
        session = HTTP2Session(settings)
    }

    private mutating func note(_ event: String) {
        events.append("\(body) \(event)")
        body = 0
    }

    mutating func read(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while true {
            let before = offset
            let event = session.next(bytes, from: &offset)
            check(offset >= before && offset <= bytes.count, "an offset that is not there")
            check(session.streamCount <= 4, "more streams than may be")
            switch event {
            case .needMoreData:
                check(offset == bytes.count, "bytes that are not used")
                sent += session.output
                session.output = []
                return
            case .request(let id, let section):
                let lines = section.text.split(separator: 10, omittingEmptySubsequences: false)
                check(lines.count >= 3 && lines.dropLast().allSatisfy { $0.last == 13 }, "a line without its end")
                check(section.text.count(where: { $0 == 13 }) == lines.count - 1, "a line within a line")
                note("request \(id) \(section)")
                // Every second one is answered at once.
                if id % 4 == 1 {
                    _ = session.sentData(id, count: min(1, max(0, session.sendable(id))), isCut: false, ends: true)
                }
            case .tooLarge(let id, let ends): note("too large \(id) \(ends)")
            case .data(let id, _, let range, let ends):
                check(
                    range.isEmpty || range.lowerBound >= before && range.upperBound <= bytes.count, "another range")
                body += range.count
                session.consumed(id, range.count)
                if ends { note("end \(id)") }
            case .reset(let id, _, let code): note("reset \(id) \(code)")
            case .windowOpened: note("window")
            case .priorityChanged: note("priority")
            case .acknowledged: note("acknowledged")
            case .failure(let error):
                note("failure \(error)")
                return
            }
        }
    }
}

private let opening = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSession(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let input = Input(UnsafeBufferPointer(start: data, count: size)) else { return 0 }
    var whole = Reader()
    var parts = Reader()
    opening.withUnsafeBytes {
        whole.read($0)
        parts.read($0)
    }
    exactly(input.received) { whole.read($0) }
    var start = 0
    for end in input.cuts {
        if parts.events.last?.contains("failure") == true { break }
        exactly(input.received[start..<end]) { parts.read($0) }
        start = end
    }
    check(whole.events == parts.events, "\(whole.events)\n\(parts.events)")
    return 0
}
