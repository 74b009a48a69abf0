import EvSupervisor
import Glibc
import Testing

@Suite struct NextMasterTests {
    @Test func startsOneNextMasterAtATime() {
        var harness = StateHarness()
        let actions = harness.send(.signal(SIGUSR2))
        #expect(actions.contains(.startMaster) && actions.contains(notice: .masterStarted(pid: 900)))
        #expect(actions.sent == [] && harness.state.hasOtherMaster)
        #expect(!harness.send(.signal(SIGUSR2)).contains(.startMaster))
        let refused = Notice.masterRefused("the next master (pid: 900) runs already")
        #expect(harness.send(.signal(SIGUSR2)).contains(notice: refused))
    }

    @Test func isReadyForAnotherAttemptWhenTheNextMasterFails() {
        var harness = StateHarness()
        harness.send(.signal(SIGUSR2))
        let actions = harness.exit(900, .exited(code: 3))
        #expect(actions == [.log(.masterEnded(pid: 900, .exited(code: 3)))])
        #expect(!harness.state.hasOtherMaster)
        harness.nextMaster = 901
        #expect(harness.send(.signal(SIGUSR2)).contains(notice: .masterStarted(pid: 901)))
    }

    @Test func isReadyForAnotherAttemptWhenTheForkFails() {
        var harness = StateHarness()
        harness.nextMaster = nil
        #expect(harness.send(.signal(SIGUSR2)).contains(notice: .masterNotStarted(reason: "fork: no room")))
        #expect(!harness.state.hasOtherMaster)
        #expect(harness.send(.signal(SIGUSR2)).contains(.startMaster))
    }

    @Test func startsNoneWhileTheFormerMasterRuns() {
        var harness = StateHarness(hasFormerMaster: true)
        #expect(!harness.send(.signal(SIGUSR2)).contains(.startMaster))
        let actions = harness.send(.formerMasterEnded)
        #expect(actions == [.log(.tookOver), .takeOver])
        #expect(harness.send(.formerMasterEnded) == [])
        #expect(harness.send(.signal(SIGUSR2)).contains(.startMaster))
    }

    @Test func startsNoneWhenItEnds() {
        var harness = StateHarness()
        harness.send(.signal(SIGTERM))
        #expect(harness.send(.signal(SIGUSR2)) == [.log(.handling(signal: SIGUSR2))])
    }

    @Test func leavesWhatWaitsToTheOtherMaster() {
        var former = StateHarness()
        former.send(.signal(SIGUSR2))
        #expect(former.send(.signal(SIGTERM)).sent == ["101 retire", "102 retire"])
        var next = StateHarness(hasFormerMaster: true)
        #expect(next.send(.signal(SIGTERM)).sent == ["101 retire", "102 retire"])
    }

    /// Whoever leaves already has less time from then on; a further signal ends all.
    @Test func hasItsConnectionsTakenAtQUIT() {
        var former = StateHarness()
        former.send(.signal(SIGUSR2))
        former.send(.signal(SIGTTOU))
        #expect(former.send(.signal(SIGQUIT)).sent == ["101 handOver", "102 handOver"])
        #expect(former.pass(2).sent == [])
        #expect(former.pass(2).sent == ["101 SIGKILL", "102 SIGKILL"])
        var next = StateHarness(hasFormerMaster: true)
        #expect(next.send(.signal(SIGINT)).sent == ["101 handOver", "102 handOver"])
        #expect(next.send(.signal(SIGINT)).sent == ["101 SIGKILL", "102 SIGKILL"])
    }

    // MARK: WINCH

    @Test func ignoresTheSizeOfItsWindow() {
        var harness = StateHarness(isOnTerminal: true)
        #expect(harness.send(.signal(SIGWINCH)) == [])
    }

    @Test func retiresAllWorkersAtWINCHAndStays() {
        var harness = StateHarness(isOnTerminal: false)
        let actions = harness.send(.signal(SIGWINCH))
        #expect(actions.sent == ["101 retire", "102 retire"])
        #expect(actions.contains(.workersChanged(new: 0, old: 2)))
        // Connections go on waiting in the queues.
        #expect(!actions.contains(.closeListeners) && !actions.contains(.closeSockets(index: 0)))
        harness.exit(101)
        harness.exit(102)
        #expect(harness.pass(60).spawned == [] && harness.send(.signal(SIGWINCH)).sent == [])
    }

    @Test func obeysWINCHOnATerminalWhenThereIsANextMaster() {
        var harness = StateHarness(isOnTerminal: true)
        harness.send(.signal(SIGUSR2))
        #expect(harness.send(.signal(SIGWINCH)).sent == ["101 retire", "102 retire"])
    }

    @Test func bringsTheWorkersBackAtHUP() {
        var harness = StateHarness()
        harness.send(.signal(SIGUSR2))
        harness.send(.signal(SIGWINCH))
        let actions = harness.send(.signal(SIGHUP))
        #expect(actions.spawned == [0, 1])
        #expect(actions.contains(notice: .reloaded))
        harness.send(.workerReady(pid: 103))
        #expect(harness.send(.workerReady(pid: 104)).sent == [])
        harness.exit(900, .exited(code: 0))
        #expect(harness.pass(10).spawned == [])
    }

    @Test func bringsOneWorkerBackAtTTIN() {
        var harness = StateHarness(isOnTerminal: false)
        harness.send(.signal(SIGWINCH))
        #expect(harness.send(.signal(SIGTTOU)).sent == [])
        #expect(harness.send(.signal(SIGTTIN)).spawned == [0])
        #expect(harness.send(.signal(SIGTTIN)).spawned == [1])
    }

    @Test func servesAgainWhenTheNextMasterEndsAfterWINCH() {
        var harness = StateHarness()
        harness.send(.signal(SIGUSR2))
        harness.send(.signal(SIGWINCH))
        harness.exit(101)
        harness.exit(102)
        #expect(harness.exit(900, .exited(code: 3)).spawned == [0, 1])
    }

    @Test func stopsWithoutWorkersAtOnce() {
        var harness = StateHarness()
        harness.send(.signal(SIGUSR2))
        harness.send(.signal(SIGWINCH))
        harness.exit(101)
        harness.exit(102)
        #expect(harness.send(.signal(SIGTERM)).haltCode == 0)
    }
}
