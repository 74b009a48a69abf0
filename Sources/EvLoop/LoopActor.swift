/// The isolation of everything that a worker owns: code marked `@LoopActor` runs on the event loop's thread, one job
/// at a time, so that its state needs no lock. An app may mark its own state with it.
@globalActor
public actor LoopActor {
    public static let shared = LoopActor()

    public nonisolated var unownedExecutor: UnownedSerialExecutor { LoopExecutor.shared.asUnownedSerialExecutor() }

    /// Runs code in the actor's isolation from a synchronous callback that is known to be on the loop's thread.
    /// Traps elsewhere.
    package static func assumeIsolated<T>(_ body: @LoopActor () throws -> T) rethrows -> T {
        precondition(LoopExecutor.shared.isOnLoopThread, "not on the event loop's thread")
        return try withoutActuallyEscaping(body) { body in
            try unsafeBitCast(body, to: (() throws -> T).self)()
        }
    }
}
