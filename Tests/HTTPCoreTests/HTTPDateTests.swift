import Glibc
import HTTPCore
import Testing

@Suite struct HTTPDateTests {
    private func text(_ seconds: Int) -> String {
        var bytes = [UInt8](repeating: 0, count: HTTPDate.byteCount)
        bytes.withUnsafeMutableBytes { HTTPDate.write(secondsSinceEpoch: seconds, into: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func knownDates() {
        #expect(text(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(text(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(text(951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
        #expect(text(951_868_799) == "Tue, 29 Feb 2000 23:59:59 GMT")
        #expect(text(4_107_542_400) == "Mon, 01 Mar 2100 00:00:00 GMT")
        #expect(text(253_402_300_799) == "Fri, 31 Dec 9999 23:59:59 GMT")
    }

    @Test func timesOutsideTheFormAreMovedToItsEnds() {
        #expect(text(-1) == text(0))
        #expect(text(.min) == text(0))
        #expect(text(.max) == "Fri, 31 Dec 9999 23:59:59 GMT")
    }

    @Test func agreesWithTheSystem() {
        for step in 0..<20_000 {
            var seconds = time_t(step) * 12_345_678
            var parts = tm()
            var buffer = [CChar](repeating: 0, count: 64)
            gmtime_r(&seconds, &parts)
            strftime(&buffer, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
            let expected = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard parts.tm_year < 8100, text(seconds) != expected else { continue }
            Issue.record("\(seconds): \(text(seconds)), not \(expected)")
            return
        }
    }

    @Test func bufferThatIsTooSmallIsLeftAlone() {
        var bytes = [UInt8](repeating: 7, count: 28)
        bytes.withUnsafeMutableBytes { HTTPDate.write(secondsSinceEpoch: 0, into: $0) }
        #expect(bytes.allSatisfy { $0 == 7 })
    }
}
