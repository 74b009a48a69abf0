import EvLoop
import EvTestSupport
import Testing

@Suite(.prefersLoop) struct LoopConditionTests {
    @Test func wakesAllThatWait() async throws {
        let condition = LoopCondition()
        let waiters = (0..<10).map { _ in
            Task(executorPreference: LoopActor.taskExecutor) { try await condition.wait(atMost: .seconds(3600)) }
        }
        while await condition.count < 10 { await Task.yield() }
        await condition.notifyAll()
        for waiter in waiters { #expect(try await waiter.value) }
        #expect(await condition.count == 0)
    }

    @Test func tellsWhenTheTimeIsUp() async throws {
        let condition = LoopCondition()
        #expect(try await condition.wait(atMost: .milliseconds(5)) == false)
        #expect(await condition.count == 0)
    }

    @Test func endsAWaitWhenItsTaskIsCancelled() async {
        let condition = LoopCondition()
        let waiter = Task { try await condition.wait() }
        while await condition.count < 1 { await Task.yield() }
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
        #expect(await condition.count == 0)
    }

    @Test func endsAWaitOfATaskThatIsCancelledAlready() async {
        let condition = LoopCondition()
        let waiter = Task {
            while !Task.isCancelled { await Task.yield() }
            return try await condition.wait()
        }
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
    }

    @LoopActor @Test func callsBackWhoeverParked() async {
        let condition = LoopCondition()
        var calls: [Bool] = []
        _ = condition.park(atMost: nil) { calls.append($0) }
        _ = condition.park(atMost: .milliseconds(1)) { calls.append($0) }
        let givenUp = condition.park(atMost: .milliseconds(1)) { calls.append($0) }
        givenUp.giveUp()
        while calls.isEmpty { try? await Task.sleep(for: .milliseconds(1), clock: .loop) }
        condition.notifyAll()
        while calls.count < 2 { try? await Task.sleep(for: .milliseconds(1), clock: .loop) }
        #expect(calls == [false, true])
        #expect(condition.count == 0)
    }
}
