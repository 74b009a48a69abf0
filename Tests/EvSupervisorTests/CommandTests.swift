import EvSupervisor
import Glibc
import Testing

/// What is asked over the admin socket, and what is said of it.
private struct Desk {
    var harness: StateHarness
    var commands = MasterCommands()
    /// By process id: why a worker has not loaded its app.
    var failures: [Int32: String] = [:]
    /// Why the settings cannot be used.
    var refusal: String?
    /// The last lines: `7: text` for a step, `7 yes: text` or `7 no: text` for the end.
    private(set) var said: [String] = []
    private(set) var asked: [MasterCommands.Action] = []

    init(_ harness: StateHarness = StateHarness()) { self.harness = harness }

    /// As the driver does it.
    mutating func ask(_ command: MasterCommand, as number: UInt64 = 7) {
        perform(commands.begin(AdminRequest(number: number, command: command), harness.state, at: harness.now))
        settle()
    }

    mutating func send(_ event: SupervisorState.Event) {
        follow(harness.send(event))
        settle()
    }

    mutating func exit(_ pid: Int32, _ status: EvSupervisor.ExitStatus = .exited(code: 0)) {
        if status == .exited(code: 0) { follow(harness.send(.workerFinished(pid: pid))) }
        follow(harness.exit(pid, status))
        settle()
    }

    mutating func second() {
        follow(harness.pass(1))
        settle()
    }

    mutating func report(_ report: NextMasterReport) {
        perform(commands.follow(report))
        settle()
    }

    mutating func end() { perform(commands.end(harness.state)) }

    /// What has been said since this was called last.
    mutating func take() -> [String] {
        defer { said = [] }
        return said
    }

    /// The ends among it.
    mutating func takeEnds() -> [String] { take().filter { $0.contains(" yes: ") || $0.contains(" no: ") } }

    private mutating func settle() {
        perform(commands.settle(harness.state, at: harness.now) { (3, 1) })
    }

    private mutating func follow(_ actions: [Action]) {
        for action in actions {
            guard case .log(let notice) = action else { continue }
            perform(commands.follow(notice, failure: notice.pid.flatMap { failures[$0] }, harness.state))
        }
    }

    private mutating func perform(_ actions: [MasterCommands.Action]) {
        for action in actions {
            asked.append(action)
            switch action {
            case .obey(.reload) where refusal != nil:
                perform(commands.reloadRefused(refusal ?? ""))
            case .obey(let command): follow(harness.send(.command(command)))
            case .giveWay: follow(harness.send(.nextMasterReady))
            case .endNextMaster: break
            case .tell(.progress(let number, let text)): said.append("\(number): \(text)")
            case .tell(.done(let number, let succeeded, let text)):
                said.append("\(number) \(succeeded ? "yes" : "no"): \(text)")
            case .tell(.leaves(let number, let text)): said.append("\(number) leaves: \(text)")
            case .tell: break
            }
        }
    }
}

