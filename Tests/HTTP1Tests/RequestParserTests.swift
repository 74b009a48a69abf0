import EvTestSupport
import HTTP1
import HTTPCore
import Testing

@Suite struct RequestParserTests {
    @Test func corpusIsLarge() {
        #expect(Corpus.heads.count > 300)
        #expect(Set(Corpus.heads.map(\.name)).count == Corpus.heads.count)
    }

    @Test(arguments: Corpus.heads)
    func readsWholeHead(_ example: HeadCase) {
        let bytes = example.bytes
        var parser = RequestParser(limits: HTTPLimits())
        let memory = GuardedBytes(capacity: bytes.count)
        let (verdict, consumed) = describe(memory.parse(&parser, bytes))
        #expect(verdict == example.expectation)
        if let consumed { #expect(consumed == bytes.count) }
    }

    @Test(arguments: Corpus.heads)
    func readsHeadByteByByte(_ example: HeadCase) {
        let bytes = example.bytes
        let memory = GuardedBytes(capacity: bytes.count)
        var parser = RequestParser(limits: HTTPLimits())
        var verdict = "more"
        for end in cuts(bytes.count) {
            verdict = describe(memory.parse(&parser, bytes[..<end])).verdict
            if verdict.hasPrefix("ok") { #expect(end == bytes.count, "complete after \(end) bytes") }
            if verdict != "more" { break }
        }
        #expect(verdict == example.expectation)
    }

    @Test(arguments: Corpus.heads)
    func readsHeadSplitAnywhere(_ example: HeadCase) {
        let bytes = example.bytes
        let memory = GuardedBytes(capacity: bytes.count)
        for cut in cuts(bytes.count) {
            var parser = RequestParser(limits: HTTPLimits())
            var verdict = describe(memory.parse(&parser, bytes[..<cut])).verdict
            if verdict == "more" { verdict = describe(memory.parse(&parser, bytes)).verdict }
            guard verdict == example.expectation else {
                Issue.record("split at \(cut): \(verdict)")
                return
            }
        }
    }

    @Test(arguments: Corpus.heads)
    func leavesWhatFollowsTheHead(_ example: HeadCase) {
        guard example.expectation != "more" else { return }
        let next = Array("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
        let bytes = example.bytes
        let all = bytes + next
        let memory = GuardedBytes(capacity: all.count)
        var parser = RequestParser(limits: HTTPLimits())
        let (verdict, consumed) = describe(memory.parse(&parser, all))
        #expect(verdict == example.expectation)
        if let consumed {
            #expect(consumed == bytes.count)
            #expect(describe(memory.parse(&parser, next)).verdict == "ok GET /smuggled 1.1 none keep h")
        } else {
            #expect(describe(memory.parse(&parser, next)).verdict == verdict, "a refused parser parsed on")
            #expect(describe(memory.parse(&parser, [UInt8]())).verdict == verdict)
        }
    }

    @Test(arguments: Corpus.heads)
    func fieldsAreTheSameWholeAndInPieces(_ example: HeadCase) {
        let bytes = example.bytes
        let memory = GuardedBytes(capacity: bytes.count)
        var whole = RequestParser(limits: HTTPLimits())
        guard case .head(let expected, _) = memory.parse(&whole, bytes) else { return }
        for cut in cuts(bytes.count).dropLast() {
            var parser = RequestParser(limits: HTTPLimits())
            _ = memory.parse(&parser, bytes[..<cut])
            guard case .head(let head, _) = memory.parse(&parser, bytes),
                Array(head.fields) == Array(expected.fields),
                head.withBytes({ Array($0) }) == expected.withBytes({ Array($0) })
            else {
                Issue.record("split at \(cut) gives other fields")
                return
            }
        }
    }

    @Test func refusesBeforeTheRestArrives() {
        let early: [(String, HTTP1Error.Code)] = [
            ("\u{16}", .badControlByte), ("GET /\0", .badControlByte), ("GET / HTTP/1.1\n", .badLineEnd),
            ("PRI * HTTP/2.0\r\n", .unsupportedVersion), ("GET / HTTP/1.1\r\nA : b\r\n", .badFieldName),
            ("GET / HTTP/1.1\r\n A: b\r\n", .obsoleteFold), ("GET / HTTP/1.1\r\nHost: a\0", .badControlByte),
        ]
        for (text, code) in early {
            #expect(verdict(text) == "\(HTTP1Error(code).statusHint) \(code)", "\(text)")
        }
    }

    @Test func remembersWhetherARequestHasBegun() {
        let steps: [(String, Bool)] = [
            ("", false), ("\r", false), ("\r\n", false), ("\r\n\r", false), ("\r\n\r\n", false), ("\r\n\r\nG", true),
        ]
        var parser = RequestParser(limits: HTTPLimits())
        #expect(!parser.hasSeenBytes)
        for (text, seen) in steps {
            _ = Array(text.utf8).withUnsafeBytes { parser.parse($0) }
            #expect(parser.hasSeenBytes == seen, "\(text.debugDescription)")
        }
        _ = Array("\r\n\r\nGET / HTTP/1.0\r\n\r\n".utf8).withUnsafeBytes { parser.parse($0) }
        #expect(!parser.hasSeenBytes)
    }

    @Test func readsPipelinedHeadsInOrder() {
        let all = Array((1...50).map { "GET /\($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined().utf8)
        var parser = RequestParser(limits: HTTPLimits())
        var offset = 0
        for index in 1...50 {
            let outcome = all[offset...].withUnsafeBytes { parser.parse($0) }
            guard case .head(let head, let consumed) = outcome else {
                Issue.record("no head \(index)")
                return
            }
            #expect(head.string(head.target) == "/\(index)")
            offset += consumed
        }
        #expect(offset == all.count)
    }

    @Test func survivesABufferThatShrinks() {
        var parser = RequestParser(limits: HTTPLimits())
        _ = Array("GET / HTTP/1.1\r\nHost".utf8).withUnsafeBytes { parser.parse($0) }
        let outcome = Array("GET".utf8).withUnsafeBytes { parser.parse($0) }
        #expect(describe(outcome).verdict == "more")
    }

    // MARK: limits

    @Test func limitsAreCounted() {
        let request = "GET /abc HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n"
        let exact = HTTPLimits(requestLine: 17, fieldCount: 2, fieldSize: 7, headSize: 36)
        #expect(request.utf8.count == 36)
        func verdict(_ change: (inout HTTPLimits) -> Void) -> String {
            var limits = exact
            change(&limits)
            return HTTP1Tests.verdict(request, limits: limits)
        }
        #expect(verdict { _ in }.hasPrefix("ok"))
        #expect(verdict { $0.requestLine -= 1 } == "414 requestLineTooLong")
        #expect(verdict { $0.fieldCount -= 1 } == "431 tooManyFields")
        #expect(verdict { $0.fieldSize -= 1 } == "431 fieldTooLong")
        #expect(verdict { $0.headSize -= 1 } == "431 headTooLarge")
        #expect(verdict { $0.headSize = 18 } == "414 requestLineTooLong")
        #expect(verdict { $0.headSize = 0 } == "414 requestLineTooLong")
        #expect(verdict { $0.headSize = -1 } == "414 requestLineTooLong")
        #expect(verdict { $0.fieldCount = 0 } == "431 tooManyFields")
    }

    @Test func hostThatAnAbsoluteFormAddsIsNoLineOfTheLimit() {
        var parser = RequestParser(limits: HTTPLimits(fieldCount: 1))
        let outcome = Array("GET http://p/ HTTP/1.0\r\nA: b\r\n\r\n".utf8).withUnsafeBytes { parser.parse($0) }
        guard case .head(let head, _) = outcome else {
            Issue.record("refused")
            return
        }
        #expect(head.fields.map { head.string($0.name) } == ["A", "Host"])
    }

    @Test func limitOfZeroMeansTheHeadAlone() {
        let limits = HTTPLimits(requestLine: 0, fieldSize: 0)
        let long = String(repeating: "a", count: 30000)
        let within = "GET /\(long) HTTP/1.1\r\nHost: h\r\nA: \(long)\r\n\r\n"
        #expect(verdict(within, limits: limits).hasPrefix("ok"))
        let beyond = "GET / HTTP/1.1\r\nHost: h\r\nA: \(long)\r\nA: \(long)\(long)"
        #expect(verdict(beyond, limits: limits) == "431 headTooLarge")
        #expect(verdict("GET /\(long)\(long)\(long)", limits: limits) == "414 requestLineTooLong")
    }

    @Test func headSizeHoldsWhileStreaming() {
        var parser = RequestParser(limits: HTTPLimits(fieldCount: 1_000_000))
        var bytes = Array("GET / HTTP/1.1\r\nHost: h\r\n".utf8)
        var verdict = "more"
        while verdict == "more", bytes.count < 100_000 {
            bytes += Array("A: \(String(repeating: "b", count: 500))\r\n".utf8)
            verdict = describe(bytes.withUnsafeBytes { parser.parse($0) }).verdict
        }
        #expect(verdict == "431 headTooLarge")
        #expect(bytes.count <= 65536 + 512)
    }

    @Test func manyFieldsAreAllKept() {
        let limits = HTTPLimits(fieldCount: 5000)
        let lines = (0..<3000).map { "F\($0): \($0)\r\n" }.joined()
        var parser = RequestParser(limits: limits)
        let outcome = Array("GET / HTTP/1.1\r\nHost: h\r\n\(lines)\r\n".utf8).withUnsafeBytes { parser.parse($0) }
        guard case .head(let head, _) = outcome else {
            Issue.record("refused")
            return
        }
        #expect(head.fields.count == 3001)
        #expect(head.string(head.fields[3000].name) == "F2999")
        #expect(head.string(head.fields[3000].value) == "2999")
    }
}

// MARK: - Verdicts as text

extension GuardedBytes {
    fileprivate func parse(_ parser: inout RequestParser, _ bytes: some Collection<UInt8>) -> RequestParser.Outcome {
        holding(bytes) { parser.parse($0) }
    }
}

func verdict(_ text: String, limits: HTTPLimits = HTTPLimits()) -> String {
    var parser = RequestParser(limits: limits)
    return describe(Array(text.utf8).withUnsafeBytes { parser.parse($0) }).verdict
}

func describe(_ outcome: RequestParser.Outcome) -> (verdict: String, consumed: Int?) {
    switch outcome {
    case .needMoreData: return ("more", nil)
    case .failure(let error): return ("\(error.statusHint) \(error.code)", nil)
    case .head(let head, let consumed): return (describe(head), consumed)
    }
}

private func describe(_ head: RequestHead) -> String {
    let framing =
        switch head.framing {
        case .none: "none"
        case .length(let length): "length=\(length)"
        case .chunked: "chunked"
        }
    let target = head.string(head.path) + (head.hasQuery ? "?" + head.string(head.query) : "")
    var words = [
        "ok", head.string(head.method), target, head.version == .http11 ? "1.1" : "1.0", framing,
        head.keepAlive ? "keep" : "close", head.authority.isEmpty ? "-" : head.string(head.authority),
    ]
    if head.expectsContinue { words.append("continue") }
    if head.upgrade { words.append("upgrade") }
    return words.joined(separator: " ")
}
