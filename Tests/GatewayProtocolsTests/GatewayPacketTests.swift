import EvTestSupport
@testable import GatewayProtocols
import Testing

/// One request of uwsgi or SCGI: `want` is "ok NAME=VALUE|…", "more", or the code of the error. A request is the whole
/// of the bytes; `limits` are bytes and variables.
struct PacketCase: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let `in`: String
    let want: String
    let limits: [Int]?

    var bytes: [UInt8] { CorpusFile.expand(`in`) }
    var description: String { name }

    static let uwsgi: [PacketCase] = CorpusFile.load("uwsgi")
    static let scgi: [PacketCase] = CorpusFile.load("scgi")
}

@Suite struct GatewayPacketTests {
    private typealias Parse = (UnsafeRawBufferPointer, GatewayVariables.Limits) -> UWSGIPacket.Outcome

    @Test func corpusIsLarge() {
        for all in [PacketCase.uwsgi, PacketCase.scgi] {
            #expect(all.count > 40 && Set(all.map(\.name)).count == all.count)
        }
    }

    @Test(arguments: PacketCase.uwsgi)
    func readsUWSGI(_ example: PacketCase) { check(example) { UWSGIPacket.parse($0, $1) } }

    @Test(arguments: PacketCase.scgi)
    func readsSCGI(_ example: PacketCase) { check(example) { SCGIPacket.parse($0, $1) } }

    /// Whole, at every split, and with bytes behind.
    private func check(_ example: PacketCase, _ parse: Parse) {
        let bytes = example.bytes
        let limits = GatewayVariables.Limits(example.limits)
        let memory = GuardedBytes(capacity: bytes.count + 4)
        func outcome(_ bytes: some Collection<UInt8>) -> UWSGIPacket.Outcome {
            memory.holding(bytes) { parse($0, limits) }
        }
        let whole = outcome(bytes)
        #expect(describe(whole) == example.want)
        if case .request(_, let consumed) = whole { #expect(consumed == bytes.count) }
        // What is judged before the end is judged as the whole.
        var isJudged = false
        for end in 0..<bytes.count {
            let verdict = describe(outcome(bytes[..<end]))
            #expect(verdict == (isJudged || verdict != "more" ? example.want : "more"), "\(end) bytes")
            isJudged = isJudged || verdict != "more"
        }
        if isJudged { #expect(!example.want.hasPrefix("ok")) }
        guard example.want != "more" else { return }
        let behind = outcome(bytes + [0, 0, 0, 0])
        #expect(describe(behind) == example.want)
        if case .request(_, let consumed) = behind { #expect(consumed == bytes.count) }
    }

    @Test func everyErrorHasASentence() {
        let errors: [GatewayError] = [
            .tooLarge, .badName, .badValue, .repeatedName, .malformed, .modifier, .order, .notSCGI, .badMethod,
            .badTarget, .badField, .badLength, .contradiction, .badAddress,
        ]
        #expect(Set(errors.map { "\($0.detail)" }).count == errors.count)
        #expect(errors.filter { $0.status == 431 } == [.tooLarge])
    }
}

func describe(_ outcome: UWSGIPacket.Outcome) -> String {
    switch outcome {
    case .needMoreData: "more"
    case .failure(let error): "\(error)"
    case .request(let variables, _): "ok \(describe(variables))"
    }
}

/// As Latin-1, like the corpus.
func describe(_ variables: GatewayVariables) -> String {
    variables.entries.map { name, value in
        latin1(variables.bytes[name]) + "=" + latin1(variables.bytes[value])
    }.joined(separator: "|")
}

func latin1(_ bytes: some Collection<UInt8>) -> String {
    String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
}

extension GatewayVariables.Limits {
    init(_ numbers: [Int]?) {
        self.init()
        if let numbers, numbers.count == 2 { self.init(bytes: numbers[0], count: numbers[1]) }
    }
}