@Suite struct ReloadCommandTests {
    @Test func tellsEachStepAndEndsWhenAllAreReplaced() {
        var desk = Desk()
        desk.ask(.reload)
        desk.send(.workerReady(pid: 103))
        #expect(
            desk.take() == [
                "7: Reloading: workers are replaced one by one", "7: Booting worker with pid: 103",
                "7: Worker ready (pid: 103)", "7: Worker 1 of 2 replaced", "7: Booting worker with pid: 104",
            ])
        desk.exit(101)
        desk.send(.workerReady(pid: 104))
        #expect(
            desk.take() == [
                "7: Worker exiting (pid: 101)", "7: Worker ready (pid: 104)", "7: Worker 2 of 2 replaced",
                "7: Reloaded",
            ])
        desk.send(.workerClosed(pid: 102))
        #expect(desk.take() == ["7 yes: Reloaded: 2 workers; 1 of before still to finish what runs"])
        desk.exit(102)
        #expect(desk.take() == [] && !desk.commands.isBusy)
    }

    @Test func waitsTwoSecondsForAWorkerThatDoesNotSayThatItAcceptsNoMore() {
        var desk = Desk(StateHarness(workers: 1))
        desk.ask(.reload)
        desk.send(.workerReady(pid: 102))
        desk.second()
        #expect(desk.takeEnds() == [])
        desk.second()
        #expect(desk.takeEnds() == ["7 yes: Reloaded: 1 worker; 1 of before still to finish what runs"])
    }

    @Test func endsWithTheReasonWhenTheNewCodeDoesNotBoot() {
        var desk = Desk(StateHarness(workers: 1))
        desk.failures[102] = "Traceback\nValueError: no"
        desk.ask(.reload)
        desk.exit(102, .exited(code: 3))
        #expect(
            desk.takeEnds() == [
                "7 no: Reload aborted: a new worker failed to boot; 1 worker(s) of before go on serving\n"
                    + "Traceback\nValueError: no"
            ])
        // Without one, the status says most.
        desk.ask(.reload)
        desk.exit(103, .signaled(number: SIGSEGV, dumpedCore: false))
        #expect(desk.takeEnds().first?.contains("\nWorker (pid: 103) ") == true)
    }

    @Test func isRefusedWithTheReasonOfTheSettings() {
        var desk = Desk()
        desk.refusal = "--workers: what?"
        desk.ask(.reload)
        #expect(desk.take() == ["7 no: Reload refused: --workers: what?"])
    }

    @Test func waitsForItsOwnReloadWhenOneIsInProgress() {
        var desk = Desk(StateHarness(workers: 1))
        desk.send(.signal(SIGHUP))
        desk.ask(.reload)
        desk.send(.workerReady(pid: 102))
        #expect(desk.takeEnds() == [])
        desk.exit(101)
        desk.send(.workerReady(pid: 103))
        #expect(desk.takeEnds() == [])
        desk.send(.workerClosed(pid: 102))
        #expect(desk.takeEnds().count == 1)
    }

    @Test func theSecondOfTwoEndsLater() {
        var desk = Desk(StateHarness(workers: 1))
        desk.ask(.reload, as: 1)
        desk.ask(.reload, as: 2)
        desk.send(.workerReady(pid: 102))
        desk.exit(103, .exited(code: 4))
        #expect(desk.takeEnds().map { $0.prefix(4) } == ["2 no"])
        desk.exit(101)
        #expect(desk.takeEnds().map { $0.prefix(5) } == ["1 yes"])
    }

    @Test func isNotOverBeforeWorkersThatAreNewAreReady() {
        var desk = Desk(StateHarness(workers: 1))
        desk.harness.configured?.workers = 2
        desk.ask(.reload)
        desk.send(.workerReady(pid: 103))
        #expect(desk.takeEnds() == [])
        desk.send(.workerReady(pid: 102))
        desk.send(.workerClosed(pid: 101))
        #expect(desk.takeEnds() == ["7 yes: Reloaded: 2 workers; 1 of before still to finish what runs"])
    }

    @Test func failsWhenAWorkerServesWithoutItsApp() {
        var desk = Desk(StateHarness(workers: 1))
        desk.failures[102] = "SyntaxError"
        desk.ask(.reload)
        desk.send(.workerReady(pid: 102))
        #expect(desk.takeEnds() == ["7 no: Reloaded, but a new worker does not serve the app\nSyntaxError"])
    }

    @Test func followsWhenAllStartAnewBecauseFilesHaveChanged() {
        var desk = Desk()
        desk.ask(.reload)
        desk.send(.filesChanged(pid: 101))
        #expect(desk.takeEnds() == [])
        for pid: Int32 in [104, 105] { desk.send(.workerReady(pid: pid)) }
        for pid: Int32 in [101, 102, 103] { desk.exit(pid) }
        #expect(desk.takeEnds().map { $0.prefix(5) } == ["7 yes"])
    }

    @Test func endsWhenTheServerStopsOrWithdraws() {
        var desk = Desk()
        desk.ask(.reload)
        desk.send(.signal(SIGTERM))
        #expect(desk.takeEnds() == ["7 no: Not reloaded: the server stops"])
        desk.ask(.reload)
        #expect(desk.takeEnds() == ["7 no: The server stops"])
        var other = Desk(StateHarness(isOnTerminal: false))
        other.ask(.reload)
        other.send(.signal(SIGWINCH))
        #expect(other.takeEnds() == ["7 no: Not reloaded: all workers leave"])
    }
}

