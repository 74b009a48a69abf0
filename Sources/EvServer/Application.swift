import EvLoop

/// What answers requests: a Swift handler or a Python callable behind one face.
package protocol Application: AnyObject, Sendable {
    /// Answers one request. It never throws: what goes wrong in the app it reports by `exchange.fail`.
    @LoopActor func respond(to exchange: Exchange) async

    /// Starts a request, and sees to it that `exchange.taskEnded()` is called once at its end. The default starts a
    /// task that prefers the loop: one without that preference would resume on a thread of the global pool. An app that runs requests in something else than a Swift task
    /// (a greenlet, a thread) hands them over here and listens to the exchange's observers.
    @LoopActor func begin(_ exchange: Exchange)

    /// The worker begins to leave, or gives up what still runs: it will be gone at this moment of the monotonic clock.
    @LoopActor func workerLeaves(before deadline: Double)
}

extension Application {
    @LoopActor package func workerLeaves(before deadline: Double) {}

    @LoopActor package func begin(_ exchange: Exchange) {
        exchange.attach(
            Task.immediate(executorPreference: LoopExecutor.shared) { @LoopActor in
                await self.respond(to: exchange)
                exchange.taskEnded()
            })
    }
}
