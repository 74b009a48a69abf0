import EvSupervisor
import Glibc
import Testing

/// What the master counts: starts, ends by cause, reloads.
@Suite struct TallyTests {
    /// By name, those that are not zero.
    private func tally(_ harness: StateHarness) -> [String: UInt64] {
        let tally = harness.state.tally
        let numbers =
            MasterCounter.allCases.map { ("\($0)", tally[$0]) } + EndCause.allCases.map { ("\($0)", tally[$0]) }
        return Dictionary(uniqueKeysWithValues: numbers.filter { $0.1 > 0 })
    }

    @Test func startsAndADeath() {
        var harness = StateHarness(workers: 2)
        #expect(tally(harness) == ["boots": 2])
        harness.pass(60)
        harness.exit(101, .signaled(number: SIGKILL, dumpedCore: false))
        #expect(tally(harness) == ["boots": 3, "signal": 1])
    }

    @Test func workerThatEndsItself() {
        var harness = StateHarness(workers: 1)
        harness.exit(101, .exited(code: 0))
        #expect(tally(harness)["exit"] == 1)
        harness.pass(1)
        harness.send(.workerReady(pid: 102))
        harness.send(.workerFinished(pid: 102))
        harness.exit(102, .exited(code: 0))
        #expect(tally(harness)["exit"] == 2)
        #expect(tally(harness)["signal"] == nil)
    }

    @Test func bootThatFails() {
        var harness = StateHarness(workers: 1)
        harness.pass(10)
        harness.exit(101, .exited(code: 1))
        harness.pass(1)
        harness.exit(102, .exited(code: ExitCode.appLoadFailed))
        #expect(tally(harness) == ["boots": 2, "exit": 1, "bootFailure": 1])
        harness.forkFailure = "no room"
        harness.pass(10)
        #expect(tally(harness)["forkFailed"] ?? 0 > 0)
    }

    @Test func reloadAndScale() {
        var harness = StateHarness(workers: 2)
        harness.send(.signal(SIGHUP))
        for (old, new) in [(Int32(101), Int32(103)), (102, 104)] {
            harness.send(.workerReady(pid: new))
            harness.send(.workerFinished(pid: old))
            harness.exit(old, .exited(code: 0))
        }
        #expect(tally(harness) == ["boots": 4, "reload": 2, "reloads": 1])
        harness.send(.signal(SIGTTOU))
        harness.send(.workerFinished(pid: 104))
        harness.exit(104, .exited(code: 0))
        #expect(tally(harness) == ["boots": 4, "reload": 2, "reloads": 1, "scale": 1])
    }

    @Test func reloadThatIsGivenUp() {
        var harness = StateHarness(workers: 2)
        harness.send(.signal(SIGHUP))
        harness.exit(103, .exited(code: ExitCode.appLoadFailed))
        #expect(tally(harness) == ["boots": 3, "bootFailure": 1, "reloadsFailed": 1])
    }

    @Test func workerThatAsksForASuccessor() {
        var harness = StateHarness(workers: 1)
        harness.send(.workerWantsReplacement(pid: 101, because: .rss))
        harness.send(.workerReady(pid: 102))
        harness.send(.workerFinished(pid: 101))
        harness.exit(101, .exited(code: 0))
        #expect(tally(harness) == ["boots": 2, "rss": 1])
    }

    @Test func workersOfAServerThatStopsCountForNothing() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGTERM))
        harness.send(.workerFinished(pid: 101))
        harness.exit(101, .exited(code: 0))
        #expect(tally(harness) == ["boots": 1])
    }
}
