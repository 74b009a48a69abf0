// The heads and bodies of Tests/Corpus.
import EvTestSupport

/// One head: `want` is "ok METHOD TARGET VERSION FRAMING keep|close AUTHORITY [continue] [upgrade]", where TARGET is
/// path and query; "more"; or a status and the code of the error.
struct HeadCase: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let `in`: String
    let want: String

    var bytes: [UInt8] { CorpusFile.expand(`in`) }
    var expectation: String { String(decoding: CorpusFile.expand(want), as: UTF8.self) }
    var description: String { name }
}

/// One body: `want` is "ok DATA", "more DATA", or a status and the code of the error.
struct BodyCase: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let framing: String
    let `in`: String
    let want: String

    var bytes: [UInt8] { CorpusFile.expand(`in`) }
    var expectation: [UInt8] { CorpusFile.expand(want) }
    var description: String { name }
}

enum Corpus {
    static let heads: [HeadCase] = CorpusFile.load("heads")
    static let bodies: [BodyCase] = CorpusFile.load("bodies")
}
