import EvLoop
import Testing

@Suite(.prefersLoop) struct LoopClockTests {
    @Test func sleepsAtLeastAsLongAsAsked() async throws {
        let clock = LoopClock()
        let start = clock.now
        try await Task.sleep(for: .milliseconds(30), clock: .loop)
        #expect(start.duration(to: clock.now) >= .milliseconds(30))
    }

    /// The deadlines are so far away that all sleep before the first, also on a busy machine: who comes late to a
    /// deadline does not sleep.
    @LoopActor @Test func wakesSleepersInTheOrderOfTheirDeadlines() async {
        var order: [Int] = []
        let start = LoopClock().now.advanced(by: .seconds(1))
        let sleepers = [60, 20, 40].map { delay in
            Task.immediate(executorPreference: LoopActor.taskExecutor) { @LoopActor in
                try? await Task.sleep(until: start.advanced(by: .milliseconds(delay)), clock: .loop)
                order.append(delay)
            }
        }
        for sleeper in sleepers { await sleeper.value }
        #expect(order == [20, 40, 60])
    }

    @Test func endsASleepWhenItsTaskIsCancelled() async {
        let task = Task { try await Task.sleep(for: .seconds(3600), clock: .loop) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @LoopActor @Test func endsASleepThatHasBegunWhenItsTaskIsCancelled() async {
        let task = Task.immediate(executorPreference: LoopActor.taskExecutor) { @LoopActor in
            try await Task.sleep(for: .seconds(3600), clock: .loop)
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test func returnsAtOnceForADeadlineThatHasPassed() async throws {
        let clock = LoopClock()
        try await clock.sleep(until: clock.now.advanced(by: .seconds(-1)))
    }

    @LoopActor @Test func runsActorCodeOnTheLoopThread() {
        #expect(LoopExecutor.shared.isOnLoopThread)
    }
}
