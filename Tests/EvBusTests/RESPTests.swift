import Testing

@testable import EvBus

@Suite struct RESPTests {
    private static let message: RESPValue = .array([
        .bulk(Array("message".utf8)), .bulk(Array("chat".utf8)), .bulk(Array("a\r\nb".utf8)),
    ])
    static let replies: [(String, RESPValue)] = [
        ("+OK\r\n", .simple(Array("OK".utf8))),
        ("+\r\n", .simple([])),
        ("-ERR no\r\n", .error("ERR no")),
        (":0\r\n", .integer(0)),
        (":-17\r\n", .integer(-17)),
        (":999999999999999999\r\n", .integer(999_999_999_999_999_999)),
        ("$-1\r\n", .bulk(nil)),
        ("$0\r\n\r\n", .bulk([])),
        ("$4\r\na\r\nb\r\n", .bulk(Array("a\r\nb".utf8))),
        ("*-1\r\n", .array(nil)),
        ("*0\r\n", .array([])),
        ("*3\r\n$7\r\nmessage\r\n$4\r\nchat\r\n$4\r\na\r\nb\r\n", message),
        (
            "*3\r\n*0\r\n*2\r\n:1\r\n*1\r\n*1\r\n+x\r\n$-1\r\n",
            .array([
                .array([]), .array([.integer(1), .array([.array([.simple([UInt8(ascii: "x")])])])]), .bulk(nil),
            ])
        ),
    ]

    private func parse(_ pieces: [[UInt8]], _ limits: RESPParser.Limits = .init()) throws(RESPError) -> [RESPValue] {
        var parser = RESPParser(limits: limits)
        var values: [RESPValue] = []
        for piece in pieces {
            parser.append(piece)
            while let value = try parser.next() { values.append(value) }
        }
        return values
    }

    @Test(arguments: replies) func wholeAndInPieces(_ text: String, _ value: RESPValue) throws {
        let bytes = Array(text.utf8)
        #expect(try parse([bytes]) == [value])
        #expect(try parse(bytes.map { [$0] }) == [value])
        for split in 0...bytes.count {
            #expect(try parse([Array(bytes[..<split]), Array(bytes[split...])]) == [value])
        }
        for end in 0..<bytes.count { #expect(try parse([Array(bytes[..<end])]) == []) }
    }

    @Test func oneAfterTheOther() throws {
        let all = Self.replies.map { Array($0.0.utf8) }
        let values = Self.replies.map(\.1)
        #expect(try parse([all.flatMap(\.self)]) == values)
        #expect(try parse(all) == values)
        #expect(try parse(all.flatMap(\.self).map { [$0] }) == values)
    }

    @Test(arguments: [
        ("HTTP/1.1 400 Bad Request\r\n", RESPError.unknownType(UInt8(ascii: "H"))),
        ("\0\r\n", .unknownType(0)),
        ("\r\n", .badLineEnd), ("\n", .badLineEnd), ("+a\nb\r\n", .badLineEnd), ("+a\rb\r\n", .badLineEnd),
        ("$1\r\nxy\r\n", .badLineEnd), ("$1\r\nx\r\r", .badLineEnd),
        (":\r\n", .badNumber), (":x\r\n", .badNumber), (":1x\r\n", .badNumber), (":--1\r\n", .badNumber),
        (": 1\r\n", .badNumber), (":+1\r\n", .badNumber), (":1.0\r\n", .badNumber), (":-\r\n", .badNumber),
        (":9999999999999999999\r\n", .badNumber), ("$\r\n", .badNumber), ("*\r\n", .badNumber),
        ("$-2\r\n", .badNumber), ("*-2\r\n", .badNumber), ("$99999999999999999999\r\n", .badNumber),
        ("$33554433\r\n", .tooLong), ("$999999999999999999\r\n", .tooLong),
        ("*10001\r\n", .tooManyElements), ("*999999999999999999\r\n", .tooManyElements),
        ("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", .tooDeep), ("*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n", .tooDeep),
    ]) func hostileInputIsAnError(_ text: String, _ error: RESPError) {
        let bytes = Array(text.utf8)
        #expect(throws: error) { try parse([bytes]) }
        #expect(throws: error) { try parse(bytes.map { [$0] }) }
    }

    @Test func limitsHold() throws {
        var limits = RESPParser.Limits()
        (limits.line, limits.bulk, limits.elements, limits.depth, limits.reply) = (8, 8, 3, 2, 40)
        #expect(throws: RESPError.tooLong) { try parse([Array("+12345678".utf8)], limits) }
        #expect(throws: RESPError.tooLong) { try parse([Array("+12345678\r\n".utf8)], limits) }
        #expect(throws: RESPError.tooLong) { try parse(Array("+12345678".utf8).map { [$0] }, limits) }
        #expect(try parse([Array("+1234567\r\n".utf8)], limits).count == 1)
        let bulk = "$8\r\n12345678\r\n"
        #expect(try parse([Array((bulk + bulk + bulk).utf8)], limits).count == 3)
        #expect(throws: RESPError.tooLong) { try parse([Array(("*3\r\n" + bulk + bulk + bulk).utf8)], limits) }
    }

    @Test func randomBytesNeverTrap() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("+-:$*0123456789\r\n\r\n\r\nx".utf8)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            var parser = RESPParser()
            for byte in bytes {
                parser.append([byte])
                do { while try parser.next() != nil {} } catch { break }
            }
        }
    }

    @Test func commandsAreArraysOfBulkStrings() throws {
        let words = ["SET", "", "a\r\nb"].map { Array($0.utf8) }
        var bytes: [UInt8] = []
        respCommand(words, to: &bytes)
        #expect(try parse([bytes]) == [.array(words.map { .bulk($0) })])
    }
}
