@testable import HTTP2
import Testing

@Suite struct SmokeTests {
    @Test func priority() { #expect(Priority("u=1, i".utf8.map { $0 }).urgency == 1) }
}