@Suite struct ScaleCommandTests {
    @Test func endsWhenTheNewWorkersAreReady() {
        var desk = Desk()
        desk.ask(.scale(4))
        desk.send(.workerReady(pid: 103))
        #expect(desk.takeEnds() == [])
        desk.send(.workerReady(pid: 104))
        #expect(desk.takeEnds() == ["7 yes: 4 workers serve"])
        desk.ask(.scale(4))
        #expect(desk.takeEnds() == ["7 yes: 4 workers serve"])
    }

    @Test func endsWhenNoneTooManyIsLeft() {
        var desk = Desk(StateHarness(workers: 3))
        desk.ask(.scale(1))
        desk.exit(103)
        #expect(desk.takeEnds() == [])
        desk.exit(102)
        #expect(desk.takeEnds() == ["7 yes: 1 worker serves"])
    }

    @Test func isClampedToTheRoomAndSaysSo() {
        var desk = Desk(StateHarness(workers: 1, slots: 4))
        desk.ask(.scale(9))
        #expect(desk.take().first == "7: There is room for 2 workers, not for 9; more take effect at the next start")
        desk.send(.workerReady(pid: 102))
        #expect(desk.takeEnds() == ["7 yes: 2 workers serve"])
        desk.ask(.scale(Int.max))
        #expect(desk.takeEnds() == ["7 yes: 2 workers serve"])
    }

    @Test func failsWhenAWorkerDoesNotBootAndWhenSomebodyElseScales() {
        var desk = Desk(StateHarness(workers: 1))
        desk.failures[102] = "no"
        desk.ask(.scale(2), as: 1)
        desk.exit(102, .exited(code: 4))
        #expect(
            desk.takeEnds() == ["1 no: A worker does not boot; the master goes on trying, until there are fewer\nno"])
        desk.ask(.scale(3), as: 2)
        desk.ask(.scale(1), as: 3)
        #expect(
            desk.takeEnds().first == "2 no: Not scaled: the number of workers has been changed again, to 1")
    }

    @Test func isTheLeastNumberWhereTheLoadAsksForMore() {
        var limits = SupervisorState.Limits()
        limits.mostWorkers = 3
        var desk = Desk(StateHarness(workers: 1, limits: limits))
        desk.harness.second(100)
        desk.send(.workerReady(pid: 102))
        desk.ask(.scale(2))
        #expect(desk.takeEnds() == ["7 yes: 2 workers serve"])
        #expect(desk.harness.state.followsLoad)
    }
}

@Suite struct StopCommandTests {
    @Test func tellsWhatIsOpenAndEndsLast() {
        var desk = Desk()
        desk.ask(.stop(now: false))
        desk.exit(101)
        desk.second()
        #expect(
            desk.take() == [
                "7: Worker exiting (pid: 101)", "7: 1 worker still to end, with 3 connections and 1 request",
            ])
        desk.exit(102)
        #expect(desk.takeEnds() == [])
        desk.end()
        #expect(desk.take() == ["7 yes: The server has stopped"])
    }

    @Test func aSecondOneWaitsAndHurriesOnlyIfItSaysSo() {
        var desk = Desk()
        desk.ask(.stop(now: false), as: 1)
        #expect(desk.harness.send(.command(.stop(now: false))).sent == [])
        #expect(desk.harness.send(.command(.stop(now: true))).sent == ["101 quit", "102 quit"])
        #expect(desk.harness.send(.command(.stop(now: true))).sent == [])
    }

    @Test func waitsForTheDelayUnlessItIsToBeNow() {
        var limits = SupervisorState.Limits()
        limits.shutdownDelay = 60
        var harness = StateHarness(limits: limits)
        #expect(harness.send(.command(.stop(now: false))).sent == ["101 announce", "102 announce"])
        #expect(harness.send(.command(.stop(now: false))) == [])
        #expect(harness.send(.command(.stop(now: true))).sent == ["101 quit", "102 quit"])
    }

    @Test func saysThatAnotherMasterGoesOn() {
        var desk = Desk()
        desk.send(.signal(SIGUSR2))
        desk.ask(.stop(now: false))
        desk.end()
        #expect(
            desk.takeEnds() == ["7 yes: This master has ended; the one that it had started goes on serving (pid: 900)"])
    }
}

