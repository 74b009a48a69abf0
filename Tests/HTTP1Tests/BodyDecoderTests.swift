import EvTestSupport
import HTTP1
import HTTPCore
import Testing

@Suite struct BodyDecoderTests {
    @Test func corpusIsLarge() {
        #expect(Corpus.bodies.count > 80)
        #expect(Set(Corpus.bodies.map(\.name)).count == Corpus.bodies.count)
    }

    @Test(arguments: Corpus.bodies)
    func readsWholeBody(_ example: BodyCase) {
        let bytes = example.bytes
        let (verdict, left) = decode(example, [bytes])
        #expect(verdict == example.expectation)
        if verdict.starts(with: "ok".utf8) { #expect(left == 0) }
    }

    @Test(arguments: Corpus.bodies)
    func readsBodyByteByByte(_ example: BodyCase) {
        let (verdict, _) = decode(example, example.bytes.map { [$0] })
        #expect(verdict == example.expectation)
    }

    @Test(arguments: Corpus.bodies)
    func readsBodySplitAnywhere(_ example: BodyCase) {
        let bytes = example.bytes
        for cut in cuts(bytes.count) {
            let (verdict, _) = decode(example, [Array(bytes[..<cut]), Array(bytes[cut...])])
            guard verdict == example.expectation else {
                Issue.record("split at \(cut): \(String(decoding: verdict.prefix(200), as: UTF8.self))")
                return
            }
        }
    }

    @Test(arguments: Corpus.bodies)
    func leavesWhatFollowsTheBody(_ example: BodyCase) {
        guard !example.expectation.starts(with: "more".utf8) else { return }
        let next = Array("GET / HTTP/1.1\r\n\r\n".utf8)
        let (verdict, left) = decode(example, [example.bytes + next])
        #expect(verdict == example.expectation)
        if verdict.starts(with: "ok".utf8) { #expect(left == next.count) }
    }

    @Test func staysFailed() {
        var decoder = BodyDecoder(framing: .chunked, limits: HTTPLimits())
        for text in ["x\r\n", "5\r\nhello\r\n0\r\n\r\n", ""] {
            var offset = 0
            #expect(throws: HTTP1Error(.badChunkSize)) { try next(&decoder, text, &offset) }
        }
        #expect(!decoder.isComplete)
    }

    @Test func staysComplete() throws {
        var decoder = BodyDecoder(framing: .length(2), limits: HTTPLimits())
        var offset = 0
        #expect(decoder.remaining == 2)
        #expect(try next(&decoder, "abcd", &offset) == .data(0..<2))
        #expect(decoder.isComplete)
        #expect(try next(&decoder, "abcd", &offset) == .end)
        #expect(try next(&decoder, "abcd", &offset) == .end)
        #expect(offset == 2)
        #expect(decoder.remaining == 0)
    }

    @Test func remainingIsCountedDown() throws {
        var decoder = BodyDecoder(framing: .length(.max), limits: HTTPLimits())
        var offset = 1
        #expect(try next(&decoder, "abc", &offset) == .data(1..<3))
        #expect(decoder.remaining == UInt64.max - 2)
        #expect(try next(&decoder, "abc", &offset) == .needMoreData)
        #expect(BodyDecoder(framing: .chunked, limits: HTTPLimits()).remaining == nil)
        #expect(BodyDecoder(framing: .none, limits: HTTPLimits()).remaining == 0)
    }

    @Test(arguments: [-1, 8, 9, Int.max])
    func offsetsOutsideTheBufferAreNoData(_ start: Int) throws {
        for framing in [BodyFraming.length(5), .chunked] {
            var decoder = BodyDecoder(framing: framing, limits: HTTPLimits())
            var offset = start
            #expect(try next(&decoder, "5\r\nhello", &offset) == .needMoreData)
            #expect(offset == start)
        }
    }

    @Test func everyDataRangeHoldsBytes() throws {
        var decoder = BodyDecoder(framing: .chunked, limits: HTTPLimits())
        let text = String(repeating: "1\r\nx\r\n", count: 1000) + "0\r\n\r\n"
        var offset = 0
        var ranges = 0
        while case .data(let range) = try next(&decoder, text, &offset) {
            #expect(range == 6 * ranges + 3..<6 * ranges + 4)
            ranges += 1
        }
        #expect(ranges == 1000)
        #expect(decoder.isComplete)
    }

    @Test func limitsAreCounted() {
        func verdict(_ text: String, _ limits: HTTPLimits) -> String {
            let pieces = Array(text.utf8).map { [$0] }
            return String(decoding: decode(.chunked, pieces, limits: limits).verdict, as: UTF8.self)
        }
        #expect(verdict("1;ab\r\nx\r\n0\r\n\r\n", HTTPLimits(chunkLine: 4)) == "ok x")
        #expect(verdict("1;ab\r\nx\r\n0\r\n\r\n", HTTPLimits(chunkLine: 3)) == "400 chunkLineTooLong")
        #expect(verdict("1;a\r\nx\r\n0;a\r\n\r\n", HTTPLimits(chunkExtensions: 4)) == "ok x")
        #expect(verdict("1;a\r\nx\r\n0;a\r\n\r\n", HTTPLimits(chunkExtensions: 3)) == "400 tooManyExtensions")
        #expect(verdict("0\r\nA:b\r\n\r\n", HTTPLimits(fieldSize: 3)) == "ok ")
        #expect(verdict("0\r\nA:b\r\n\r\n", HTTPLimits(fieldSize: 2)) == "431 fieldTooLong")
        #expect(verdict("0\r\nA:b\r\n\r\n", HTTPLimits(fieldCount: 0)) == "431 tooManyFields")
        #expect(verdict("0\r\nA:b\r\n\r\n", HTTPLimits(headSize: 7)) == "ok ")
        #expect(verdict("0\r\nA:b\r\n\r\n", HTTPLimits(headSize: 6)) == "431 headTooLarge")
    }
}

private func next(_ decoder: inout BodyDecoder, _ text: String, _ offset: inout Int) throws -> BodyDecoder.Event {
    let bytes = Array(text.utf8)
    return try bytes.withUnsafeBytes { try decoder.next($0, from: &offset) }
}

/// Returns "ok DATA", "more DATA" or "STATUS CODE", and how many bytes of the last piece were not read.
private func decode(_ example: BodyCase, _ pieces: [[UInt8]]) -> (verdict: [UInt8], left: Int) {
    let framing: BodyFraming =
        switch example.framing {
        case "none": .none
        case "chunked": .chunked
        default: .length(UInt64(example.framing.dropFirst("length=".count)) ?? 0)
        }
    return decode(framing, pieces, limits: HTTPLimits())
}

private func decode(
    _ framing: BodyFraming, _ pieces: [[UInt8]], limits: HTTPLimits
) -> (verdict: [UInt8], left: Int) {
    var decoder = BodyDecoder(framing: framing, limits: limits)
    var data: [UInt8] = []
    var left = 0
    let memory = GuardedBytes(capacity: pieces.map(\.count).max() ?? 0)
    for piece in pieces {
        var offset = 0
        do {
            try memory.holding(piece) { buffer in
                while case .data(let range) = try decoder.next(buffer, from: &offset) { data += buffer[range] }
            }
        } catch let error as HTTP1Error {
            return (Array("\(error.statusHint) \(error.code)".utf8), 0)
        } catch {
            return (Array("\(error)".utf8), 0)
        }
        left = piece.count - offset
        if !decoder.isComplete && left > 0 { return (Array("left \(left) bytes to the caller".utf8), left) }
    }
    return (Array((decoder.isComplete ? "ok " : "more ").utf8) + data, left)
}
