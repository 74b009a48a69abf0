import EvLoop
import EvTestSupport
import Testing

/// On the loop, where others count too, each to its end.
@Suite(.serialized, .prefersLoop) struct SharedHistogramTests {
    /// Kept, because counting goes on in the memory that was named last.
    private static let board = Result { try Board(capacity: 1) }

    @LoopActor private func buckets(_ seconds: Double...) throws -> [UInt64] {
        let board = try Self.board.get()
        board[0].counters.add(1, at: 0)
        board.collect(0)
        Counted.counters = board[0].counters
        for value in seconds { Counted.record(value, at: 3) }
        let all = board[0].counters.all
        #expect(all[..<3] == [0, 0, 0])
        #expect(all[(3 + SharedHistogram.count)...].allSatisfy { $0 == 0 })
        return Array(all[3..<(3 + SharedHistogram.count)])
    }

    @LoopActor @Test func valueIsCountedInTheFirstBucketThatHoldsIt() async throws {
        for (index, bound) in SharedHistogram.bounds.enumerated() {
            let counts = try buckets(bound, bound.nextUp)
            #expect(counts[index] == 1 && counts[index + 1] == 1)
            #expect(counts.dropLast().reduce(0, +) == 2)
        }
    }

    @Test func boundsGrow() {
        #expect(SharedHistogram.bounds == SharedHistogram.bounds.sorted())
        #expect(SharedHistogram.bounds.count + 2 == SharedHistogram.count)
    }

    @LoopActor @Test func sumIsInNanoseconds() async throws {
        #expect(try buckets(0.25, 1.5, 100).last == 101_750_000_000)
    }

    @LoopActor @Test func whatIsNoDurationDoesNotSpoilTheSum() async throws {
        let counts = try buckets(-1, .nan, .infinity, 1e18)
        #expect(counts.last == 0)
        #expect((counts[0], counts[SharedHistogram.bounds.count]) == (2, 2))
    }
}

@Suite struct BoardTests {
    @Test func countersOutliveTheirWorkerAndGoIntoTheSumsOnce() throws {
        let board = try Board(capacity: 2)
        board[0].counters.add(3, at: 7)
        board[1].counters.add(4, at: 7)
        board.collect(0)
        board.collect(0)
        let (former, slots) = board.read()
        #expect(former[7] == 3)
        #expect(slots.map { $0[7] } == [0, 4])
    }
}
