// What the executor guarantees: order, wake-ups from other threads, immediate start, cancellation, sleep.

import EvLoop
import EvTestSupport
import Glibc
import Synchronization
import Testing

/// A loop on its own thread, for tests of the executor that must not use the loop of the test process.
final class LoopThread: Sendable {
    let executor = LoopExecutor()

    init() {
        let executor = executor
        let started = Signal()
        startThread {
            guard let loop = try? EventLoop() else { return started.signal() }
            executor.bind(to: loop)
            started.signal()
            // run() returns when a loop has no watchers. The executor's watcher keeps this one running.
            loop.run()
        }
        started.wait()
    }
}

final class Counter: Sendable {
    let value = Atomic<Int>(0)
}

/// An actor whose isolation is a given loop.
actor OnLoop {
    let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    var seen: [Int] = []
    init(_ executor: LoopExecutor) { self.executor = executor }
    func note(_ value: Int) { seen.append(value) }
    func run<T: Sendable>(_ body: @Sendable (isolated OnLoop) throws -> T) rethrows -> T { try body(self) }
}

@Suite struct LoopExecutorTests {
    @Test func runsJobsInTheOrderOfTheirEnqueueing() async {
        let actor = OnLoop(LoopThread().executor)
        await actor.run { me in
            for index in 0..<1000 { Task { me.note(index) } }
        }
        // Enqueued after the thousand, so it runs after them.
        await Task { await actor.run { _ in } }.value
        let seen = await actor.seen
        #expect(seen == Array(0..<1000))
    }

    @Test func losesNoJobOfFourThreads() async {
        let executor = LoopThread().executor
        let actor = OnLoop(executor)
        let threads = 4, each = 100_000
        let arrived = Counter()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<threads {
                group.addTask {
                    for _ in 0..<each {
                        executor.submit {
                            precondition(executor.isOnLoopThread)
                            arrived.value.add(1, ordering: .relaxed)
                        }
                    }
                    // A job from a foreign thread queues behind this thread's own submissions.
                    await actor.note(0)
                }
            }
        }
        #expect(arrived.value.load(ordering: .relaxed) == threads * each)
        #expect(await actor.seen.count == threads)
    }

    @Test func losesNoTaskOfFourThreads() async {
        let actor = OnLoop(LoopThread().executor)
        let threads = 4, each = 100_000
        let done = Signal()
        for thread in 0..<threads {
            startThread {
                for index in 0..<each {
                    Task(executorPreference: actor.executor) {
                        await actor.note(thread)
                        if index == each - 1 { done.signal() }
                    }
                }
            }
        }
        for _ in 0..<threads { done.wait() }
        var seen = await actor.seen.count
        while seen < threads * each {
            await Task.yield()
            seen = await actor.seen.count
        }
        #expect(seen == threads * each)
    }

    @Test func startsAnIsolatedImmediateTaskInsideTheCaller() async {
        let actor = OnLoop(LoopThread().executor)
        let order = await actor.run { me in
            me.note(1)
            Task.immediate {
                await staysOnTheCallersActor()
                me.note(2)
            }
            me.note(3)
            return me.seen
        }
        #expect(order == [1, 2, 3])
    }

    @Test func startsAnImmediateTaskThatPrefersTheLoopInsideTheCaller() async {
        let executor = LoopThread().executor
        let actor = OnLoop(executor)
        let stages = Counter()
        let stage = await actor.run { _ in
            Task.immediate(executorPreference: executor) { @concurrent in
                guard await isOnThread(of: executor) else { return }
                stages.value.add(1, ordering: .relaxed)
            }
            return stages.value.load(ordering: .relaxed)
        }
        #expect(stage == 1)
    }

    @Test func keepsUnisolatedCodeOfAPreferringTaskOnTheLoop() async {
        let executor = LoopThread().executor
        let stayed = await Task(executorPreference: executor) { await isOnThread(of: executor) }.value
        #expect(stayed)
    }

    @Test func deliversCancellationToASuspendedTask() async {
        let actor = OnLoop(LoopThread().executor)
        let cancelled = Signal()
        let task = Task(executorPreference: actor.executor) {
            await withTaskCancellationHandler {
                await actor.note(1)
                while !Task.isCancelled { await Task.yield() }
            } onCancel: {
                cancelled.signal()
            }
        }
        while await actor.seen.isEmpty { await Task.yield() }
        task.cancel()
        cancelled.wait()
        await task.value
    }
}

private func staysOnTheCallersActor() async {}
@concurrent private func isOnThread(of executor: LoopExecutor) async -> Bool { executor.isOnLoopThread }
