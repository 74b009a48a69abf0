import EvSupervisor
import Glibc
import Testing

@Suite struct WorkerLifeTests {
    @Test func startsAsManyWorkersAsConfigured() {
        var harness = StateHarness(workers: 3, start: false)
        let actions = harness.send(.start)
        #expect(actions.spawned == [0, 1, 2])
        #expect(actions.contains(notice: .booting(pid: 103)))
        #expect(Set(harness.slots.values) == [0, 1, 2])
    }

    @Test func replacesAWorkerThatDiesAfterALongLifeAtOnce() {
        var harness = StateHarness()
        harness.pass(60)
        let actions = harness.exit(101, .signaled(number: SIGSEGV, dumpedCore: false))
        #expect(actions.contains(notice: .died(pid: 101, .signaled(number: SIGSEGV, dumpedCore: false))))
        #expect(actions.contains(.releaseSlot(0)))
        #expect(actions.spawned == [0])
    }

    @Test func waitsLongerAfterEachEarlyDeath() {
        var harness = StateHarness(workers: 1)
        var delays: [Double] = []
        for _ in 0..<8 {
            let pid = harness.running.sorted()[0]
            let died = harness.now
            #expect(harness.exit(pid, .exited(code: 1)).spawned == [])
            while harness.running.isEmpty { harness.pass(0.01) }
            delays.append(((harness.now - died) * 10).rounded() / 10)
            harness.send(.workerReady(pid: harness.running.sorted()[0]))
        }
        #expect(delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])
    }

    @Test func tellsTheDriverWhenTheNextStartIsDue() {
        var harness = StateHarness(workers: 1)
        harness.exit(101, .exited(code: 1))
        #expect(harness.state.nextDeadline == harness.now + 0.1)
    }

    @Test func forgetsEarlyDeathsOnceAWorkerHasLived() {
        var harness = StateHarness(workers: 1)
        harness.exit(101, .exited(code: 1))
        harness.pass(1)
        harness.send(.workerReady(pid: 102))
        harness.pass(10)
        #expect(harness.exit(102, .exited(code: 1)).spawned == [0])
        let actions = harness.exit(103, .exited(code: 1))
        #expect(actions.contains(notice: .nextStart(index: 0, delay: 0.1, failures: 1)))
    }

    @Test func boundsHowOftenAWorkerLeavesOfItsOwnAccord() {
        var harness = StateHarness(workers: 1)
        #expect(harness.exit(101).spawned == [])
        #expect(harness.pass(0.1).spawned == [0])
        harness.send(.workerReady(pid: 102))
        harness.pass(1)
        #expect(harness.exit(102).spawned == [0])
    }

    @Test func ignoresChildrenItDidNotStart() {
        var harness = StateHarness()
        #expect(harness.send(.childExited(pid: 9999, .exited(code: 1))) == [])
        #expect(harness.send(.workerReady(pid: 9999)) == [])
    }

    @Test(arguments: [3, 4] as [Int32])
    func haltsWhenAWorkerOfTheFirstGenerationFailsToBoot(code: Int32) {
        var harness = StateHarness(start: false)
        harness.send(.start)
        let actions = harness.exit(101, .exited(code: code))
        #expect(actions.contains(notice: .haltedByBootFailure(code: code)))
        #expect(actions.contains(.closeListeners))
        #expect(actions.sent == ["102 quit"])
        #expect(harness.exit(102, .signaled(number: SIGTERM, dumpedCore: false)).haltCode == code)
    }

    @Test func keepsTryingWhenAWorkerCrashesBeforeItIsReady() {
        var harness = StateHarness(workers: 1, start: false)
        harness.send(.start)
        let actions = harness.exit(101, .signaled(number: SIGSEGV, dumpedCore: false))
        #expect(actions.haltCode == nil && actions.spawned == [])
        #expect(harness.pass(0.2).spawned == [0])
    }

