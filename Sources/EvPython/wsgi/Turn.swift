import EvLoop

/// A stretch of a stream without a pause. A generator that a fast reader keeps going, or that sleeps between its
/// blocks, would else keep the loop from every other connection, and from its heartbeat.
struct Turn {
    private static let bytes = 1 << 20
    private static let seconds = 0.01

    private let startedAt = EventLoop.coarseNow()
    private var sent = 0

    /// Lets the loop look at its other connections. `Task.yield()` would go through the runtime's own threads.
    @LoopActor static func end() async {
        await withUnsafeContinuation { continuation in
            LoopExecutor.shared.later { continuation.resume() }
        }
    }

    mutating func isOver(after count: Int) -> Bool {
        sent += count
        return sent > Self.bytes || EventLoop.coarseNow() - startedAt > Self.seconds
    }
}
