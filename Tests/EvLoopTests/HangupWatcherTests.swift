import EvLoop
import EvTestSupport
import Glibc
import Testing

@Suite(.prefersLoop) struct HangupWatcherTests {
    /// Two ends of a connection; the first is watched.
    private static func pair() -> (watched: Int32, other: Int32) {
        var ends: [Int32] = [0, 0]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        return (ends[0], ends[1])
    }

    @Test @LoopActor func tellsOfACloseAndNotOfAHalfClose() async throws {
        let (half, gone, removed) = (Self.pair(), Self.pair(), Self.pair())
        var told: CheckedContinuation<Int32, Never>?
        let watcher = try HangupWatcher(SharedLoop.current) { descriptor in
            told?.resume(returning: descriptor)
            told = nil
        }
        for pair in [half, gone, removed] { #expect(watcher.add(pair.watched)) }
        watcher.remove(removed.watched)
        shutdown(half.other, Int32(SHUT_WR))
        close(removed.other)
        close(gone.other)
        #expect(await withCheckedContinuation { told = $0 } == gone.watched)
        watcher.remove(gone.watched)
        for descriptor in [half.watched, half.other, gone.watched, removed.watched] { close(descriptor) }
    }
}
