import EvTestSupport
@testable import GatewayProtocols
import Testing

/// The records of one connection: `want` are the events, in the form of `FastCGIReader`. Each request is answered when
/// its body has come, or, if `early` is true, at once.
struct RecordsCase: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let `in`: String
    let want: String
    let limits: [Int]?
    let early: Bool?

    var bytes: [UInt8] { CorpusFile.expand(`in`) }
    var description: String { name }

    static let all: [RecordsCase] = CorpusFile.load("fastcgi")
}

/// Reads records, and writes the events down; the parts of a body as one.
private struct FastCGIReader {
    private var decoder: FastCGIDecoder
    private let answersEarly: Bool
    private var events: [String] = []
    private var body: [UInt8] = []

    init(_ example: RecordsCase) {
        decoder = FastCGIDecoder(GatewayVariables.Limits(example.limits))
        answersEarly = example.early ?? false
    }

    var text: String { (events + (body.isEmpty ? [] : [bodyText])).joined(separator: "; ") }
    var isAtStart: Bool { decoder.isAtStart }

    private var bodyText: String { "body " + (body.count > 100 ? "\(body.count) bytes" : latin1(body)) }

    private mutating func note(_ event: String) {
        if !body.isEmpty { events.append(bodyText) }
        body = []
        events.append(event)
    }

    mutating func read(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while true {
            switch decoder.next(bytes, from: &offset) {
            case .needMoreData:
                #expect(offset == bytes.count)
                return
            case .request(let variables):
                note("request \(describe(variables))" + (decoder.keepsConnection ? " keep" : ""))
                if answersEarly { decoder.finished() }
            case .body(let range): body += bytes[range]
            case .bodyEnd:
                note("end")
                if !answersEarly { decoder.finished() }
            case .abort:
                note("abort")
                decoder.finished()
            case .reply(let reply):
                note("reply " + reply.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
            case .failure(let error):
                if events.last != "\(error)" { note("\(error)") }
                return
            }
        }
    }
}

@Suite struct FastCGIDecoderTests {
    @Test func corpusIsLarge() {
        #expect(RecordsCase.all.count > 60 && Set(RecordsCase.all.map(\.name)).count == RecordsCase.all.count)
    }

    private func read(_ pieces: [ArraySlice<UInt8>], _ example: RecordsCase) -> FastCGIReader {
        let memory = GuardedBytes(capacity: pieces.map(\.count).max() ?? 0)
        var reader = FastCGIReader(example)
        for piece in pieces { memory.holding(piece) { reader.read($0) } }
        return reader
    }

    @Test(arguments: RecordsCase.all)
    func readsWhole(_ example: RecordsCase) {
        #expect(read([example.bytes[...]], example).text == example.want)
    }

    @Test(arguments: RecordsCase.all)
    func readsByteByByte(_ example: RecordsCase) {
        let bytes = example.bytes
        #expect(read(bytes.indices.map { bytes[$0...$0] }, example).text == example.want)
    }

    @Test(arguments: RecordsCase.all)
    func readsAtEverySplit(_ example: RecordsCase) {
        let bytes = example.bytes
        for cut in cuts(bytes.count) {
            #expect(read([bytes[..<cut], bytes[cut...]], example).text == example.want, "at \(cut)")
        }
    }

    /// Where nothing is begun, the next request is read as the first.
    @Test(arguments: RecordsCase.all)
    func goesOn(_ example: RecordsCase) throws {
        guard read([example.bytes[...]], example).isAtStart, example.limits == nil else { return }
        let next = try #require(RecordsCase.all.first { $0.name == "request with a body" })
        let want = [example.want, next.want].filter { !$0.isEmpty }.joined(separator: "; ")
        #expect(read([(example.bytes + next.bytes)[...]], example).text == want)
    }

    @Test func recordsOfAnAnswer() {
        #expect(FastCGIRecord.output(0x102, count: 0x304) == [1, 6, 1, 2, 3, 4, 0, 0])
        #expect(FastCGIRecord.answerEnd(1) == [1, 6, 0, 1, 0, 0, 0, 0, 1, 3, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        #expect(FastCGIRecord.largestContent % 8 == 0 && FastCGIRecord.largestContent < 65_536)
    }
}
