import CZlib
import Testing
import WebSocketCodec

private struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    let said: [Said]
    var limit = 1 << 20

    init(_ name: String, _ bytes: [UInt8], _ said: [Said], limit: Int = 1 << 20) {
        (self.name, self.bytes, self.said, self.limit) = (name, bytes, said, limit)
    }

    var testDescription: String { name }
}

private func compressed(_ payload: [UInt8], opcode: UInt8 = 1, isFinal: Bool = true) -> [UInt8] {
    Client.frame(opcode, payload, isFinal: isFinal, reserved: 4)
}

private let hello = Array("Hello".utf8)
private let helloDeflated: [UInt8] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]

/// Two contexts that are kept, with the windows that are usual.
private let keeping: DeflateAgreement = {
    var agreement = DeflateAgreement()
    (agreement.serverKeepsContext, agreement.clientKeepsContext) = (true, true)
    (agreement.serverWindowBits, agreement.clientWindowBits) = (12, 12)
    return agreement
}()

private let cases = [
    Case("RFC 7692 section 7.2.3.1", compressed(helloDeflated), [.text(hello)]),
    Case(
        "in two fragments, a ping between them",
        compressed([0xf2, 0x48, 0xcd], isFinal: false) + Client.frame(9, [1]) + Client.frame(0, [0xc9, 0xc9, 0x07, 0]),
        [.ping([1]), .text(hello)]),
    Case(
        "a block that is not compressed (7.2.3.3)",
        compressed([0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]), [.text(hello)]),
    Case("a final block (7.2.3.4)", compressed([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]), [.text(hello)]),
    Case(
        "a final block, and more behind it", compressed([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00] + helloDeflated),
        [.text(hello + hello)]),
    Case(
        "a final block, and a reference to what it has said",
        compressed([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0x00, 0x11, 0x00, 0x00]), [.text(hello + hello)]),
    Case(
        "more than is inflated in one step, in its last byte",
        compressed(Zlib.deflate([UInt8](repeating: 0, count: 33_000)), opcode: 2),
        [.binary([UInt8](repeating: 0, count: 33_000))]),
    Case("a final block and nothing", compressed([0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), [.text(hello)]),
    Case(
        "two blocks (7.2.3.5)",
        compressed([0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]), [.text(hello)]),
    Case(
        "the length of the last block has not been left out", compressed(helloDeflated + [0, 0, 0xff, 0xff]),
        [.text(hello)]),
    Case("an empty message (7.2.3.6)", compressed([0x00]) + compressed([0x00], opcode: 2), [.text([]), .binary([])]),
    Case("an empty payload", compressed([]), [.text([])]),
    Case("fragments that are empty", compressed([], isFinal: false) + Client.frame(0, helloDeflated), [.text(hello)]),
    Case("a message as it is", Client.text("Hello") + compressed(helloDeflated), [.text(hello), .text(hello)]),
    Case("RSV1 in a continuation", compressed([0xf2], isFinal: false) + compressed([], opcode: 0), [.violation(1002)]),
    Case("RSV1 in a ping", compressed([], opcode: 9), [.violation(1002)]),
    Case("a block of type 3", compressed([0xff, 0xff]), [.violation(1007)]),
    Case("a length that is not its complement", compressed([0x00, 0x05, 0x00, 0, 0, 0]), [.violation(1007)]),
    Case("a message that is cut off", compressed([0xf2, 0x48, 0xcd, 0xc9]), [.violation(1007)]),
    Case("a block that is cut off", compressed([0x00, 0x05, 0x00, 0xfa, 0xff, 0x48]), [.violation(1007)]),
    Case("a reference to nothing", compressed([0xf2, 0x00, 0x11, 0x00, 0x00]), [.violation(1007)]),
    Case("a text that is not UTF-8", compressed(Zlib.deflate([0x61, 0xff, 0x61])), [.violation(1007)]),
    Case("a binary that is not", compressed(Zlib.deflate([0x61, 0xff]), opcode: 2), [.binary([0x61, 0xff])]),
    Case("a text that ends within a character", compressed(Zlib.deflate([0xe2, 0x82])), [.violation(1007)]),
    Case("as long as the limit", compressed(helloDeflated), [.text(hello)], limit: 5),
    Case("longer than the limit", compressed(helloDeflated), [.violation(1009)], limit: 4),
    Case(
        "what is longer than the limit is looked at no further",
        compressed([0xf2, 0x48, 0xcd, 0xc9, 0xff, 0xff]), [.violation(1009)], limit: 2),
    Case(
        "a payload that is too long for any message", compressed([UInt8](repeating: 0, count: 1100)),
        [.violation(1009)], limit: 20),
]

@Suite struct DeflateTests {
    @Test(arguments: cases)
    private func aCaseIsReadTheSameWholeAndInPieces(_ test: Case) {
        func said(_ pieces: [[UInt8]]) -> [Said] { decode(pieces, limit: test.limit, deflate: DeflateAgreement()) }
        #expect(said([test.bytes]) == test.said)
        #expect(said(test.bytes.map { [$0] }) == test.said)
        for split in 0...min(test.bytes.count, 100) {
            #expect(said([Array(test.bytes[..<split]), Array(test.bytes[split...])]) == test.said)
        }
    }

    /// RFC 7692 section 7.2.3.2: the second message refers to the first.
    @Test func contextIsKeptWhereAgreedUpon() {
        let bytes = compressed(helloDeflated) + Client.text("plain") + compressed([0xf2, 0x00, 0x11, 0x00, 0x00])
        let plain = Said.text(Array("plain".utf8))
        #expect(decode([bytes], deflate: keeping) == [.text(hello), plain, .text(hello)])
        #expect(decode(bytes.map { [$0] }, deflate: keeping) == [.text(hello), plain, .text(hello)])
        #expect(decode([bytes], deflate: DeflateAgreement()) == [.text(hello), plain, .violation(1007)])
    }

    /// No more of a client's window is remembered than was agreed upon.
    @Test func referenceBeyondTheWindowIsRefused() {
        var agreement = keeping
        agreement.clientWindowBits = 9
        let words = Array("a word that comes back".utf8)
        let client = Zlib(windowBits: 15)
        let random = { (0..<1000).map { _ in UInt8.random(in: 0...255) } }
        let bytes = [words, random(), words].flatMap { compressed(client.deflate($0), opcode: 2) }
        #expect(decode([bytes], deflate: agreement).last == .violation(1007))
        #expect(decode([bytes], deflate: keeping).last == .binary(words))
    }

    @Test func bombIsRefusedBeforeItIsInflated() {
        let bomb = Zlib.deflate([UInt8](repeating: 0, count: 1 << 23))
        #expect(
            decode([compressed(bomb, opcode: 2)], limit: 1 << 30, deflate: DeflateAgreement()) == [.violation(1009)])
        // Up to 1 MiB everything is allowed, and so is what a message of words may come to.
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        let words =
            (0..<40_000).flatMap { Array("word \($0 % 7) of a sentence, ".utf8) }
            + (0..<20_000).map { _ in
                UInt8.random(in: 0...255)
            }
        for message in [zeros, words] {
            let bytes = compressed(Zlib.deflate(message), opcode: 2)
            #expect(decode([bytes], limit: 1 << 30, deflate: DeflateAgreement()) == [.binary(message)])
        }
    }

    /// Random messages that zlib compresses with random settings, in random fragments and pieces.
    @Test func messagesSurvive() {
        for round in 0..<150 {
            let agreement = round % 2 == 0 ? DeflateAgreement() : keeping
            let client = Zlib(windowBits: agreement.clientWindowBits, level: Int32.random(in: 0...9))
            var (bytes, expected): ([UInt8], [Said]) = ([], [])
            for _ in 0..<Int.random(in: 1...5) {
                let message = Sample.message()
                var payload = client.deflate(message, isFinal: Int.random(in: 0..<4) == 0)
                if !agreement.clientKeepsContext { client.reset() }
                expected.append(.binary(message))
                var opcode: UInt8 = 2
                repeat {
                    let count = Int.random(in: 0...payload.count)
                    let piece = Array(payload[..<count])
                    payload.removeFirst(count)
                    bytes += Client.frame(opcode, piece, isFinal: payload.isEmpty, reserved: opcode == 2 ? 4 : 0)
                    opcode = 0
                } while !payload.isEmpty
            }
            var pieces: [[UInt8]] = []
            while !bytes.isEmpty {
                let count = Int.random(in: 1...max(1, min(bytes.count, 5000)))
                pieces.append(Array(bytes[..<min(count, bytes.count)]))
                bytes.removeFirst(min(count, bytes.count))
            }
            #expect(decode(pieces, deflate: agreement) == expected)
        }
    }

    /// Also where the same message, or another of the same length, was the last.
    @Test func whatIsCompressedFitsIntoTheWindow() {
        let (compressors, words) = (Compressors(), Array(String(repeating: "words that come back, ", count: 900).utf8))
        let noise = (0..<10_000).map { _ in UInt8.random(in: 0...255) }
        let same = [
            noise + words[..<7000] + noise + words[..<7000], words, words.reversed(), Array(words[..<400]),
            Array(words[..<400]),
        ]
        for message in same + (0..<10).map({ _ in Sample.message() }) {
            for bits in Array((8...15).reversed()) + [8, 15] {
                let payload = message.withUnsafeBytes { compressors.compress($0, windowBits: bits) }
                #expect(payload != nil || message.count < 400)
                guard let payload else { continue }
                #expect(payload.count < message.count)
                #expect(Zlib.inflate([payload], windowBits: bits) == message)
            }
        }
    }

    /// Also when some messages go out as they are, which the client's context does not see.
    @Test(arguments: [8, 12])
    func contextIsThatOfTheClient(_ bits: Int) throws {
        let compressor = try #require(Compressor(windowBits: bits, keepsContext: true))
        var (payloads, expected): ([[UInt8]], [UInt8]) = ([], [])
        for round in 0..<60 {
            let message = round % 5 == 4 ? (0..<300).map { _ in UInt8.random(in: 0...255) } : Sample.message()
            let payload = message.withUnsafeBytes { compressor.withCompressed($0) { $0.map { [UInt8]($0) } } }
            guard let payload else { continue }
            payloads.append(payload)
            expected += message
        }
        #expect(payloads.count > 10)
        #expect(Zlib.inflate(payloads, windowBits: bits) == expected)
    }

    @Test func whatGetsNoSmallerIsNotCompressed() {
        let random = (0..<5000).map { _ in UInt8.random(in: 0...255) }
        let short = [UInt8](repeating: 0x61, count: 100)
        for message in [random, short, []] {
            #expect(message.withUnsafeBytes { Compressors().compress($0) } == nil)
        }
    }
}

