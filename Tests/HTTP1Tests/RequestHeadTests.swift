import HTTP1
import HTTPCore
import Testing

@Suite struct RequestHeadTests {
    private func head(_ text: String) throws -> RequestHead {
        var parser = RequestParser(limits: HTTPLimits())
        let outcome = Array(text.utf8).withUnsafeBytes { parser.parse($0) }
        guard case .head(let head, _) = outcome else { throw HTTP1Error(.badMethod) }
        return head
    }

    @Test func fieldsKeepOrderAndSpelling() throws {
        let head = try head("GET / HTTP/1.1\r\nHost: h\r\nX-a:  1 \r\nx-A:\t2\r\nEmpty:\r\n\r\n")
        let fields = head.fields.map { "\(head.string($0.name))=\(head.string($0.value))" }
        #expect(fields == ["Host=h", "X-a=1", "x-A=2", "Empty="])
    }

    @Test func valuesAreFoundInAnyCase() throws {
        let head = try head("GET / HTTP/1.1\r\nHost: h\r\nX-a: 1\r\nx-A: 2\r\n\r\n")
        #expect(head.firstValue(of: "x-a").map(head.string) == "1")
        #expect(head.values(of: "X-A").map(head.string) == ["1", "2"])
        #expect(head.firstValue(of: "x-b") == nil)
        #expect(head.values(of: "x").isEmpty)
    }

    @Test func caseFoldingIsForLettersOnly() throws {
        let head = try head("GET / HTTP/1.1\r\nHost: h\r\nX^a: 1\r\n\r\n")
        #expect(head.firstValue(of: "x~a") == nil)
        #expect(head.firstValue(of: "x^A") != nil)
    }

    @Test func leadingEmptyLinesAreDroppedFromTheBytes() throws {
        let head = try head("\r\n\r\nGET /a?b HTTP/1.1\r\nHost: h\r\n\r\n")
        #expect(head.withBytes { $0.first } == UInt8(ascii: "G"))
        #expect(head.string(head.target) == "/a?b")
        #expect(head.string(head.path) == "/a")
        #expect(head.string(head.query) == "b")
        #expect(head.string(head.authority) == "h")
        #expect(head.withBytes { $0.suffix(4).elementsEqual("\r\n\r\n".utf8) })
    }

    @Test func absoluteFormGivesItsParts() throws {
        let head = try head("GET HTTPS://a.example:1?q HTTP/1.1\r\nHost: b\r\n\r\n")
        #expect(head.scheme.map(head.string) == "HTTPS")
        #expect(head.string(head.authority) == "a.example:1")
        #expect(head.string(head.path) == "/")
        #expect(head.string(head.query) == "q")
        #expect(head.string(head.target) == "HTTPS://a.example:1?q")
        #expect(try self.head("GET / HTTP/1.1\r\nHost: b\r\n\r\n").scheme == nil)
    }

    @Test func emptyQueryIsToldFromNone() throws {
        let with = try head("GET /? HTTP/1.0\r\n\r\n")
        let without = try head("GET / HTTP/1.0\r\n\r\n")
        #expect(with.hasQuery && with.query.isEmpty)
        #expect(!without.hasQuery && without.query.isEmpty)
    }

    @Test func headIsTheMethodInCapitals() throws {
        #expect(try head("HEAD / HTTP/1.0\r\n\r\n").isHead)
        #expect(try !head("head / HTTP/1.0\r\n\r\n").isHead)
        #expect(try !head("HEAP / HTTP/1.0\r\n\r\n").isHead)
    }

    @Test func valuesThatAreNotUTF8AreRepairedInStringsOnly() throws {
        var parser = RequestParser(limits: HTTPLimits())
        let bytes = Array("GET / HTTP/1.0\r\nA: ".utf8) + [0xff] + Array("\r\n\r\n".utf8)
        guard case .head(let head, _) = bytes.withUnsafeBytes({ parser.parse($0) }) else {
            Issue.record("refused")
            return
        }
        let value = try #require(head.firstValue(of: "a"))
        #expect(head.string(value) == "\u{fffd}")
        #expect(head.withBytes(of: value) { Array($0) } == [0xff])
    }
}
