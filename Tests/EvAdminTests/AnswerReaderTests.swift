import Testing

@testable import EvAdmin

@Suite struct AnswerReaderTests {
    private func read(_ bytes: [UInt8], pieces: Int, ends: Bool = true) -> (reader: AnswerReader, result: String) {
        var reader = AnswerReader(bodyLimit: 1000)
        do throws(AnswerReader.Failure) {
            for start in stride(from: 0, to: bytes.count, by: pieces) {
                try reader.feed(bytes[start..<min(bytes.count, start + pieces)])
            }
            if ends { try reader.end() }
        } catch {
            return (reader, "\(error)")
        }
        let body = String(decoding: reader.take(), as: UTF8.self)
        return (reader, "\(reader.status) \(body)")
    }

    /// Whole, in pieces, and byte by byte.
    private static let pieces = [100_000, 7, 3, 1]

    @Test(
        arguments: [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello"),
            ("HTTP/1.1 200 OK\r\ncontent-length:  5 \r\n\r\nhello", "200 hello"),
            ("HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", "404 "),
            ("HTTP/1.0 200 OK\r\n\r\nuntil the end", "200 until the end"),
            ("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "200 ok"),
            ("HTTP/1.1 204 No\r\n\r\n", "204 "),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 x"),
            (
                "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nA:\r\n\r\n",
                "200 abc0123456789"
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "200 "),
        ], pieces)
    func reads(_ example: (answer: String, result: String), _ pieces: Int) {
        let (reader, result) = read(Array(example.answer.utf8), pieces: pieces)
        #expect(result == example.result)
        #expect(reader.isComplete && reader.hasHead)
    }

    @Test(
        arguments: [
            ("HTTP/2 200 OK\r\n\r\n", "malformed"), ("SSH-2.0-x\r\n", "malformed"), ("\r\n", "malformed"),
            ("HTTP/1.1 2000 OK\r\n", "malformed"), ("HTTP/1.1 +20 OK\r\n", "malformed"),
            ("HTTP/1.1 20\r\n", "malformed"),
            ("HTTP/1.1 101 Yes\r\n\r\n", "malformed"),
            ("HTTP/1.1 200 OK\r\n: x\r\n\r\n", "malformed"), ("HTTP/1.1 200 OK\r\nx\r\n\r\n", "malformed"),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "malformed"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "malformed"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "malformed"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "malformed"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "malformed"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "malformed"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "malformed"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "malformed"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "tooLarge"),
            ("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1001), "tooLarge"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + String(repeating: "x", count: 1001),
                "tooLarge"
            ),
            ("HTTP/1.1 200 OK\r\nA: " + String(repeating: "x", count: 70_000), "tooLarge"),
            ("HTTP/1.1 200 OK\r\n" + String(repeating: "A: b\r\n", count: 12_000), "tooLarge"),
            ("", "cutShort"), ("HTTP/1.1 200 OK\r\n", "cutShort"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "cutShort"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", "cutShort"),
        ], [100_000, 1])
    func refuses(_ example: (answer: String, failure: String), _ pieces: Int) {
        #expect(read(Array(example.answer.utf8), pieces: pieces).result == example.failure)
    }

    @Test func bodyIsTakenAsItComes() throws {
        var reader = AnswerReader(bodyLimit: 4)
        try reader.feed(Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n".utf8))
        #expect(reader.take() == Array("abcd".utf8))
        try reader.feed(Array("4\r\nefgh\r\n".utf8))
        #expect(reader.take() == Array("efgh".utf8))
        #expect(!reader.isComplete)
    }

    @Test func anyByteIsSurvived() {
        let answer = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n".utf8)
        for index in answer.indices {
            for byte in [0, 0x0a, 0x0d, 0x20, 0x3a, 0x66, 0x7f, 0xff] as [UInt8] {
                var changed = answer
                changed[index] = byte
                #expect(!read(changed, pieces: 5).result.isEmpty)
            }
        }
    }
}