private enum Sample {
    /// Up to 20 KB, of words or of noise.
    static func message() -> [UInt8] {
        let words = ["{\"id\": ", "null, ", "\u{e9}t\u{e9} ", "12345", "the same again, "]
        var bytes: [UInt8] = []
        for _ in 0..<[0, 1, 30, 300, 3000][Int.random(in: 0..<5)] {
            bytes += Array((words.randomElement() ?? "").utf8)
            if Int.random(in: 0..<4) == 0 { bytes.append(UInt8.random(in: 0...255)) }
        }
        return bytes
    }
}

/// zlib as a client uses it.
private final class Zlib {
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)

    init(windowBits: Int = 15, level: Int32 = 6) {
        stream.initialize(to: z_stream())
        _ = evg_deflate_init(stream, level, Int32(windowBits), 8)
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    static func deflate(_ message: [UInt8]) -> [UInt8] { Zlib().deflate(message) }

    /// - Parameter isFinal: the message ends with a block that says that it is the last, and one that is empty.
    func deflate(_ message: [UInt8], isFinal: Bool = false) -> [UInt8] {
        var (input, output) = (message, [UInt8](repeating: 0, count: message.count * 2 + 100))
        let room = UInt32(output.count)
        let flush = isFinal ? Z_FINISH : Z_SYNC_FLUSH
        output.withUnsafeMutableBufferPointer { output in
            input.withUnsafeMutableBufferPointer { input in
                (stream.pointee.next_in, stream.pointee.avail_in) = (input.baseAddress, UInt32(input.count))
                (stream.pointee.next_out, stream.pointee.avail_out) = (output.baseAddress, room)
                _ = CZlib.deflate(stream, flush)
            }
        }
        let count = Int(room - stream.pointee.avail_out)
        if isFinal {
            reset()
            return Array(output[..<count]) + [0]
        }
        return count == 0 ? [0] : Array(output[..<(count - 4)])
    }

    func reset() { deflateReset(stream) }

    /// The payloads of one stream, with what their sender has left out.
    static func inflate(_ payloads: [[UInt8]], windowBits: Int) -> [UInt8]? {
        var (stream, output) = (z_stream(), [UInt8](repeating: 0, count: 1 << 21))
        guard evg_inflate_init(&stream, Int32(windowBits)) == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        let room = UInt(output.count)
        let isWhole = output.withUnsafeMutableBufferPointer { output in
            stream.next_out = output.baseAddress
            return payloads.allSatisfy { payload in
                var input = payload + [0, 0, 0xff, 0xff]
                return input.withUnsafeMutableBufferPointer { input in
                    (stream.next_in, stream.avail_in) = (input.baseAddress, UInt32(input.count))
                    // What one call inflates may be referred to beyond the window: so each brings one byte.
                    var result = Z_OK
                    while result == Z_OK, stream.total_out < room {
                        stream.avail_out = 1
                        result = CZlib.inflate(&stream, Z_SYNC_FLUSH)
                        if stream.avail_in == 0, stream.avail_out == 1 { return true }
                    }
                    return false
                }
            }
        }
        return isWhole ? Array(output[..<Int(stream.total_out)]) : nil
    }
}
