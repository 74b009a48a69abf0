import EvLoop
import EvSupervisor
import Glibc
import Testing

private struct Refusal: Error, CustomStringConvertible { let description: String }

/// Hooks that write their names and what they get to a journal.
private func noting(_ journal: Journal) -> SupervisorHooks {
    func text(_ worker: WorkerIdentity) -> String { "\(worker.index) \(worker.age) \(worker.pid > 0 ? "pid" : "0")" }
    return SupervisorHooks(
        onStarting: { journal.add("starting") }, whenReady: { journal.add("ready") },
        onReload: { journal.add("reload") }, preFork: { journal.add("fork \(text($0))") },
        childExit: { journal.add("gone \(text($0))") },
        workersChanged: { journal.add("workers \($0) \($1 ?? 0)") }, onExit: { journal.add("exit") })
}

@Suite struct MasterHookTests {
    @Test func callsHooksInTheOrderOfALife() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let journal = Journal("\(directory.path)/journal")
            let master = try MasterProcess(
                in: directory, SupervisorConfiguration(binds: [address(8001)]), hooks: noting(journal))
            try #require(wait { ask(address(8001)) != nil })
            #expect(journal.lines == ["workers 1 0", "starting", "ready", "fork 0 1 0"])
            master.signal(SIGTTIN)
            try #require(wait { journal.contains("fork 1 2 0") })
            master.signal(SIGTTOU)
            try #require(wait { journal.contains("gone 1 2 pid") })
            #expect(
                journal.lines.dropFirst(4) == ["workers 2 1", "fork 1 2 0", "workers 1 2", "gone 1 2 pid"])
            master.signal(SIGHUP)
            try #require(wait { journal.contains("gone 0 1 pid") })
            #expect(journal.lines.dropFirst(8) == ["reload", "fork 0 3 0", "gone 0 1 pid"])
            #expect(master.stop() == .exited(code: 0))
            #expect(journal.lines.dropFirst(11) == ["gone 0 3 pid", "exit"])
        }
    }

    @Test func callsStartingBeforeAnyAddressIsOpen() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            var configuration = SupervisorConfiguration(binds: [.unix(path: "\(directory.path)/socket")])
            configuration.pidFile = "\(directory.path)/pid"
            let path = directory.path
            let hooks = SupervisorHooks(
                onStarting: {
                    guard access("\(path)/pid", F_OK) == 0, access("\(path)/socket", F_OK) != 0 else {
                        throw Refusal(description: "wrong moment")
                    }
                },
                whenReady: { throw Refusal(description: access("\(path)/socket", F_OK) == 0 ? "open" : "closed") })
            let master = try MasterProcess(in: directory, configuration, hooks: hooks)
            #expect(master.end() == .exited(code: ExitCode.failure))
            #expect(master.log.lines.last == "critical open")
            #expect(directory.files == ["log"])
        }
    }

    @Test func endsWhenStartingFails() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let journal = Journal("\(directory.path)/journal")
            var hooks = noting(journal)
            hooks.onStarting = { throw Refusal(description: "no licence") }
            let master = try MasterProcess(
                in: directory, SupervisorConfiguration(binds: [address(8001)]), hooks: hooks)
            #expect(master.end() == .exited(code: ExitCode.failure))
            #expect(master.log.lines == ["critical no licence"])
            #expect(journal.lines == ["workers 1 0", "exit"])
        }
    }

    @Test func callsExitAfterAFailedBoot() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let journal = Journal("\(directory.path)/journal")
            let master = try MasterProcess(
                in: directory, SupervisorConfiguration(binds: [address(8001)]), hooks: noting(journal),
                worker: { _ in ExitCode.appLoadFailed })
            #expect(master.end() == .exited(code: ExitCode.appLoadFailed))
            #expect(journal.lines.suffix(2) == ["gone 0 1 pid", "exit"])
        }
    }

    @Test func leavesAnotherMasterAlone() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let journal = Journal("\(directory.path)/journal")
            directory.write("pid", "\(getppid())\n")
            var configuration = SupervisorConfiguration(binds: [address(8001)])
            configuration.pidFile = "\(directory.path)/pid"
            let master = try MasterProcess(in: directory, configuration, hooks: noting(journal))
            #expect(master.end() == .exited(code: ExitCode.failure))
            #expect(journal.lines == [])
        }
    }

    /// A hook that forks and forgets to end the copy must not make a second master, whichever hook it is.
    @Test func endsACopyOfTheMasterThatAHookHasMade() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let journal = Journal("\(directory.path)/journal")
            let forking = { (name: String) in
                if fork() != 0 { journal.add(name) }
            }
            let hooks = SupervisorHooks(
                onStarting: { forking("starting") }, whenReady: { forking("ready") }, onReload: { forking("reload") },
                preFork: { _ in forking("fork") }, childExit: { _ in forking("gone") },
                workersChanged: { _, _ in forking("workers") }, onExit: { forking("exit") })
            let master = try MasterProcess(
                in: directory, SupervisorConfiguration(binds: [address(8001)]), hooks: hooks)
            try #require(wait { ask(address(8001)) != nil })
            master.signal(SIGHUP)
            try #require(wait { journal.contains("gone") })
            #expect(master.stop() == .exited(code: 0))
            #expect(
                journal.lines == ["workers", "starting", "ready", "fork", "reload", "fork", "gone", "gone", "exit"])
            #expect(master.log.lines.count { $0.contains("Shutting down") } == 1)
        }
    }

    /// A hook takes longer than the timeout: the workers beat meanwhile, and time in which the master stood does not
    /// count.
    @Test func keepsWorkersWhileAHookTakesLong() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let journal = Journal("\(directory.path)/journal")
            var hooks = noting(journal)
            hooks.onReload = { usleep(2_500_000) }
            let master = try MasterProcess(
                in: directory, SupervisorConfiguration(binds: [address(8001)], timeout: 1), hooks: hooks)
            try #require(wait { ask(address(8001)) != nil })
            master.signal(SIGHUP)
            try #require(wait { journal.contains("gone 0 1 pid") })
            #expect(ask(address(8001))?.age == 2)
            #expect(!master.log.contains("aborted") && !master.log.contains("SIGKILL"))
            #expect(master.stop() == .exited(code: 0))
        }
    }
}
