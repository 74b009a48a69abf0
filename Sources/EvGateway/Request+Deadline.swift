public import EvLoop
import EvServer

extension Request {
    /// When the request is given up; nil when it never is. `--request-timeout` sets it as the request begins.
    ///
    /// At its deadline the request's task is cancelled. The client gets 504 when nothing was sent; a response that
    /// has begun is broken off so that the client sees that it is not whole.
    public var deadline: LoopClock.Instant? {
        get async { await exchange.deadlineInstant }
    }

    /// Gives the request another deadline; nil takes it away. One that has passed gives the request up at once.
    public func setDeadline(_ deadline: LoopClock.Instant?) {
        let exchange = exchange
        let seconds = deadline?.seconds ?? .infinity
        LoopExecutor.shared.submit { LoopActor.assumeIsolated { exchange.deadline = seconds } }
    }

    /// Moves the deadline; a request that has none goes on without one.
    public func extendDeadline(by duration: Duration) {
        let exchange = exchange
        let seconds = duration / .seconds(1)
        LoopExecutor.shared.submit { LoopActor.assumeIsolated { exchange.deadline += seconds } }
    }
}

extension Exchange {
    fileprivate var deadlineInstant: LoopClock.Instant? {
        // A Duration holds no more than 1e20 seconds and traps beyond.
        deadline.isFinite ? LoopClock.Instant(seconds: min(max(deadline, -1e15), 1e15)) : nil
    }
}
