import EvSupervisor
import Glibc
import Testing

/// What the master counts: starts, ends by cause, reloads.
@Suite struct TallyTests {
    private func tally(_ harness: StateHarness) -> [MasterCounter: UInt64] {
        Dictionary(
            uniqueKeysWithValues: MasterCounter.allCases.map { ($0, harness.state.tally[$0]) }.filter { $0.1 > 0 })
    }

    @Test func startsAndADeath() {
        var harness = StateHarness(workers: 2)
        #expect(tally(harness) == [.boots: 2])
        harness.pass(60)
        harness.exit(101, .signaled(number: SIGKILL, dumpedCore: false))
        #expect(tally(harness) == [.boots: 3, .died: 1])
    }

    @Test func workerThatEndsItself() {
        var harness = StateHarness(workers: 1)
        harness.exit(101, .exited(code: 0))
        #expect(tally(harness)[.exited] == 1)
        harness.pass(1)
        harness.send(.workerReady(pid: 102))
        harness.send(.workerFinished(pid: 102))
        harness.exit(102, .exited(code: 0))
        #expect(tally(harness)[.told] == 1)
        #expect(tally(harness)[.died] == nil)
    }

    @Test func bootThatFails() {
        var harness = StateHarness(workers: 1)
        harness.pass(10)
        harness.exit(101, .exited(code: 1))
        harness.pass(1)
        harness.exit(102, .exited(code: ExitCode.appLoadFailed))
        #expect(tally(harness) == [.boots: 2, .died: 1, .bootFailed: 1])
        harness.forkFailure = "no room"
        harness.pass(10)
        #expect(tally(harness)[.forkFailed] ?? 0 > 0)
    }

    @Test func reloadAndScale() {
        var harness = StateHarness(workers: 2)
        harness.send(.signal(SIGHUP))
        for (old, new) in [(Int32(101), Int32(103)), (102, 104)] {
            harness.send(.workerReady(pid: new))
            harness.send(.workerFinished(pid: old))
            harness.exit(old, .exited(code: 0))
        }
        #expect(tally(harness) == [.boots: 4, .reloaded: 2, .reloads: 1])
        harness.send(.signal(SIGTTOU))
        harness.send(.workerFinished(pid: 104))
        harness.exit(104, .exited(code: 0))
        #expect(tally(harness) == [.boots: 4, .reloaded: 2, .reloads: 1, .scaled: 1])
    }

    @Test func reloadThatIsGivenUp() {
        var harness = StateHarness(workers: 2)
        harness.send(.signal(SIGHUP))
        harness.exit(103, .exited(code: ExitCode.appLoadFailed))
        #expect(tally(harness) == [.boots: 3, .bootFailed: 1, .reloadsFailed: 1])
    }

    /// The worker has counted why it wants a successor.
    @Test func workerThatAsksForASuccessorIsNoneOfTheMasters() {
        var harness = StateHarness(workers: 1)
        harness.send(.workerWantsReplacement(pid: 101))
        harness.send(.workerReady(pid: 102))
        harness.send(.workerFinished(pid: 101))
        harness.exit(101, .exited(code: 0))
        #expect(tally(harness) == [.boots: 2])
    }

    @Test func workersOfAServerThatStopsCountForNothing() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGTERM))
        harness.send(.workerFinished(pid: 101))
        harness.exit(101, .exited(code: 0))
        #expect(tally(harness) == [.boots: 1])
    }
}
