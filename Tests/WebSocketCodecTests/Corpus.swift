// The cases of Tests/Corpus/websocket, whose README.md explains the notation.
import EvTestSupport
import WebSocketCodec

struct FrameCase: Decodable, Sendable {
    let name: String
    let `in`: [String]
    let want: [String]

    static let classes = [
        "framing", "pings", "reserved", "opcodes", "fragments", "utf8", "close", "limits", "pieces", "deflate",
        "contexts",
    ]
    static let limit = 200_000

    /// What has been agreed upon where messages may be compressed.
    static let agreements: [String: DeflateAgreement] = {
        var contexts = DeflateAgreement()
        (contexts.clientKeepsContext, contexts.clientWindowBits) = (true, 12)
        return ["deflate": DeflateAgreement(), "contexts": contexts]
    }()

    static func all(_ name: String) -> [FrameCase] { CorpusFile.load("websocket/\(name)") }

    var bytes: [UInt8] { `in`.flatMap { Line($0).frame } }
    var said: [Said] { want.map { Line($0).said } }
}

/// A frame, or what a decoder says: words, and a payload.
struct Line {
    private var words: [Substring]
    private let payload: [UInt8]

    init(_ text: String) {
        let end = text.firstIndex { $0 == ":" || $0 == "=" } ?? text.endIndex
        words = text[..<end].split(separator: " ")
        let rest = String(text[end...].dropFirst(2))
        payload =
            end < text.endIndex && text[end] == "="
            ? rest.split(separator: " ").compactMap { UInt8($0, radix: 16) } : CorpusFile.expand(rest)
    }

    private func has(_ word: String) -> Bool { words.contains { $0 == word } }

    private func number(after word: String) -> UInt64? {
        words.firstIndex { $0 == word }.flatMap { UInt64(words[$0 + 1]) }
    }

    var frame: [UInt8] {
        guard var kind = words.last, kind != "bytes" else { return payload }
        let isFinal = kind.last != "+"
        if !isFinal { kind.removeLast() }
        let opcodes: [Substring: UInt8] = ["more": 0, "text": 1, "binary": 2, "close": 8, "ping": 9, "pong": 10]
        guard let opcode = opcodes[kind] ?? UInt8(kind.dropFirst("opcode".count)) else { fatalError("\(kind)") }
        let reserved = UInt8(has("rsv1") ? 4 : 0) | (has("rsv2") ? 2 : 0) | (has("rsv3") ? 1 : 0)
        return Client.frame(
            opcode, payload, isFinal: isFinal, reserved: reserved, isMasked: !has("unmasked"),
            announcing: number(after: "announces"), lengthBytes: has("length16") ? 2 : has("length64") ? 8 : nil)
    }

    var said: Said {
        let code = words.dropFirst().first.flatMap { UInt16($0) } ?? 0
        switch words[0] {
        case "text": return .text(payload)
        case "binary": return .binary(payload)
        case "ping": return .ping(payload)
        case "pong": return .pong
        case "close": return .close(code, String(decoding: payload, as: UTF8.self))
        default: return .violation(code)
        }
    }
}