@Suite struct UpgradeCommandTests {
    @Test func givesWayWhenTheNextMasterServes() {
        var desk = Desk()
        desk.ask(.upgrade)
        #expect(desk.commands.isUpgrading)
        desk.report(.progress("Worker ready (pid: 1)"))
        #expect(desk.take().last == "7: Next master: Worker ready (pid: 1)")
        desk.report(.ready)
        #expect(desk.asked.contains(.giveWay) && !desk.asked.contains(.obey(.stop(now: false))))
        for pid: Int32 in [101, 102] { desk.exit(pid) }
        #expect(desk.asked.contains(.obey(.stop(now: false))))
        desk.end()
        #expect(desk.take().last == "7 leaves: Upgraded: the next master serves alone (pid: 900)")
    }

    @Test func goesOnWhenTheNextMasterFails() {
        var desk = Desk()
        desk.ask(.upgrade, as: 1)
        desk.report(.failed("ImportError"))
        #expect(desk.asked.contains(.endNextMaster(pid: 900)))
        desk.exit(900, .exited(code: 3))
        let end = "The next master (pid: 900) exited with code 3; this one goes on alone"
        #expect(desk.takeEnds() == ["1 no: \(end)\nImportError"])
        #expect(desk.harness.running == [101, 102])
        desk.harness.nextMaster = nil
        desk.ask(.upgrade, as: 2)
        #expect(desk.takeEnds() == ["2 no: Cannot start the next master: fork: no room"])
    }

    @Test func bringsItsWorkersBackWhenTheNextMasterEndsMeanwhile() {
        var desk = Desk()
        desk.ask(.upgrade)
        desk.report(.ready)
        desk.exit(101)
        desk.exit(900, .signaled(number: SIGKILL, dumpedCore: false))
        #expect(desk.takeEnds().map { $0.prefix(4) } == ["7 no"])
        #expect(desk.harness.running == [102, 103, 104])
    }

    @Test func excludesTheOthers() {
        var desk = Desk()
        desk.ask(.upgrade, as: 1)
        for command in [MasterCommand.reload, .scale(3), .stop(now: true), .upgrade] { desk.ask(command, as: 2) }
        let refused = Array(repeating: "2 no: An upgrade is in progress, which is to end first", count: 4)
        #expect(desk.takeEnds() == refused)
        var other = Desk()
        other.ask(.reload, as: 1)
        other.ask(.upgrade, as: 2)
        #expect(other.takeEnds() == ["2 no: A reload is in progress, which is to end first"])
    }
}

@Suite struct OtherCommandTests {
    @Test func logsAreReopenedWhenAllWorkersSaySo() {
        var desk = Desk()
        desk.ask(.reopenLogs, as: 1)
        desk.commands.reopened(101)
        desk.second()
        #expect(desk.take() == [])
        desk.commands.reopened(102)
        desk.second()
        #expect(desk.take() == ["1 yes: The logs have been opened again"])
        desk.ask(.reopenLogs, as: 2)
        desk.commands.reopened(101)
        for _ in 1...5 { desk.second() }
        #expect(desk.takeEnds().first?.hasPrefix("2 no: ") == true)
    }

    @Test func whatHasBegunGoesOnWhenNobodyWaits() {
        var desk = Desk()
        desk.ask(.upgrade)
        _ = desk.take()
        desk.commands.forgetWhoWaits()
        desk.report(.ready)
        for pid: Int32 in [101, 102] { desk.exit(pid) }
        #expect(desk.take() == [] && desk.asked.last == .obey(.stop(now: false)))
    }

    @Test func tooManyAreRefused() {
        var desk = Desk()
        for number: UInt64 in 1...65 { desk.ask(.scale(4), as: number) }
        #expect(desk.takeEnds() == ["65 no: 64 commands are in progress"])
    }

    @Test func handoverNamesTheChannel() {
        let text = "\(getpid()) 12 channel=7 8,-,-,127.0.0.1:8000"
        #expect(Handover(reading: text)?.text == text)
        for bad in ["channel=", "channel=x", "channel=1"] {
            #expect(Handover(reading: "\(getpid()) 12 \(bad)") == nil)
        }
    }
}
