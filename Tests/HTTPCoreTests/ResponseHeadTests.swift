import CHTTP
import HTTPCore
import Testing

@Suite struct ResponseHeadTests {
    private func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func fieldsOfTheWireAreTakenInAndNotAdded() throws {
        var head = try ResponseHead(status: 200)
        try head.append("X-A", "1")
        try head.append("content-length", "12")
        try head.append("Connection", "close")
        try head.append("X-B", "")
        #expect(text(head.lines) == "X-A: 1\r\nX-B: \r\n")
        #expect(head.contentLength == 12 && head.closes && !head.upgrades)
        #expect(text(head.reason) == "OK" && head.status == 200)
    }

    @Test func aHeadThatBeginsAgainForgets() throws {
        var head = try ResponseHead(status: 101)
        try head.append("Connection", "upgrade")
        try head.append("Date", "now")
        try head.append("Server", "mine")
        #expect(head.upgrades && head.hasDate && head.hasServer)
        try head.begin(status: 599)
        #expect(!head.upgrades && !head.hasDate && !head.hasServer && head.contentLength == nil)
        #expect(head.lines.isEmpty && head.reason.isEmpty)
    }

    @Test func manyFieldsGrowTheBlock() throws {
        var head = try ResponseHead(status: 200)
        for _ in 0..<1000 { try head.append("Set-Cookie", "0123456789") }
        #expect(head.lines.count == 1000 * 24)
    }

    @Test func aRefusedFieldLeavesTheHeadAsItWas() throws {
        var head = try ResponseHead(status: 200)
        try head.append("A", "1")
        for (name, value) in [("B\n", "1"), ("B", "1\r\nC: 2"), ("Trailer", "x")] as [(StaticString, StaticString)] {
            #expect(throws: ResponseHeadError.self) { try head.append(name, value) }
        }
        #expect(text(head.lines) == "A: 1\r\n")
    }

    /// A head of C's is read in place: one stored property makes the two layouts the same.
    @Test func layoutIsThatOfTheRecordInC() throws {
        #expect(MemoryLayout<ResponseHead>.size == MemoryLayout<evg_response_head>.size)
        var record = evg_response_head()
        defer { evg_response_head_free(&record) }
        #expect(evg_response_head_begin(&record, 204, nil, 0) == EVG_HEAD_ACCEPTED)
        let status = withUnsafePointer(to: &record) { ResponseHead.lent($0).pointee.status }
        #expect(status == 204)
    }

    @Test func headsChangePlacesWithTheirMemory() {
        var one = evg_response_head()
        var other = evg_response_head()
        defer {
            evg_response_head_free(&one)
            evg_response_head_free(&other)
        }
        _ = evg_response_head_begin(&one, 200, nil, 0)
        evg_response_head_swap(&one, &other)
        #expect(one.bytes == nil && other.status == 200 && other.bytes != nil)
    }

    @Test func valuesAreFoundInLines() {
        let lines: StaticString = "X-Long: a\r\nX: b\r\nx: c\r\nE: \r\n"
        func value(_ name: String) -> String? { FieldBlock.value(of: Array(name.utf8), in: lines.bytes).map(text) }
        #expect(value("x") == "b" && value("x-long") == "a" && value("e") == "" && value("x-") == nil)
        #expect(value("") == nil)
    }
}
