// Sleeping on the loop's own timers: no thread of Dispatch wakes for it, and a sleeper costs one libev timer.

import CEvLoop

/// A monotonic clock whose sleepers wait in the worker's event loop.
///
///     try await Task.sleep(for: .seconds(30), clock: .loop)
///
/// It does not advance while the machine is suspended. The resolution is that of epoll, one millisecond.
public struct LoopClock: Clock {
    /// A point of the monotonic clock, counted from an arbitrary start.
    public struct Instant: InstantProtocol, Hashable, Sendable {
        let sinceStart: Duration
        /// - Parameter seconds: of the monotonic clock, `EventLoop.monotonicNow()`.
        package init(seconds: Double) { sinceStart = .seconds(seconds) }
        package var seconds: Double { sinceStart / .seconds(1) }
        init(sinceStart: Duration) { self.sinceStart = sinceStart }
        public func advanced(by duration: Duration) -> Instant { Instant(sinceStart: sinceStart + duration) }
        public func duration(to other: Instant) -> Duration { other.sinceStart - sinceStart }
        public static func < (left: Instant, right: Instant) -> Bool { left.sinceStart < right.sinceStart }
    }

    public init() {}

    public var now: Instant { Instant(sinceStart: .seconds(evg_monotonic())) }
    public var minimumResolution: Duration { .milliseconds(1) }

    /// Suspends until the deadline.
    /// - Throws: `CancellationError` as soon as the task is cancelled.
    public func sleep(until deadline: Instant, tolerance: Duration? = nil) async throws {
        try await Sleeper().sleep(seconds: now.duration(to: deadline).inSeconds)
    }
}

extension Clock where Self == LoopClock {
    /// The clock of the worker's event loop.
    public static var loop: LoopClock { LoopClock() }
}

/// One sleep: a timer and the continuation that it or a cancellation resumes, whichever comes first.
@LoopActor
private final class Sleeper {
    private var timer: TimerWatcher?
    private var continuation: UnsafeContinuation<Void, any Error>?

    nonisolated init() {}

    func sleep(seconds: Double) async throws {
        try await withTaskCancellationHandler {
            try Task.checkCancellation()
            guard seconds > 0 else { return await Task.yield() }
            try await withUnsafeThrowingContinuation { continuation in
                self.continuation = continuation
                guard let loop = LoopExecutor.shared.boundLoop else { return self.end(.failure(CancellationError())) }
                let timer = TimerWatcher(loop) { [unowned self] in self.end(.success(())) }
                self.timer = timer
                timer.start(after: seconds)
                if Task.isCancelled { self.end(.failure(CancellationError())) }
            }
        } onCancel: {
            LoopExecutor.shared.submit { LoopActor.assumeIsolated { self.end(.failure(CancellationError())) } }
        }
    }

    private func end(_ result: Result<Void, any Error>) {
        timer?.stop()
        timer = nil
        guard let continuation else { return }
        self.continuation = nil
        continuation.resume(with: result)
    }
}