    @Test func doesNotHaltWhenAReplacementFailsToBoot() {
        var harness = StateHarness()
        harness.pass(60)
        #expect(harness.exit(101, .exited(code: 1)).spawned == [0])
        let actions = harness.exit(103, .exited(code: 4))
        #expect(actions.haltCode == nil)
        #expect(actions.sent == [])
        #expect(harness.pass(0.2).spawned == [0])
    }

    @Test func waitsAfterAFailedForkAndLeavesTheOthersAlone() {
        var harness = StateHarness()
        harness.pass(60)
        harness.forkFailure = "fork: no room"
        let actions = harness.exit(101, .exited(code: 1))
        #expect(actions.contains(notice: .spawnFailed(reason: "fork: no room", delay: 0.1)))
        #expect(actions.sent == [])
        harness.pass(0.5)
        harness.forkFailure = nil
        #expect(harness.pass(5).spawned == [0])
    }

    @Test func startsASuccessorForAWorkerThatAsksAndRetiresItThen() {
        var harness = StateHarness()
        #expect(harness.send(.workerWantsReplacement(pid: 101)).spawned == [0])
        let actions = harness.send(.workerReady(pid: 103))
        #expect(actions.sent == ["101 retire"])
        #expect(harness.exit(101).spawned == [])
        #expect(harness.running == [102, 103])
    }

    @Test func keepsAWorkerThatAskedWhileItsSuccessorsFail() {
        var harness = StateHarness()
        harness.send(.workerWantsReplacement(pid: 101))
        #expect(harness.exit(103, .exited(code: 4)).sent == [])
        #expect(harness.pass(0.5).spawned == [0])
        #expect(harness.send(.workerReady(pid: 104)).sent == ["101 retire"])
    }

    @Test func addsAWorkerForTTIN() {
        var harness = StateHarness()
        #expect(harness.send(.signal(SIGTTIN)).spawned == [2])
    }

    @Test func retiresTheLastWorkerForTTOUAndKeepsOne() {
        var harness = StateHarness()
        let actions = harness.send(.signal(SIGTTOU))
        #expect(actions.sent == ["102 retire"])
        #expect(actions.contains(.closeSockets(index: 1)))
        #expect(harness.exit(102).spawned == [])
        #expect(harness.send(.signal(SIGTTOU)).sent == [])
        #expect(harness.running == [101])
    }

    @Test func staysWithinTheRoomOnTheScoreboard() {
        var harness = StateHarness(workers: 2, slots: 6)
        #expect(harness.send(.signal(SIGTTIN)).spawned == [2])
        let actions = harness.send(.signal(SIGTTIN))
        #expect(actions.spawned == [])
        #expect(actions.contains(notice: .workerLimit(3)))
    }

    @Test func tellsWorkersToReopenTheirLogsAlsoWhileTheyBoot() {
        var harness = StateHarness(start: false)
        harness.send(.start)
        harness.send(.workerReady(pid: 101))
        let actions = harness.send(.signal(SIGUSR1))
        #expect(actions.contains(.reopenLogs))
        #expect(actions.sent == ["101 reopenLogs", "102 reopenLogs"])
        #expect(harness.send(.workerReady(pid: 102)).sent == [])
    }

    @Test(arguments: [false, true])
    func reportsAWorkerThatExitsWithoutHavingFinished(isRetiring: Bool) {
        var harness = StateHarness()
        if isRetiring { harness.send(.signal(SIGTTOU)) }
        let actions = harness.exit(102, .exited(code: 0))
        #expect(actions.contains(notice: .leftUnasked(pid: 102)))
        #expect(!actions.contains(notice: .exiting(pid: 102)))
    }

    @Test func acceptsThatSomebodyElseTellsABootingWorkerToGo() {
        var harness = StateHarness(workers: 1, start: false)
        harness.send(.start)
        let actions = harness.exit(101)
        #expect(actions == [.releaseSlot(0), .log(.exiting(pid: 101))])
        #expect(harness.pass(0.1).spawned == [0])
    }
}
