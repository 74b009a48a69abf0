import EvLoop

/// What answers requests: a Swift handler or a Python callable behind one face.
package protocol Application: AnyObject, Sendable {
    /// Starts a request, and sees to it that `exchange.taskEnded()` is called once, when nothing of it runs any more.
    /// It never throws: what goes wrong in the app it reports by `exchange.fail`. Where a task answers, it prefers the
    /// loop (`LoopExecutor.shared`): one without that preference would resume on a thread of the global pool.
    @LoopActor func begin(_ exchange: Exchange)

    /// How many requests it can run at a time; more wait for their turn.
    @LoopActor var parallelism: Int { get }

    /// The threads that run it; nil where there are none.
    @LoopActor var threadsInUse: ThreadsInUse? { get }

    /// The addresses of exchanges that wait for their turn, `count` of the first and of the last at most; nil where
    /// each exchange knows by itself (`Exchange.appWasCalled`).
    @LoopActor func waiting(atMost count: Int) -> Set<UnsafeMutableRawPointer>?

    /// The worker begins to leave, or gives up what still runs: it will be gone at this moment of the monotonic clock.
    @LoopActor func workerLeaves(before deadline: Double)
}

/// What threads of an app do now.
package struct ThreadsInUse: Sendable {
    package let threads, busy: Int
    /// Requests that wait for one.
    package let queued: Int

    package init(threads: Int, busy: Int, queued: Int) {
        (self.threads, self.busy, self.queued) = (threads, busy, queued)
    }
}

extension Application {
    @LoopActor package var parallelism: Int { .max }
    @LoopActor package var threadsInUse: ThreadsInUse? { nil }
    @LoopActor package func waiting(atMost count: Int) -> Set<UnsafeMutableRawPointer>? { nil }
    @LoopActor package func workerLeaves(before deadline: Double) {}
}
