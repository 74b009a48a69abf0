// Writers wait here until the client has taken enough.

import EvLoop

extension Exchange {
    /// Whether the client has taken enough of what was written, or has left, so that a writer need not wait.
    package var isDrained: Bool {
        isGone || carrier.isDrained
    }

    /// Waits until the client has taken enough of what was written.
    /// - Throws: `CancellationError` when the task is cancelled or the client has left.
    package func drained() async throws {
        while !isDrained { try await waitToWrite { .drained($0) } }
        guard !isGone, !Task.isCancelled else { throw CancellationError() }
    }

    /// Waits in poll(2), and blocks the loop, until the client has taken enough or its time is up. Only for a
    /// synchronous app on the loop's own thread, which has no other way to wait.
    package func flushBlocking() {
        guard !isGone else { return }
        let limit = worker.configuration.writeTimeout > 0 ? worker.configuration.writeTimeout : 3600
        carrier.flushBlocking(to: worker.highWaterMark / 2, seconds: limit)
    }

    // MARK: waking

    func waitToWrite(_ wait: (UnsafeContinuation<Void, Never>) -> Writer) async throws {
        guard !isGone, !Task.isCancelled else { throw CancellationError() }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in writer = wait(continuation) }
        } onCancel: {
            LoopExecutor.shared.submit { LoopActor.assumeIsolated { self.wakeWriter() } }
        }
        guard !isGone, !Task.isCancelled else { throw CancellationError() }
    }

    /// Bytes that waited have been taken.
    package func outputDrained() {
        wakeWriter()
        hold?.drained()
    }

    func wakeWriter() {
        observers.drained()
        switch writer {
        case .none:
            break
        case .drained(let waiter), .transport(let waiter):
            writer = .none
            waiter.resume()
        }
    }
}
