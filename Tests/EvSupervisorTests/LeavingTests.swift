import EvSupervisor
import Glibc
import Testing

@Suite struct LeavingTests {
    private func delayed(_ seconds: Double = 10, workers: Int = 2) -> StateHarness {
        var limits = SupervisorState.Limits()
        limits.shutdownDelay = seconds
        return StateHarness(workers: workers, limits: limits)
    }

    @Test func announcesTheEndAndAcceptsUntilTheDelayIsOver() {
        var harness = delayed()
        let actions = harness.send(.signal(SIGTERM))
        #expect(actions.sent == ["101 announce", "102 announce"])
        #expect(!actions.contains(.closeListeners))
        #expect(harness.state.nextDeadline == harness.now + 10)
        #expect(harness.pass(9.9).sent == [])
        let end = harness.pass(0.2)
        #expect(end.contains(.closeListeners) && end.sent == ["101 stop", "102 stop"])
        harness.exit(101)
        #expect(harness.exit(102).haltCode == 0)
    }

    @Test func endsTheDelayAtASecondTERM() {
        var harness = delayed()
        harness.send(.signal(SIGTERM))
        #expect(harness.send(.signal(SIGTERM)).sent == ["101 stop", "102 stop"])
        // The third one is what the second is without a delay.
        #expect(harness.send(.signal(SIGTERM)).sent == ["101 quit", "102 quit"])
    }

    @Test(arguments: [SIGINT, SIGQUIT])
    func doesNotDelayAQuickStop(number: Int32) {
        var harness = delayed()
        harness.send(.signal(SIGTERM))
        #expect(harness.send(.signal(number)).sent == ["101 quit", "102 quit"])
        var other = delayed()
        #expect(other.send(.signal(number)).sent == ["101 quit", "102 quit"])
    }

    @Test func replacesAWorkerThatDiesInTheDelay() {
        var harness = delayed(workers: 1)
        harness.pass(60)
        harness.send(.signal(SIGTERM))
        #expect(harness.exit(101, .signaled(number: SIGKILL, dumpedCore: false)).spawned == [0])
        #expect(harness.send(.workerReady(pid: 102)).sent == ["102 announce"])
    }

    @Test func changesNothingElseInTheDelay() {
        var harness = delayed()
        harness.send(.signal(SIGTERM))
        for number in [SIGHUP, SIGTTIN, SIGTTOU, SIGUSR2] {
            #expect(harness.send(.signal(number)) == [.log(.handling(signal: number))])
        }
    }

    @Test func doesNotDelayWhereAnotherMasterServes() {
        var harness = delayed()
        harness.send(.signal(SIGUSR2))
        #expect(harness.send(.signal(SIGTERM)).sent == ["101 retire", "102 retire"])
    }

    @Test func doesNotDelayWhereNobodyServes() {
        var limits = SupervisorState.Limits()
        limits.shutdownDelay = 10
        var harness = StateHarness(limits: limits, start: false)
        harness.send(.start)
        #expect(harness.send(.signal(SIGTERM)).contains(.closeListeners))
    }

    @Test func abandonsAReload() {
        var harness = delayed()
        harness.send(.signal(SIGHUP))
        harness.send(.signal(SIGTERM))
        let actions = harness.send(.workerReady(pid: 103))
        #expect(actions.sent == ["103 announce", "101 retire"] && actions.spawned == [])
    }
}
