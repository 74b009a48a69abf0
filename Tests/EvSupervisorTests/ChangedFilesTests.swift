import EvSupervisor
import Glibc
import Testing

/// Workers that tell of changed files (`--reload`).
@Suite struct ChangedFilesTests {
    @Test func replacesAllAtOnceWithTheNewConfiguration() {
        var harness = StateHarness()
        harness.configured?.workers = 3
        let actions = harness.send(.filesChanged(pid: 102))
        #expect(actions.first == .reconfigure)
        #expect(actions.sent == ["101 retire", "102 retire"])
        #expect(actions.spawned.sorted() == [0, 1, 2])
    }

    @Test func oneOfTheWorkersIsEnough() {
        var harness = StateHarness()
        harness.send(.filesChanged(pid: 101))
        #expect(harness.send(.filesChanged(pid: 102)) == [])
        #expect(harness.send(.filesChanged(pid: 99)) == [])
        // The next change is that of the new ones, which need not be ready.
        #expect(harness.send(.filesChanged(pid: 103)).sent == ["103 retire", "104 retire"])
    }

    @Test func takesThePlaceOfAReloadThatGoesOn() {
        var harness = StateHarness()
        harness.send(.signal(SIGHUP))
        harness.send(.signal(SIGHUP))
        let actions = harness.send(.filesChanged(pid: 101))
        #expect(actions.sent == ["101 retire", "102 retire", "103 retire"])
        #expect(actions.spawned == [0, 1])
        #expect(harness.send(.workerReady(pid: 104)).spawned == [])
        #expect(harness.send(.workerReady(pid: 105)).sent == [])
    }

    @Test func pausesOfBeforeEnd() {
        var harness = StateHarness(workers: 1)
        harness.exit(101, .exited(code: 9))
        harness.pass(0.2)
        harness.exit(102, .exited(code: 9))
        harness.pass(0.3)
        harness.exit(103, .exited(code: 9))
        harness.pass(0.5)
        #expect(harness.send(.filesChanged(pid: 104)).spawned == [0])
    }

    @Test func configurationThatCannotBeUsedKeepsTheWorkers() {
        var harness = StateHarness()
        harness.configured = nil
        #expect(harness.send(.filesChanged(pid: 101)) == [.reconfigure])
        #expect(harness.running == [101, 102])
        harness.configured = (2, .init())
        // What comes next is no answer to it.
        #expect(harness.send(.signal(SIGHUP)).spawned == [0])
    }

    @Test func countsNothingWhileTheServerStops() {
        var harness = StateHarness()
        harness.send(.signal(SIGTERM))
        #expect(harness.send(.filesChanged(pid: 101)) == [])
    }
}
