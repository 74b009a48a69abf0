import EvSupervisor
import Glibc
import Testing

/// What systemd is told while the state goes on.
private struct Told {
    var harness: StateHarness
    var last = ServiceStatus()

    init(workers: Int) { harness = StateHarness(workers: workers, start: false) }

    mutating func after(_ event: SupervisorState.Event) -> [SystemdNotifier.Message] {
        harness.send(event)
        return now()
    }

    mutating func now() -> [SystemdNotifier.Message] {
        let now = ServiceStatus(harness.state)
        defer { last = now }
        return now.messages(after: last).map {
            if case .reloading = $0 { .reloading(monotonicMicroseconds: 0) } else { $0 }
        }
    }
}

@Suite struct ServiceStatusTests {
    @Test func isReadyWithItsFirstWorker() {
        var told = Told(workers: 2)
        #expect(told.after(.start) == [.status("Starting 2 worker(s)")])
        #expect(told.after(.workerReady(pid: 101)) == [.ready, .status("1 of 2 worker(s) ready")])
        #expect(told.after(.workerReady(pid: 102)) == [.status("2 of 2 worker(s) ready")])
        #expect(told.now() == [])
    }

    @Test func reloadIsOverWhenTheLastWorkerIsReplaced() {
        var told = Told(workers: 1)
        _ = told.after(.start)
        _ = told.after(.workerReady(pid: 101))
        let began = told.after(.signal(SIGHUP))
        #expect(began.first == .reloading(monotonicMicroseconds: 0))
        #expect(told.after(.workerReady(pid: 102)) == [.ready, .status("1 of 1 worker(s) ready")])
    }

    @Test func reloadBeforeTheFirstWorkerIsReadyIsAPartOfTheStart() {
        var told = Told(workers: 1)
        _ = told.after(.start)
        #expect(told.after(.signal(SIGHUP)) == [])
        #expect(told.after(.workerReady(pid: 101)).first == .ready)
    }

    @Test func stopIsTold() {
        var told = Told(workers: 1)
        _ = told.after(.start)
        _ = told.after(.workerReady(pid: 101))
        #expect(told.after(.signal(SIGTERM)) == [.stopping, .status("Stopping")])
    }

    @Test func watchdogIsThatOfThisProcess() {
        let all = ["NOTIFY_SOCKET": "/s", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "\(getpid())"]
        func period(_ changes: [String: String?]) -> Double? {
            SystemdNotifier { name in changes[name] ?? all[name] }.watchdogPeriod
        }
        #expect(period([:]) == 1.5)
        #expect(period(["WATCHDOG_PID": nil]) == 1.5)
        #expect(period(["WATCHDOG_PID": "1"]) == nil)
        #expect(period(["WATCHDOG_USEC": "0"]) == nil)
        #expect(period(["WATCHDOG_USEC": "-5"]) == nil)
        #expect(period(["NOTIFY_SOCKET": nil]) == nil)
    }

    @Test func namesTheNextMasterInPlaceOfStopping() {
        var told = Told(workers: 1)
        _ = told.after(.start)
        _ = told.after(.workerReady(pid: 101))
        #expect(told.after(.signal(SIGUSR2)) == [])
        #expect(told.after(.signal(SIGTERM)) == [.mainPID(900)])
        #expect(told.after(.workerFinished(pid: 101)) == [])
        // Without the next master it is the end.
        var alone = Told(workers: 1)
        _ = alone.after(.start)
        _ = alone.after(.workerReady(pid: 101))
        #expect(alone.after(.signal(SIGTERM)) == [.stopping, .status("Stopping")])
    }
}
