import EvSupervisor
import Glibc
import Testing

@Suite struct StopTests {
    @Test func stopsGracefullyForTERM() {
        var harness = StateHarness()
        let actions = harness.send(.signal(SIGTERM))
        #expect(actions.contains(.closeListeners))
        #expect(actions.sent == ["101 stop", "102 stop"])
        #expect(harness.exit(101).haltCode == nil)
        #expect(harness.exit(102).haltCode == 0)
    }

    @Test func killsWhatOutlivesTheGracefulTimeout() {
        var harness = StateHarness()
        harness.send(.signal(SIGTERM))
        harness.exit(101)
        #expect(harness.pass(31).sent == [])
        let actions = harness.pass(1)
        #expect(actions.contains(notice: .killed(pid: 102, .gracefulTimeout)))
        #expect(actions.sent == ["102 SIGKILL"])
        let end = harness.exit(102, .signaled(number: SIGKILL, dumpedCore: false))
        #expect(end.haltCode == 0)
        #expect(!end.contains(notice: .died(pid: 102, .signaled(number: SIGKILL, dumpedCore: false))))
    }

    @Test(arguments: [SIGINT, SIGQUIT])
    func stopsQuickly(number: Int32) {
        var harness = StateHarness()
        #expect(harness.send(.signal(number)).sent == ["101 quit", "102 quit"])
        #expect(harness.pass(1.4).sent == [])
        #expect(harness.pass(0.2).sent == ["101 SIGKILL", "102 SIGKILL"])
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGQUIT])
    func hurriesAtASecondSignalAndKillsAtAThird(number: Int32) {
        var harness = StateHarness()
        harness.send(.signal(SIGTERM))
        harness.pass(5)
        #expect(harness.send(.signal(number)).sent == ["101 quit", "102 quit"])
        #expect(harness.send(.signal(number)).sent == ["101 SIGKILL", "102 SIGKILL"])
        harness.exit(101, .signaled(number: SIGKILL, dumpedCore: false))
        #expect(harness.exit(102, .signaled(number: SIGKILL, dumpedCore: false)).haltCode == 0)
    }

    @Test func hurriesInTheQuickTimeoutAfterASecondSignal() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGTERM))
        harness.send(.signal(SIGTERM))
        #expect(harness.pass(1.6).sent == ["101 SIGKILL"])
    }

    @Test func startsNobodyWhileStopping() {
        var harness = StateHarness()
        harness.exit(101, .exited(code: 1))
        harness.send(.signal(SIGTERM))
        for number in [SIGHUP, SIGTTIN, SIGTTOU] {
            #expect(harness.send(.signal(number)) == [.log(.handling(signal: number))])
        }
        #expect(harness.pass(10).spawned == [])
        #expect(harness.exit(102).haltCode == 0)
    }

    @Test func haltsAtOnceWhenNobodyRuns() {
        var harness = StateHarness(workers: 1)
        harness.exit(101, .exited(code: 1))
        #expect(harness.send(.signal(SIGTERM)).haltCode == 0)
        #expect(harness.send(.signal(SIGTERM)).haltCode == nil)
    }

    @Test func waitsForWorkersOfAReloadToo() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGHUP))
        #expect(harness.send(.signal(SIGTERM)).sent == ["101 stop", "102 stop"])
        #expect(harness.exit(101).haltCode == nil)
        #expect(harness.exit(102, .signaled(number: SIGTERM, dumpedCore: false)).haltCode == 0)
    }

    @Test func retiredWorkersAreKilledAfterTheGracefulTimeout() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGHUP))
        harness.send(.workerReady(pid: 102))
        #expect(harness.pass(32).sent == ["101 SIGKILL"])
        harness.exit(101, .signaled(number: SIGKILL, dumpedCore: false))
        #expect(harness.running == [102])
    }

    @Test func reportsARetiredWorkerThatDiesOtherwise() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGHUP))
        harness.send(.workerReady(pid: 102))
        let status = ExitStatus.signaled(number: SIGSEGV, dumpedCore: false)
        let actions = harness.exit(101, status)
        #expect(actions == [.releaseSlot(0), .log(.died(pid: 101, status))])
    }
}
