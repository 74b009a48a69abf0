// Why workers end while the server goes on, as one word each: what the admin process lists and counts.

package enum EndCause: String, CaseIterable, Sendable {
    /// It had stood still, and was ended.
    case hang
    /// A signal that the master did not send.
    case signal
    /// It ended by itself, or because another process had told it to.
    case exit
    /// It ended before it was ready.
    case bootFailure = "boot_failure"
    case maxRequests = "max_requests"
    case lifetime
    case rss
    /// Too many of its threads stand still.
    case stuckThreads = "stuck_threads"
    case reload
    /// There are to be fewer.
    case scale
}

extension SupervisorState {
    /// Why a child has ended, asked before `.childExited` is handled. Nil for one that is no worker, and where the
    /// whole server stops.
    package func cause(ofEnd pid: Int32, _ status: ExitStatus) -> EndCause? {
        guard stop == nil, let worker = workers.first(where: { $0.pid == pid }) else { return nil }
        if worker.isHung { return worker.wasReady ? .hang : .bootFailure }
        let isLeaving = worker.phase == .retiring
        if case .signaled(let number, _) = status, worker.wasReady, !worker.wasKilled {
            // The app that it was importing may have restored the action of the signals with which the master retires.
            if !isLeaving || !Self.signals.contains(number) { return .signal }
        }
        guard isLeaving else { return worker.wasReady ? .exit : .bootFailure }
        if worker.index >= target { return .scale }
        return worker.isStale ? worker.staleCause ?? .exit : .reload
    }
}

extension ControlMessage {
    /// Why a worker wants a successor; nil for messages that do not say that it does.
    var replacementCause: EndCause? {
        switch self {
        case .replaceMe: .stuckThreads
        case .hasServed: .maxRequests
        case .hasLived: .lifetime
        case .isLarge: .rss
        case .isTold: .exit
        case .ready, .closed, .finished, .changed, .reopened: nil
        }
    }
}
