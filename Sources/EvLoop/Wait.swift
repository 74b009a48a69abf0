// One wait of one task: ended by an event, by a timer or by the task's cancellation, whichever comes first.

/// Serves one call of `begin`. The first call of `end` counts, later ones have no effect.
@LoopActor
final class Wait {
    private var continuation: UnsafeContinuation<Void, any Error>?
    private var result: Result<Void, any Error>?
    private var timer: TimerWatcher?

    /// Suspends until `end`.
    /// - Throws: what `end` was given, `LoopStreamError.timedOut`, or `CancellationError`.
    func begin(within limit: Duration?) async throws {
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                if let result { return continuation.resume(with: result) }
                self.continuation = continuation
                if Task.isCancelled { return end(.failure(CancellationError())) }
                guard let limit else { return }
                guard let loop = LoopExecutor.shared.boundLoop else { return end(.failure(LoopStreamError.closed)) }
                let timer = TimerWatcher(loop) { [unowned self] in self.end(.failure(LoopStreamError.timedOut)) }
                self.timer = timer
                timer.start(after: limit.inSeconds)
            }
        } onCancel: {
            LoopExecutor.shared.submit { LoopActor.assumeIsolated { self.end(.failure(CancellationError())) } }
        }
    }

    func end(_ result: Result<Void, any Error>) {
        guard self.result == nil else { return }
        self.result = result
        timer?.stop()
        timer = nil
        continuation?.resume(with: result)
        continuation = nil
    }
}
