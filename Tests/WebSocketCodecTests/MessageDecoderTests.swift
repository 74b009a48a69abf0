import Testing
import WebSocketCodec

@Suite struct MessageDecoderTests {
    @Test func theCorpusIsLargeAndItsNamesDiffer() {
        for name in FrameCase.classes {
            let cases = FrameCase.all(name)
            #expect(Set(cases.map(\.name)).count == cases.count)
        }
        #expect(FrameCase.classes.map { FrameCase.all($0).count }.reduce(0, +) > 850)
    }

    @Test(arguments: FrameCase.classes)
    func aCaseIsReadTheSameWholeAndInPieces(_ name: String) {
        for test in FrameCase.all(name) {
            let (bytes, expected) = (test.bytes, test.said)
            var isWrong = false
            func expect(_ pieces: [[UInt8]], _ how: String) {
                guard !isWrong else { return }
                let said = decode(pieces, limit: FrameCase.limit, deflate: FrameCase.agreements[name])
                isWrong = said != expected
                if isWrong { Issue.record("\(name): \(test.name), \(how): \("\(said)".prefix(300))") }
            }
            expect([bytes], "whole")
            let isShort = bytes.count <= 2500
            let step = isShort ? 1 : 4099
            expect(
                stride(from: 0, to: bytes.count, by: step).map { Array(bytes[$0..<min($0 + step, bytes.count)]) },
                "in pieces of \(step)")
            // Of long ones the places where heads are, and some between.
            let near = 16
            let cuts =
                isShort
                ? Array(0...bytes.count)
                : Array(0..<near) + stride(from: near, to: bytes.count - near, by: bytes.count / 8)
                    + Array((bytes.count - near)...bytes.count)
            for cut in cuts { expect([Array(bytes[..<cut]), Array(bytes[cut...])], "cut at \(cut)") }
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
