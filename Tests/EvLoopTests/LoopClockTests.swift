import EvLoop
import EvTestSupport
import Glibc
import Testing

@Suite struct LoopClockTests {
    init() { SharedLoop.ensure() }

    @Test func sleepsAtLeastAsLongAsAsked() async throws {
        let clock = LoopClock()
        let start = clock.now
        try await Task.sleep(for: .milliseconds(30), clock: .loop)
        #expect(start.duration(to: clock.now) >= .milliseconds(30))
    }

    /// All begin to sleep in one turn of the loop: it does not matter then how busy the machine is.
    @LoopActor @Test func wakesSleepersInTheOrderOfTheirDeadlines() async {
        var order: [Int] = []
        let start = LoopClock().now
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

    @Test func endsASleepThatHasBegunWhenItsTaskIsCancelled() async {
        let begun = Signal()
        let task = Task.detached {
            begun.signal()
            try await Task.sleep(for: .seconds(3600), clock: .loop)
        }
        begun.wait()
        // One turn of the loop lets the sleeper arm its timer.
        try? await Task.sleep(for: .milliseconds(5), clock: .loop)
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
