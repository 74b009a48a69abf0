import Testing
import WebSocketCodec

private struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    let said: [Said]

    init(_ name: String, _ bytes: [UInt8], _ said: [Said]) {
        (self.name, self.bytes, self.said) = (name, bytes, said)
    }

    var testDescription: String { name }
}

private let hello = Array("Hello".utf8)
private let long = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
private let limit = 100_000

private let cases = [
    Case(
        "a text of RFC 6455 section 5.7", [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
        [.text(hello)]),
    Case("two frames in one piece", Client.text("a") + Client.text("b"), [.text([97]), .text([98])]),
    Case("an empty text", Client.text(""), [.text([])]),
    Case("126 bytes", Client.frame(2, Array(long[..<126])), [.binary(Array(long[..<126]))]),
    Case("65,535 bytes", Client.frame(2, Array(long[..<65_535])), [.binary(Array(long[..<65_535]))]),
    Case("70,000 bytes", Client.frame(2, long), [.binary(long)]),
    Case(
        "fragments, a ping between them",
        Client.text("Hel", isFinal: false) + Client.frame(9, [1, 2]) + Client.frame(0, Array("lo".utf8)),
        [.ping([1, 2]), .text(hello)]),
    Case(
        "fragments that are empty",
        Client.frame(2, [], isFinal: false) + Client.frame(0, [], isFinal: false) + Client.frame(0, []),
        [.binary([])]),
    Case(
        "a character in two fragments",
        Client.frame(1, [0xe2, 0x82], isFinal: false) + Client.frame(0, [0xac]), [.text(Array("€".utf8))]),
    Case("a pong nobody asked for", Client.frame(10, [9]) + Client.text("a"), [.pong, .text([97])]),
    Case("a close without a code", Client.frame(8, []), [.close(1005, "")]),
    Case("a close with code and reason", Client.frame(8, [0x03, 0xe8] + Array("bye".utf8)), [.close(1000, "bye")]),
    Case("nothing behind a close", Client.frame(8, [0x0b, 0xb8]) + Client.text("a"), [.close(3000, "")]),
    Case("a close with half a code", Client.frame(8, [3]), [.violation(1002)]),
    Case("a close with 1005", Client.frame(8, [0x03, 0xed]), [.violation(1002)]),
    Case("a close with 1016", Client.frame(8, [0x03, 0xf8]), [.violation(1002)]),
    Case("a close with 5000", Client.frame(8, [0x13, 0x88]), [.violation(1002)]),
    Case("a close whose reason is not UTF-8", Client.frame(8, [0x03, 0xe8, 0xff]), [.violation(1007)]),
    Case("a frame that is not masked", [0x81, 0x01, 97], [.violation(1002)]),
    Case("RSV1 without an agreement", Client.frame(1, [97], reserved: 4), [.violation(1002)]),
    Case("RSV2", Client.frame(1, [97], reserved: 2), [.violation(1002)]),
    Case("RSV3", Client.frame(1, [97], reserved: 1), [.violation(1002)]),
    Case("an unknown data opcode", Client.frame(3, []), [.violation(1002)]),
    Case("an unknown control opcode", Client.frame(11, []), [.violation(1002)]),
    Case("a fragmented ping", Client.frame(9, [], isFinal: false), [.violation(1002)]),
    Case("a ping of 126 bytes", Client.frame(9, Array(long[..<126])), [.violation(1002)]),
    Case("a continuation of nothing", Client.frame(0, [97]), [.violation(1002)]),
    Case("a message within another", Client.text("a", isFinal: false) + Client.text("b"), [.violation(1002)]),
    Case("125 bytes with a length of two bytes", [0x82, 0xfe, 0, 125, 0, 0, 0, 0], [.violation(1002)]),
    Case(
        "65,535 bytes with a length of eight", [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0],
        [.violation(1002)]),
    Case("a length with its first bit set", [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [.violation(1002)]),
    Case(
        "longer than the limit", [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        [.violation(1009)]),
    Case(
        "fragments longer than the limit",
        Client.frame(2, long, isFinal: false) + Client.frame(0, long), [.violation(1009)]),
    Case("a text that is not UTF-8", Client.frame(1, [0x61, 0xff, 0x61]), [.violation(1007)]),
    Case("a text that ends within a character", Client.frame(1, [0xe2, 0x82]), [.violation(1007)]),
    Case("a fragment that no text can follow", Client.frame(1, [0xf4, 0x90], isFinal: false), [.violation(1007)]),
]

@Suite struct MessageDecoderTests {
    @Test(arguments: cases)
    private func aCaseIsReadTheSameWholeAndInPieces(_ test: Case) {
        #expect(decode(test.bytes, limit: limit) == test.said)
        if test.bytes.count < 500 {
            #expect(decode(test.bytes.map { [$0] }, limit: limit) == test.said)
            for split in 0...test.bytes.count {
                #expect(
                    decode([Array(test.bytes[..<split]), Array(test.bytes[split...])], limit: limit) == test.said)
            }
        } else {
            let step = 4099
            let pieces = stride(from: 0, to: test.bytes.count, by: step).map {
                Array(test.bytes[$0..<min($0 + step, test.bytes.count)])
            }
            #expect(decode(pieces, limit: limit) == test.said)
        }
    }

    /// Random frames in random pieces: the messages that come out are those that went in.
    @Test func messagesSurviveAnyFragmentation() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var (bytes, expected): ([UInt8], [Said]) = ([], [])
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let message = (0..<Int.random(in: 0...400, using: &random)).map { _ in UInt8.random(in: 0...255) }
                var cuts = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                    Int.random(in: 0...message.count, using: &random)
                }
                cuts = [0] + cuts.sorted() + [message.count]
                for index in 1..<cuts.count {
                    let key = (0..<4).map { _ in UInt8.random(in: 0...255, using: &random) }
                    bytes += Client.frame(
                        index == 1 ? 2 : 0, Array(message[cuts[index - 1]..<cuts[index]]),
                        isFinal: index == cuts.count - 1, key: key)
                }
                expected.append(.binary(message))
            }
            var pieces: [[UInt8]] = []
            while !bytes.isEmpty {
                let count = Int.random(in: 1...min(64, bytes.count), using: &random)
                pieces.append(Array(bytes[..<count]))
                bytes.removeFirst(count)
            }
            #expect(decode(pieces) == expected)
        }
    }

    @Test func headsOfTheServersOwnFramesAreInTheShortestForm() {
        func head(_ count: Int, _ opcode: Opcode = .text, isCompressed: Bool = false) -> [UInt8] {
            OwnFrameHead(opcode, count: count, isCompressed: isCompressed).withUnsafeBytes { Array($0) }
        }
        #expect(head(5) == [0x81, 5])
        #expect(head(0, .ping) == [0x89, 0])
        #expect(head(125, .binary, isCompressed: true) == [0xc2, 125])
        #expect(head(126) == [0x81, 126, 0, 126])
        #expect(head(65_535) == [0x81, 126, 0xff, 0xff])
        #expect(head(65_536) == [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0])
    }

    @Test func aReasonIsCutBetweenCharacters() {
        #expect(ClosePayload.bytes(.normal, "bye") == [0x03, 0xe8] + Array("bye".utf8))
        #expect(ClosePayload.bytes(.noStatus, "bye") == [])
        #expect(ClosePayload.bytes(.normal, "a" + String(repeating: "€", count: 60)).count == 2 + 1 + 40 * 3)
    }
}
