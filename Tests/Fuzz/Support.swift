// What the fuzzers use. An input is two bytes that choose limits and cuts, and then the bytes that are received. The
// check: parsed whole and in three pieces, the same bytes must give the same result.

import GatewayProtocols
import HTTP1
import HTTPCore

struct Input {
    let limits: HTTPLimits
    let received: UnsafeBufferPointer<UInt8>
    /// The ends of the three pieces, in order.
    let cuts: [Int]

    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard bytes.count >= 2 else { return nil }
        received = UnsafeBufferPointer(rebasing: bytes[2...])
        // Small limits, so that a fuzzer reaches them.
        limits =
            bytes[0] & 1 == 0
            ? HTTPLimits()
            : HTTPLimits(
                requestLine: 24, fieldCount: 4, fieldSize: 32, headSize: 96, chunkLine: 16, chunkExtensions: 24)
        let first = Int(bytes[0]) * (received.count + 1) / 256
        let second = Int(bytes[1]) * (received.count + 1) / 256
        cuts = [min(first, second), max(first, second), received.count]
    }
}

/// Calls `body` with a heap block of exactly these bytes. AddressSanitizer detects accesses before and after it.
func exactly<Result>(
    _ bytes: some Collection<UInt8>, _ body: (UnsafeRawBufferPointer) -> Result
) -> Result {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { block.deallocate() }
    block.copyBytes(from: bytes)
    return body(UnsafeRawBufferPointer(block))
}

func describe(_ head: RequestHead) -> String {
    var text = "\(head.version) \(head.framing) \(head.keepAlive) \(head.expectsContinue) \(head.upgrade)"
    for slice in [head.method, head.target, head.path, head.query, head.authority] {
        text += " <\(head.string(slice))>"
    }
    for field in head.fields { text += " [\(head.string(field.name)):\(head.string(field.value))]" }
    return text
}

func check(_ holds: Bool, _ message: @autoclosure () -> String) {
    if !holds { fatalError(message()) }
}

extension Input {
    var variableLimits: GatewayVariables.Limits {
        limits == HTTPLimits() ? .init() : .init(bytes: 200, count: 8)
    }
}

/// What must hold for the head of a request: it is one head, or none that is served.
func checkHead(_ variables: GatewayVariables, isOpen: Bool) {
    guard let request = try? GatewayRequest(variables, hasOpenBody: isOpen) else { return }
    var parser = RequestParser(limits: HTTPLimits(fieldSize: 100_000, headSize: 1_000_000))
    switch exactly(request.head, { parser.parse($0) }) {
    case .needMoreData: check(false, "a head without end")
    case .failure: break
    case .head(let head, let consumed):
        check(consumed == request.head.count, "bytes behind the head")
        check(request.prefixCount <= Int(head.path.count), "a prefix beyond the path")
        for name in ["Proxy", "Connection", "Upgrade", "Expect", "TE"] {
            check(!head.fields.contains { head.string($0.name).lowercased() == name.lowercased() }, name)
        }
        switch head.framing {
        case .none: check(request.contentLength == nil && !isOpen, "a body that is lost")
        case .length(let length): check(request.contentLength == length, "another length")
        case .chunked: check(isOpen && request.contentLength == nil, "chunks that nobody writes")
        }
    }
}
