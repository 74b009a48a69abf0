import EvSupervisor
import Glibc
import Testing

@Suite struct WatchdogTests {
    @Test func leavesWorkersAloneThatBeat() {
        var harness = StateHarness()
        #expect(harness.pass(600) == [])
    }

    @Test func abortsAndThenKillsAWorkerThatStandsStill() {
        var harness = StateHarness()
        harness.pass(60)
        #expect(harness.pass(30, silent: [101]) == [])
        let actions = harness.pass(1, silent: [101])
        #expect(actions.contains(.reportHang(pid: 101, slot: 0, silence: 31)))
        #expect(actions.sent == ["101 SIGABRT"])
        let late = harness.pass(2, silent: [101])
        #expect(late.sent == ["101 SIGKILL"])
        #expect(late.contains(notice: .killed(pid: 101, .hung)))
        #expect(harness.exit(101, .signaled(number: SIGKILL, dumpedCore: false)).spawned == [0])
    }

    @Test func countsFromTheLastBeat() {
        var harness = StateHarness()
        harness.pass(29, silent: [101])
        harness.pass(1)
        #expect(harness.pass(29, silent: [101]).sent == [])
    }

    @Test func neverKillsWithTimeoutZero() {
        var limits = SupervisorState.Limits()
        limits.timeout = 0
        var harness = StateHarness(limits: limits)
        #expect(harness.pass(600, silent: [101, 102]) == [])
    }

    @Test func grantsWorkersTheTimeInWhichItStoodStillItself() {
        var harness = StateHarness()
        harness.pass(10)
        harness.now += 3600
        let actions = harness.tick(silent: [101, 102])
        #expect(actions == [.log(.stoodStill(seconds: 3598))])
        #expect(harness.pass(20, silent: [101, 102]) == [])
        #expect(harness.pass(1) == [])
    }

    @Test func shiftsDeadlinesByItsOwnGap() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGTERM))
        harness.pass(10)
        harness.now += 100
        #expect(harness.tick().sent == [])
        #expect(harness.pass(19).sent == [])
        #expect(harness.pass(2).sent == ["101 SIGKILL"])
    }

    @Test func allowsLongerForBooting() {
        var harness = StateHarness(workers: 1, start: false)
        harness.send(.start)
        #expect(harness.pass(59, silent: [101]).sent == [])
        let actions = harness.pass(2, silent: [101])
        #expect(actions.sent == ["101 SIGABRT"])
        #expect(actions.contains(notice: .neverReady(pid: 101, seconds: 60)))
    }

    @Test func allowsBootingTheWholeTimeoutWhenThatIsLonger() {
        var limits = SupervisorState.Limits()
        limits.timeout = 300
        var harness = StateHarness(workers: 1, limits: limits, start: false)
        harness.send(.start)
        #expect(harness.pass(299, silent: [101]).sent == [])
        #expect(harness.pass(2, silent: [101]).sent == ["101 SIGABRT"])
    }

    @Test func startsToCountWhenAWorkerIsReady() {
        var harness = StateHarness(workers: 1, start: false)
        harness.send(.start)
        harness.pass(50, silent: [101])
        harness.send(.workerReady(pid: 101))
        #expect(harness.pass(30, silent: [101]).sent == [])
        #expect(harness.pass(1, silent: [101]).sent == ["101 SIGABRT"])
    }

    @Test func watchesDrainingWorkersToo() {
        var limits = SupervisorState.Limits()
        limits.gracefulTimeout = 600
        var harness = StateHarness(workers: 1, limits: limits)
        harness.send(.signal(SIGTERM))
        #expect(harness.pass(33, silent: [101]).sent == ["101 SIGABRT", "101 SIGKILL"])
    }

    @Test func abortsAReloadWhoseWorkerNeverBecomesReady() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGHUP))
        #expect(harness.pass(60, silent: [102]).sent == ["102 SIGABRT"])
        let actions = harness.exit(102, .signaled(number: SIGABRT, dumpedCore: true))
        #expect(actions.contains(notice: .reloadAborted(kept: 1)))
        #expect(harness.running == [101])
    }
}
