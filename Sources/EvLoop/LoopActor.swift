/// The isolation of everything that a worker owns: code marked `@LoopActor` runs on the event loop's thread, one job
/// at a time, so that its state needs no lock. An app may mark its own state with it.
@globalActor
public actor LoopActor {
    public static let shared = LoopActor()

    public nonisolated var unownedExecutor: UnownedSerialExecutor { LoopExecutor.shared.asUnownedSerialExecutor() }

    /// The loop's thread as an executor to prefer. A task that an app starts by itself begins and resumes on threads of
    /// the global pool wherever it is not isolated, unless it is told otherwise:
    ///
    ///     Task(executorPreference: LoopActor.taskExecutor) { ... }
    ///
    /// The tasks of requests prefer it already, and their child tasks with them.
    public static var taskExecutor: any TaskExecutor { LoopExecutor.shared }

    /// Runs code in the actor's isolation, without an `await`, where the caller is known to be on the loop's thread: in
    /// a callback of the loop, or in a handler that has not left it. A handler that only reads the worker's state then
    /// finishes without suspending. With an `await`, its task would wait behind the tasks of requests that came in the
    /// same turn. Traps on any other thread.
    public static func assumeIsolated<T: Sendable>(_ body: @LoopActor () throws -> T) rethrows -> T {
        requireLoopThread()
        return try withoutActuallyEscaping(body) { body in
            try unsafeBitCast(body, to: (() throws -> T).self)()
        }
    }

    /// The same for a value that goes nowhere else, which the caller answers for. In line: requests take this way
    /// several times each.
    @inlinable
    @inline(__always)
    package static func assumeIsolated<T>(_ body: @LoopActor () throws -> T) rethrows -> T {
        requireLoopThread()
        return try withoutActuallyEscaping(body) { body in
            try unsafeBitCast(body, to: (() throws -> T).self)()
        }
    }

    @usableFromInline
    package static func requireLoopThread() {
        precondition(LoopExecutor.shared.isOnLoopThread, "not on the event loop's thread")
    }
}
