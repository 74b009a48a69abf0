import EvSupervisor
import Glibc
import Testing

@Suite struct ReconfigurationTests {
    @Test func asksForTheConfigurationBeforeAnythingElse() {
        var harness = StateHarness()
        let actions = harness.send(.signal(SIGHUP))
        #expect(actions.prefix(3) == [.log(.handling(signal: SIGHUP)), .reconfigure, .log(.reloading)])
    }

    @Test func doesNothingWhenTheConfigurationIsRefused() {
        var harness = StateHarness()
        harness.configured = nil
        #expect(harness.send(.signal(SIGHUP)) == [.log(.handling(signal: SIGHUP)), .reconfigure])
        #expect(harness.pass(10) == [])
        #expect(harness.running == [101, 102])
    }

    @Test func doesNotAskWhileItStops() {
        var harness = StateHarness()
        harness.send(.signal(SIGTERM))
        #expect(harness.send(.signal(SIGHUP)) == [.log(.handling(signal: SIGHUP))])
        let late = harness.send(.reconfigured(workers: 9, limits: .init()))
        #expect(late == [])
    }

    @Test func startsMoreWorkersWithTheNewConfiguration() {
        var harness = StateHarness()
        harness.configured?.workers = 4
        let actions = harness.send(.signal(SIGHUP))
        #expect(actions.contains(.workersChanged(new: 4, old: 2)))
        #expect(actions.contains(notice: .workers(4)))
        #expect(actions.spawned == [2, 3, 0])
        #expect(harness.send(.workerReady(pid: 105)).sent == ["101 retire"])
        let last = harness.send(.workerReady(pid: 106))
        #expect(last.sent == ["102 retire"])
        #expect(last.contains(notice: .reloaded))
        #expect(harness.running == [101, 102, 103, 104, 105, 106])
    }

    @Test func retiresWorkersThatAreTooMany() {
        var harness = StateHarness(workers: 3)
        harness.configured?.workers = 1
        let actions = harness.send(.signal(SIGHUP))
        #expect(actions.contains(.workersChanged(new: 1, old: 3)))
        #expect(actions.sent == ["102 retire", "103 retire"])
        #expect(actions.contains(.closeSockets(index: 1)) && actions.contains(.closeSockets(index: 2)))
        #expect(actions.spawned == [0])
        #expect(harness.send(.workerReady(pid: 104)).sent == ["101 retire"])
    }

    @Test func tellsHooksBeforeWorkersStartAndLeave() throws {
        var harness = StateHarness()
        harness.configured?.workers = 1
        let actions = harness.send(.signal(SIGHUP))
        let told = try #require(actions.firstIndex(of: .workersChanged(new: 1, old: 2)))
        let left = try #require(actions.firstIndex(of: .tell(pid: 102, .retire)))
        #expect(told < left)
        let grown = harness.send(.signal(SIGTTIN))
        #expect(try #require(grown.firstIndex(of: .workersChanged(new: 2, old: 1))) < grown.count - 1)
    }

    @Test func forgetsWhatTTINAndTTOUHaveChanged() {
        var harness = StateHarness()
        #expect(harness.send(.signal(SIGTTIN)).contains(.workersChanged(new: 3, old: 2)))
        #expect(harness.send(.signal(SIGHUP)).contains(.workersChanged(new: 2, old: 3)))
        #expect(harness.send(.signal(SIGTTOU)).contains(.workersChanged(new: 1, old: 2)))
        #expect(harness.send(.signal(SIGHUP)).contains(.workersChanged(new: 2, old: 1)))
    }

    @Test func saysNothingOfANumberThatStays() {
        var harness = StateHarness()
        let actions = harness.send(.signal(SIGHUP))
        #expect(!actions.contains(.workersChanged(new: 2, old: 2)) && !actions.contains(notice: .workers(2)))
    }

    @Test func takesAsManyWorkersAsThereIsRoomFor() {
        var harness = StateHarness(workers: 2, slots: 6)
        harness.configured?.workers = 100
        let actions = harness.send(.signal(SIGHUP))
        #expect(actions.contains(notice: .workersClamped(to: 3, wanted: 100)))
        #expect(actions.contains(.workersChanged(new: 3, old: 2)))
        #expect(actions.spawned == [2, 0])
        harness.configured?.workers = 0
        #expect(harness.send(.signal(SIGHUP)).contains(.workersChanged(new: 1, old: 3)))
    }

    @Test func takesTheConfigurationAtOnceAlsoWhileAReloadGoesOn() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGHUP))
        harness.configured?.workers = 2
        let actions = harness.send(.signal(SIGHUP))
        #expect(actions.contains(notice: .reloadQueued))
        #expect(actions.spawned == [1])
    }

    @Test func measuresSilenceByTheNewTimeout() {
        var harness = StateHarness(workers: 1)
        harness.configured?.limits.timeout = 5
        harness.send(.signal(SIGHUP))
        harness.send(.workerReady(pid: 102))
        harness.exit(101)
        #expect(harness.pass(7, silent: [102]).sent == ["102 SIGABRT"])
    }

    @Test func leavesEachWorkerTheGracefulTimeoutThatItKnows() {
        var harness = StateHarness(workers: 1)
        harness.configured?.limits.gracefulTimeout = 2
        harness.send(.signal(SIGHUP))
        harness.send(.workerReady(pid: 102))
        #expect(harness.pass(30).sent == [])
        #expect(harness.pass(2).sent == ["101 SIGKILL"])
        harness.exit(101, .signaled(number: SIGKILL, dumpedCore: false))
        harness.send(.signal(SIGTERM))
        #expect(harness.pass(4).sent == ["102 SIGKILL"])
    }

    @Test func knowsFromWhichWorkersAnOldAddressIsServed() {
        var harness = StateHarness()
        harness.send(.signal(SIGHUP))
        #expect(harness.state.hasAcceptor(ofAges: 0..<3, index: nil))
        harness.send(.workerReady(pid: 103))
        #expect(!harness.state.hasAcceptor(ofAges: 0..<3, index: 0))
        #expect(harness.state.hasAcceptor(ofAges: 0..<3, index: 1))
        #expect(harness.state.hasAcceptor(ofAges: 0..<3, index: nil))
        harness.send(.workerReady(pid: 104))
        #expect(!harness.state.hasAcceptor(ofAges: 0..<3, index: nil))
        #expect(harness.state.hasAcceptor(ofAges: 3..<Int.max, index: 1))
    }

    @Test func namesAWorkerUntilItIsGone() {
        var harness = StateHarness()
        #expect(harness.state.identity(of: 102) == WorkerIdentity(index: 1, age: 2, pid: 102))
        harness.send(.signal(SIGTTOU))
        #expect(harness.state.identity(of: 102) != nil)
        harness.exit(102)
        #expect(harness.state.identity(of: 102) == nil)
    }
}
