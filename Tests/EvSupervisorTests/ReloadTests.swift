import EvSupervisor
import Glibc
import Testing

@Suite struct ReloadTests {
    @Test func replacesWorkersOneByOne() {
        var harness = StateHarness()
        #expect(harness.send(.signal(SIGHUP)).spawned == [0])
        let first = harness.send(.workerReady(pid: 103))
        #expect(first.sent == ["101 retire"])
        #expect(first.spawned == [1])
        let second = harness.send(.workerReady(pid: 104))
        #expect(second.sent == ["102 retire"])
        #expect(second.contains(notice: .reloaded))
        #expect(harness.exit(101) == [.releaseSlot(0), .log(.exiting(pid: 101))])
        #expect(harness.exit(102) == [.releaseSlot(1), .log(.exiting(pid: 102))])
        #expect(harness.running == [103, 104])
    }

    @Test func keepsTheOldWorkersWhenTheNewCodeDoesNotBoot() {
        var harness = StateHarness()
        harness.send(.signal(SIGHUP))
        let actions = harness.exit(103, .exited(code: 4))
        #expect(actions.contains(notice: .diedBooting(pid: 103, .exited(code: 4))))
        #expect(actions.contains(notice: .reloadAborted(kept: 2)))
        #expect(actions.sent == [] && actions.spawned == [])
        #expect(harness.pass(30).spawned == [])
        #expect(harness.send(.signal(SIGHUP)).spawned == [0])
    }

    @Test func abortsAlsoWhenANewWorkerCrashesInTheMiddle() {
        var harness = StateHarness()
        harness.send(.signal(SIGHUP))
        harness.send(.workerReady(pid: 103))
        harness.exit(101)
        let actions = harness.exit(104, .signaled(number: SIGSEGV, dumpedCore: true))
        #expect(actions.contains(notice: .reloadAborted(kept: 2)))
        harness.pass(30)
        #expect(harness.running == [102, 103])
    }

    @Test func queuesOneFurtherReload() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGHUP))
        #expect(harness.send(.signal(SIGHUP)).contains(notice: .reloadQueued))
        harness.send(.signal(SIGHUP))
        let actions = harness.send(.workerReady(pid: 102))
        #expect(actions.contains(notice: .reloaded))
        #expect(actions.contains(notice: .reloading))
        harness.tick()
        #expect(harness.running == [101, 102, 103])
        #expect(harness.send(.workerReady(pid: 103)).sent == ["102 retire"])
        harness.tick()
        #expect(harness.running == [101, 102, 103])
    }

    @Test func startsTheQueuedReloadAfterAFailedOne() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGHUP))
        harness.send(.signal(SIGHUP))
        let actions = harness.exit(102, .exited(code: 4))
        #expect(actions.contains(notice: .reloadAborted(kept: 1)))
        #expect(actions.spawned == [0])
        #expect(harness.send(.workerReady(pid: 103)).sent == ["101 retire"])
    }

    @Test func takesTheSuccessorForAnOldWorkerThatDiesMeanwhile() {
        var harness = StateHarness()
        harness.pass(60)
        harness.send(.signal(SIGHUP))
        #expect(harness.exit(101, .signaled(number: SIGKILL, dumpedCore: false)).spawned == [])
        let actions = harness.send(.workerReady(pid: 103))
        #expect(actions.sent == [])
        #expect(actions.spawned == [1])
    }

    @Test func replacesADeadWorkerWhoseSuccessorFailsToo() {
        var harness = StateHarness()
        harness.pass(60)
        harness.send(.signal(SIGHUP))
        harness.exit(101, .signaled(number: SIGKILL, dumpedCore: false))
        #expect(harness.exit(103, .exited(code: 4)).contains(notice: .reloadAborted(kept: 1)))
        #expect(harness.pass(0.2).spawned == [0])
        #expect(harness.running == [102, 104])
    }

    @Test func countsAReplacementAsReloaded() {
        var harness = StateHarness()
        harness.pass(60)
        harness.send(.signal(SIGHUP))
        #expect(harness.exit(102, .exited(code: 1)).spawned == [1])
        harness.send(.workerReady(pid: 104))
        let actions = harness.send(.workerReady(pid: 103))
        #expect(actions.contains(notice: .reloaded))
        #expect(actions.spawned == [])
    }

    @Test func retriesAFailedForkWithoutAborting() {
        var harness = StateHarness()
        harness.forkFailure = "fork: no room"
        let actions = harness.send(.signal(SIGHUP))
        #expect(!actions.contains(notice: .reloadAborted(kept: 2)))
        harness.forkFailure = nil
        #expect(harness.pass(0.2).spawned.count == 1)
        #expect(harness.running.count == 3)
    }

    @Test func waitsForRoomWhenDrainingWorkersHoldAllSlots() {
        var harness = StateHarness(workers: 1, slots: 2)
        harness.send(.signal(SIGHUP))
        harness.send(.workerReady(pid: 102))
        #expect(harness.send(.signal(SIGHUP)).spawned == [])
        #expect(harness.exit(101).spawned == [0])
    }

    @Test func triesAtOnceWhatHadToWait() {
        var harness = StateHarness(workers: 1)
        for _ in 0..<6 {
            harness.exit(harness.running.sorted()[0], .exited(code: 1))
            while harness.running.isEmpty { harness.pass(0.1) }
        }
        harness.exit(harness.running.sorted()[0], .exited(code: 1))
        #expect(harness.running == [])
        #expect(harness.send(.signal(SIGHUP)).spawned == [0])
    }

    @Test func shrinksInTheMiddleOfAReload() {
        var harness = StateHarness()
        harness.send(.signal(SIGHUP))
        harness.send(.workerReady(pid: 103))
        let actions = harness.send(.signal(SIGTTOU))
        #expect(actions.sent == ["102 retire", "104 retire"])
        #expect(actions.contains(notice: .reloaded))
        harness.exit(101)
        harness.exit(102)
        harness.exit(104, .signaled(number: SIGTERM, dumpedCore: false))
        harness.pass(10)
        #expect(harness.running == [103])
    }
}
