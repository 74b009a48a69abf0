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
    private var wire: (terms: HoldTerms, bytes: [UInt8]?)?

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

    /// That answer as HTTP/1.1, for connections that go on; nil where it has no body of its own length.
    func wire(_ answer: Answer, _ terms: HoldTerms, _ worker: Worker?) -> [UInt8]? {
        if let wire, wire.terms === terms { return wire.bytes }
        guard let worker else { return nil }
        wire = (terms, makeWire(answer, worker))
        return wire?.bytes
    }

    private func makeWire(_ answer: Answer, _ worker: Worker) -> [UInt8]? {
        guard answer.status >= 200, ![204, 205, 304].contains(answer.status) else { return nil }
        let head = worker.responseHead
        do throws(ResponseHeadError) {
            try head.pointee.begin(status: answer.status, reason: answer.reason, lines: answer.lines, closes: false)
        } catch {
            return nil
        }
        let count = UInt64(answer.body.count)
        let (length, announced) = ResponseLength.of(head.pointee, given: count, requestIsHead: false)
        let writer = ByteWriter(capacity: 512 + answer.body.count)
        var encoder = ResponseEncoder()
        _ = encoder.head(
            head.pointee, length: length, announced: announced, version: .http11, keepAlive: true,
            serverLines: worker.clock.lines(), into: writer)
        answer.body.withUnsafeBytes { writer.append($0) }
        return Array(writer.bytes)
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
