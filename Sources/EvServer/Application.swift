import EvLoop

/// What answers requests: a Swift handler or a Python callable behind one face.
package protocol Application: AnyObject, Sendable {
    /// Answers one request. It never throws: what goes wrong in the app it reports by `exchange.fail`.
    @LoopActor func respond(to exchange: Exchange) async

    /// Starts the request's task. The default starts it inside the caller, isolated to the loop.
    @LoopActor func begin(_ exchange: Exchange) -> Task<Void, Never>
}

extension Application {
    @LoopActor package func begin(_ exchange: Exchange) -> Task<Void, Never> {
        Task.immediate {
            await self.respond(to: exchange)
            exchange.taskEnded()
        }
    }
}
