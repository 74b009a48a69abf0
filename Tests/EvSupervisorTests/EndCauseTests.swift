import EvLoop
@testable import EvSupervisor
import Glibc
import Testing

/// Why a worker has ended, as the admin side tells it.
@Suite struct EndCauseTests {
    private static let killed = ExitStatus.signaled(number: SIGKILL, dumpedCore: false)

    @Test func unasked() {
        var harness = StateHarness(workers: 1)
        #expect(harness.state.cause(ofEnd: 101, Self.killed) == .signal)
        #expect(harness.state.cause(ofEnd: 101, .exited(code: 7)) == .exit)
        #expect(harness.state.cause(ofEnd: 999, .exited(code: 7)) == nil)
        harness.send(.signal(SIGTERM))
        #expect(harness.state.cause(ofEnd: 101, .exited(code: 0)) == nil)
    }

    @Test func beforeItWasReady() {
        var harness = StateHarness(workers: 1, start: false)
        harness.send(.start)
        #expect(harness.state.cause(ofEnd: 101, .exited(code: 3)) == .bootFailure)
        #expect(harness.state.cause(ofEnd: 101, Self.killed) == .bootFailure)
    }

    @Test func replacedByAReload() {
        var harness = StateHarness(workers: 1)
        harness.send(.signal(SIGHUP))
        harness.send(.workerReady(pid: 102))
        #expect(harness.state.cause(ofEnd: 101, .exited(code: 0)) == .reload)
        #expect(harness.state.cause(ofEnd: 101, .signaled(number: SIGTERM, dumpedCore: false)) == .reload)
        #expect(harness.state.cause(ofEnd: 101, .signaled(number: SIGSEGV, dumpedCore: true)) == .signal)
    }

    @Test func oneTooMany() {
        var harness = StateHarness(workers: 2)
        harness.send(.signal(SIGTTOU))
        #expect(harness.state.cause(ofEnd: 102, .exited(code: 0)) == .scale)
    }

    @Test(arguments: [EndCause.maxRequests, .lifetime, .rss, .stuckThreads]) func asItAskedFor(_ cause: EndCause) {
        var harness = StateHarness(workers: 1)
        harness.send(.workerWantsReplacement(pid: 101, because: cause))
        harness.send(.workerReady(pid: 102))
        #expect(harness.state.cause(ofEnd: 101, .exited(code: 0)) == cause)
    }

    @Test(arguments: [nil, EndCause.hang]) func eventsSurviveTheirBytes(_ cause: EndCause?) {
        let event = MasterEvent(
            time: 12.5, level: "error", worker: WorkerIdentity(index: 1, age: 2, pid: 3), text: "text", cause: cause)
        let read = AdminMessage.event(event).bytes.withUnsafeBytes { AdminMessage($0) }
        #expect(read == .event(event))
    }

    @Test func statusIsReadAsItWasWritten() throws {
        let board = try Board(capacity: 1)
        defer { withExtendedLifetime(board) {} }
        let counters = board.master
        var status = MasterStatus()
        #expect(MasterStatus(counters) == status)
        (status.phase, status.started) = (.reloading, 1_700_000_000.5)
        status.write(to: counters)
        #expect(MasterStatus(counters) == status)
    }
}
