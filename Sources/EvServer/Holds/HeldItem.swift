// A message for all holds of a worker: read once, and its bytes for each wire made once.

import EvLoop
import GRIP
import HTTP1
import HTTPCore
import WebSocketCodec

@LoopActor
final class HeldItem {
    let item: Item
    /// The content of the stream as one chunk (RFC 9112 7.1); empty for none.
    private(set) lazy var chunk = Self.chunk(content)
    private(set) lazy var socketMessage = item.socket.map { format in
        format.content.withUnsafeBytes { EncodedMessage(isText: format.kind == .text, $0) }
    }
    private var answer: (terms: HoldTerms, answer: Answer)?

    init(_ item: Item) { self.item = item }

    var content: [UInt8] { item.stream?.content ?? [] }

    /// The answer to a long poll.
    struct Answer {
        let status: Int
        let reason: [UInt8]
        let lines: [UInt8]
        let body: [UInt8]
    }

    /// That to holds of these terms; nil where their body cannot be changed as the message asks.
    func answer(to terms: HoldTerms, _ format: ResponseFormat) -> Answer? {
        if let answer, answer.terms === terms { return answer.answer }
        guard let body = try? format.body(over: terms.body) else { return nil }
        let made = Answer(
            status: format.code, reason: format.reason, lines: fieldLines(format.fields(over: terms.fields)),
            body: body)
        answer = (terms, made)
        return made
    }

    static func chunk(_ content: [UInt8]) -> [UInt8] {
        guard !content.isEmpty else { return [] }
        var chunk: [UInt8] = []
        chunk.reserveCapacity(content.count + 12)
        chunk += String(content.count, radix: 16).utf8
        chunk += [13, 10]
        chunk += content
        chunk += [13, 10]
        return chunk
    }
}
