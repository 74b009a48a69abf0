import HTTPCore
import Testing

@Suite struct ResponseLengthTests {
    private func length(_ status: Int, _ given: UInt64?, head: Bool = false) throws -> (ResponseLength, UInt64?) {
        let response = try ResponseHead(status: status)
        let made = ResponseLength.of(response, given: given, requestIsHead: head)
        return (made.length, made.announced)
    }

    @Test func moreThanAnnouncedIsDropped() throws {
        var (length, announced) = try length(200, 5)
        #expect(announced == 5)
        let taken = [length.take(3), length.take(3), length.take(1)]
        #expect(taken == [3, 2, 0] && length.overran)
        length.end()
        #expect(!length.isShort)
    }

    @Test func lessThanAnnouncedIsShort() throws {
        var (length, _) = try length(200, 5)
        _ = length.take(4)
        length.end()
        #expect(length.isShort && length.take(1) == 0)
    }

    @Test func anOpenLengthTakesAllUntilItsEnd() throws {
        var (length, announced) = try length(200, nil)
        #expect(announced == nil && length.isOpen && length.take(1 << 40) == 1 << 40)
        length.end()
        #expect(!length.isShort && length.take(1) == 0)
    }

    @Test(arguments: [(204, false), (304, false), (101, false), (200, true)])
    func noContentIsTakenWhereNoneCanBe(_ status: Int, _ head: Bool) throws {
        var (length, _) = try length(status, 5, head: head)
        #expect(length.isNone && length.take(5) == 0 && !length.overran)
        length.end()
        #expect(!length.isShort)
    }
}
