import EvSupervisor
import Glibc
import Testing

@Suite struct LoadTests {
    private func elastic(_ workers: Int = 1, most: Int = 3, idle: Double = 5) -> StateHarness {
        var limits = SupervisorState.Limits()
        limits.mostWorkers = most
        limits.idleTimeout = idle
        return StateHarness(workers: workers, limits: limits)
    }

    @Test func startsOneMoreWhenAllAreBusy() {
        var harness = elastic(2)
        #expect(harness.second(100, 89).spawned == [])
        let actions = harness.second(100, 90)
        #expect(actions.spawned == [2] && actions.contains(.workersChanged(new: 3, old: 2)))
        // The newcomer takes its share first.
        #expect(harness.second(100, 100).spawned == [])
        harness.send(.workerReady(pid: 103))
        #expect(harness.second(100, 100, 0).spawned == [])
        // And three are the most.
        #expect(harness.second(100, 100, 100).spawned == [])
        #expect(harness.running.count == 3)
    }

    @Test func endsOneThatTheOthersDoNotNeed() {
        var harness = elastic(1)
        harness.second(95)
        harness.send(.workerReady(pid: 102))
        harness.second(60, 60)
        for _ in 0..<5 { #expect(harness.second(30, 20).sent == []) }
        #expect(harness.second(10, 10).sent == ["102 retire"])
        harness.exit(102)
        for _ in 0..<20 { #expect(harness.second(0).sent == []) }
    }

    @Test func waitsAnewAfterAMomentOfLoad() {
        var harness = elastic(1)
        harness.second(95)
        harness.send(.workerReady(pid: 102))
        for _ in 0..<4 { harness.second(0, 0) }
        #expect(harness.second(60, 0).sent == [])
        for _ in 0..<5 { #expect(harness.second(0, 0).sent == []) }
        #expect(harness.second(0, 0).sent == ["102 retire"])
    }

    @Test func isOffUnlessThereMayBeMore() {
        var harness = elastic(2, most: 0)
        #expect(!harness.state.followsLoad)
        #expect(harness.second(100, 100).spawned == [])
        #expect(!elastic(4, most: 3).state.followsLoad)
        #expect(elastic(2).state.followsLoad)
    }

    @Test func takesTTINAndTTOUForTheLeastNumber() {
        var harness = elastic(1, most: 3, idle: 2)
        harness.send(.signal(SIGTTIN))
        harness.send(.workerReady(pid: 102))
        for _ in 0..<10 { #expect(harness.second(0, 0).sent == []) }
        harness.send(.signal(SIGTTOU))
        harness.exit(102)
        #expect(harness.second(95).spawned == [1])
    }

    @Test func keepsAtHUPWhatTheLoadAsksFor() {
        var harness = elastic(1)
        harness.second(95)
        harness.send(.workerReady(pid: 102))
        #expect(harness.send(.signal(SIGHUP)).sent == [])
        harness.send(.workerReady(pid: 103))
        harness.send(.workerReady(pid: 104))
        #expect(harness.running == [101, 102, 103, 104])
    }

    @Test func changesNothingWhileItReloadsOrEnds() {
        var harness = elastic(1)
        harness.send(.signal(SIGHUP))
        #expect(harness.second(100).spawned == [])
        harness.send(.signal(SIGTERM))
        #expect(harness.second(100, 100).spawned == [])
    }

    @Test func hasNoMoreThanThereIsRoomFor() {
        var limits = SupervisorState.Limits()
        limits.mostWorkers = 100
        var harness = StateHarness(workers: 1, slots: 4, limits: limits)
        harness.second(100)
        harness.send(.workerReady(pid: 102))
        #expect(harness.second(100, 100).spawned == [] && harness.running.count == 2)
    }
}
