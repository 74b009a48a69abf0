import EvLoop
import EvTestSupport
import Testing

/// Runs each test of a suite in a task that prefers the loop of the test process.
///
/// A task without a preference resumes on a thread of the global pool, even where its code is isolated to the loop's
/// actor. There are as many of these threads as processors, and other tests block them: the time that a test allows
/// for an event would then depend on what runs beside it.
struct PrefersLoop: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        SharedLoop.ensure()
        try await withTaskExecutorPreference(LoopActor.taskExecutor) { try await function() }
    }
}

extension Trait where Self == PrefersLoop {
    static var prefersLoop: Self { Self() }
}
