// FastCGIDecoder: the records of a connection, whole and in pieces.

import GatewayProtocols

private struct Reader {
    private var decoder: FastCGIDecoder
    private let limits: GatewayVariables.Limits
    private(set) var events: [String] = []
    private(set) var body = 0

    init(_ limits: GatewayVariables.Limits) {
        self.limits = limits
        decoder = FastCGIDecoder(limits)
    }

    mutating func read(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while true {
            let before = offset
            switch decoder.next(bytes, from: &offset) {
            case .needMoreData:
                check(offset == bytes.count, "bytes that are not used")
                return
            case .request(let variables):
                check(variables.count <= limits.count, "more variables than may be")
                events.append("request \(decoder.requestID) \(decoder.keepsConnection) \(variables)")
                checkHead(variables, isOpen: false)
                checkHead(variables, isOpen: true)
            case .body(let range):
                check(range.lowerBound >= before && range.upperBound <= bytes.count && !range.isEmpty, "another range")
                body += range.count
            case .bodyEnd:
                events.append("end \(body)")
                decoder.finished()
            case .abort:
                events.append("abort \(body)")
                decoder.finished()
            case .reply(let reply):
                check(reply.count % 8 == 0 || reply.count < 200, "a long reply")
                events.append("\(reply)")
            case .failure(let error):
                if events.last != "\(error)" { events.append("\(error)") }
                return
            }
        }
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRecords(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let input = Input(UnsafeBufferPointer(start: data, count: size)) else { return 0 }
    let limits = input.variableLimits
    var whole = Reader(limits)
    exactly(input.received) { whole.read($0) }
    var parts = Reader(limits)
    var start = 0
    for end in input.cuts {
        exactly(input.received[start..<end]) { parts.read($0) }
        start = end
    }
    check(whole.events == parts.events && whole.body == parts.body, "\(whole.events)\n\(parts.events)")
    return 0
}
