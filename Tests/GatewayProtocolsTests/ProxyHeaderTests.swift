import EvTestSupport
import GatewayProtocols
import Glibc
import Testing

/// One beginning of a connection: `want` is "ok SOURCE DESTINATION", "ok -" for a header that announces nobody, "more",
/// "absent", or the code of the error. A header is the whole of the bytes.
struct PrefaceCase: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let `in`: String
    let want: String
    /// "v1" or "v2"; both if it is missing.
    let versions: String?

    var bytes: [UInt8] { CorpusFile.expand(`in`) }
    var description: String { name }
    var lookedFor: ProxyHeader.Versions {
        switch versions {
        case "v1": .v1
        case "v2": .v2
        default: [.v1, .v2]
        }
    }

    static let all: [PrefaceCase] = CorpusFile.load("prefaces")
}

@Suite struct ProxyHeaderTests {
    @Test func corpusIsLarge() {
        #expect(PrefaceCase.all.count > 100)
        #expect(Set(PrefaceCase.all.map(\.name)).count == PrefaceCase.all.count)
    }

    @Test(arguments: PrefaceCase.all)
    func readsWhole(_ example: PrefaceCase) {
        let bytes = example.bytes
        let outcome = GuardedBytes(capacity: bytes.count).parse(bytes, example)
        #expect(describe(outcome) == example.want)
        if case .header(_, let count) = outcome { #expect(count == bytes.count) }
    }

    /// Until the bytes are judged, and the judgement is that of the whole.
    @Test(arguments: PrefaceCase.all)
    func readsByteByByteAndAtEverySplit(_ example: PrefaceCase) {
        let bytes = example.bytes
        let memory = GuardedBytes(capacity: bytes.count)
        var verdict = "more"
        var wasHeader = false
        for end in 0...bytes.count {
            let outcome = memory.parse(bytes[..<end], example)
            verdict = describe(outcome)
            guard case .needMoreData(let isHeader) = outcome else { break }
            #expect(isHeader || !wasHeader, "sure at first, and then not, at \(end)")
            wasHeader = isHeader
        }
        #expect(verdict == example.want)
        if verdict == "absent" { #expect(!wasHeader) }
        for cut in cuts(bytes.count) where describe(memory.parse(bytes[..<cut], example)) != "more" {
            #expect(describe(memory.parse(bytes[..<cut], example)) == example.want, "\(cut) bytes")
            break
        }
    }

    @Test(arguments: PrefaceCase.all)
    func leavesWhatFollows(_ example: PrefaceCase) {
        guard example.want != "more" else { return }
        let next = Array("GET /next HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
        let bytes = example.bytes
        let outcome = GuardedBytes(capacity: bytes.count + next.count).parse(bytes + next, example)
        #expect(describe(outcome) == example.want)
        if case .header(_, let count) = outcome { #expect(count == bytes.count) }
    }

    @Test func everyErrorHasASentence() {
        let sentences = [
            ProxyHeaderError.lineTooLong, .badLine, .badAddress, .badPort, .badVersion, .badCommand, .badFamily,
            .tooLong, .cutShort, .badField, .badChecksum,
        ].map { "\($0.detail)" }
        #expect(Set(sentences).count == sentences.count && sentences.allSatisfy { $0.contains("PROXY header") })
    }
}

extension GuardedBytes {
    fileprivate func parse(_ bytes: some Collection<UInt8>, _ example: PrefaceCase) -> ProxyHeader.Outcome {
        holding(bytes) { ProxyHeader.parse($0, example.lookedFor) }
    }
}

private func describe(_ outcome: ProxyHeader.Outcome) -> String {
    switch outcome {
    case .needMoreData: return "more"
    case .absent: return "absent"
    case .failure(let error): return "\(error)"
    case .header(let header, _):
        guard let announced = header.announced else { return "ok -" }
        return "ok \(describe(announced.source)) \(describe(announced.destination))"
    }
}

private func describe(_ endpoint: ProxyHeader.Endpoint) -> String {
    var (bytes, text) = (endpoint.address, [CChar](repeating: 0, count: 46))
    inet_ntop(endpoint.isIPv6 ? AF_INET6 : AF_INET, &bytes, &text, 46)
    let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return endpoint.isIPv6 ? "[\(address)]:\(endpoint.port)" : "\(address):\(endpoint.port)"
}
