import EvLoop
import EvSupervisor
import Glibc
import Testing

@Suite struct MasterReloadTests {
    @Test func changesAddressesAndLosesNobodyAtThoseThatStay() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let unix = BindAddress.unix(path: "\(directory.path)/kept")
            let gone = BindAddress.unix(path: "\(directory.path)/gone")
            let before = SupervisorConfiguration(workers: 2, binds: [address(8001), unix, address(8002), gone])
            var after = before
            after.binds = [address(8003), address(8001), unix]
            let journal = Journal("\(directory.path)/journal")
            let master = try MasterProcess(
                in: directory, before,
                hooks: SupervisorHooks(
                    onReload: { journal.add("reload") }, childExit: { journal.add("gone \($0.age)") }),
                plans: [{ [after] in .changed(after, commit: { journal.add("commit") }) }])
            try #require(wait { master.log.lines.count { $0.contains("Booting") } == 2 })
            for place in before.binds { try #require(wait { ask(place) != nil }) }
            #expect(ask(address(8003)) == nil)
            master.signal(SIGHUP)
            var asked = 0
            try #require(
                wait {
                    asked += 1
                    let answers = [ask(address(8001)), ask(unix)]
                    #expect(!answers.contains(nil))
                    return answers.contains(nil) || journal.contains("gone 1") && journal.contains("gone 2")
                })
            #expect(asked > 1)
            for place in after.binds { #expect(try #require(ask(place)).age > 2) }
            #expect(ask(address(8002)) == nil)
            #expect(ask(gone) == nil)
            #expect(!directory.files.contains("gone") && directory.files.contains("kept"))
            #expect(journal.lines.prefix(2) == ["commit", "reload"])
            #expect(master.log.lines.count { $0.contains("Listening at: \(address(8003))") } == 1)
            #expect(master.log.lines.count { $0.contains("Listening at: \(address(8001))") } == 1)
            #expect(master.log.contains("No longer listening at: \(address(8002))"))
            #expect(master.stop() == .exited(code: 0))
            #expect(!directory.files.contains("kept"))
        }
    }

    /// Clients wait at an address that is removed, and no worker accepts at the moment.
    @Test(arguments: [false, true])
    func losesNobodyWhoWaitsAtARemovedAddress(reusePort: Bool) async {
        await #expect(processExitsWith: .success) { [reusePort] in
            let directory = try TemporaryDirectory()
            let path = "\(directory.path)/pause"
            let before = SupervisorConfiguration(workers: 2, binds: [address(8001)], reusePort: reusePort)
            var after = before
            after.binds = [address(8002)]
            let master = try MasterProcess(
                in: directory, before, plans: [{ [after] in .changed(after) }],
                worker: { context in
                    var worker = PlainWorker(context)
                    worker.isPaused = { context.age <= 2 && access(path, F_OK) == 0 }
                    worker.drain = 2
                    return worker.run()
                })
            try #require(wait { ask(address(8001)) != nil })
            // With SO_REUSEPORT each of the two workers has a queue.
            try #require(wait { master.log.lines.count { $0.contains("Booting") } == 2 })
            usleep(100_000)
            directory.write("pause", "")
            usleep(50_000)
            let ages = try waitingClients(12, at: address(8001)) { master.signal(SIGHUP) }
            #expect(ages.count == 12 && ages.allSatisfy { $0 <= 2 })
            #expect(Set(ages).count == (reusePort ? 2 : Set(ages).count))
            // The old workers still drain: who comes now is refused and does not wait for nothing.
            try #require(wait { ask(address(8001)) == nil })
            #expect(!master.log.contains("Worker exiting"))
            #expect(ask(address(8002)) != nil)
            #expect(master.stop() == .exited(code: 0))
        }
    }

    @Test func refusesAnAddressThatCannotBeOpened() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            directory.write("taken", "")
            let before = SupervisorConfiguration(binds: [address(8001)])
            var after = before
            after.binds = [address(8002), .unix(path: "\(directory.path)/taken")]
            after.workers = 3
            after.pidFile = "\(directory.path)/pid"
            let journal = Journal("\(directory.path)/journal")
            let master = try MasterProcess(
                in: directory, before, hooks: SupervisorHooks(onReload: { journal.add("reload") }),
                plans: [{ [after] in .changed(after, commit: { journal.add("commit") }) }, { .refused(reason: "no") }])
            try #require(wait { ask(address(8001)) != nil })
            master.signal(SIGHUP)
            try #require(wait { master.log.contains("Reload refused") })
            master.signal(SIGHUP)
            try #require(wait { master.log.lines.count { $0.contains("signal: hup") } == 2 })
            #expect(
                master.log.lines.contains { line in
                    line.hasPrefix("error") && line.contains("unix:\(directory.path)/taken")
                })
            #expect(ask(address(8001)) == PlainAnswer(index: 0, age: 1, gracefulTimeout: 30))
            #expect(ask(address(8002)) == nil)
            #expect(journal.lines == [])
            #expect(directory.files == ["log", "taken"])
            // The third one is a plain reload: everything is as before.
            master.signal(SIGHUP)
            try #require(wait { ask(address(8001))?.age == 2 })
            #expect(journal.lines == ["reload"])
            #expect(master.stop() == .exited(code: 0))
        }
    }

    @Test func movesThePIDFile() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            var first = SupervisorConfiguration(binds: [address(8001)])
            first.pidFile = "\(directory.path)/one"
            var (second, third, fourth) = (first, first, first)
            second.pidFile = "\(directory.path)/two"
            // The same file by another name.
            third.pidFile = "\(directory.path)/./two"
            fourth.pidFile = nil
            let plans = [second, third, fourth].map { next in { Reconfiguration.changed(next) } }
            let master = try MasterProcess(in: directory, first, plans: plans)
            try #require(wait { ask(address(8001)) != nil })
            #expect(directory.files == ["log", "one"])
            for (age, files) in [(2, ["log", "two"]), (3, ["log", "two"]), (4, ["log"])] {
                master.signal(SIGHUP)
                try #require(wait { ask(address(8001))?.age == age })
                #expect(directory.files == files)
                if age < 4 { #expect(directory.read("two") == "\(master.pid)\n") }
            }
            #expect(master.stop() == .exited(code: 0))
        }
    }

    @Test func keepsThePIDFileWhenTheNewOneIsTaken() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            directory.write("other", "\(getppid())\n")
            var before = SupervisorConfiguration(binds: [address(8001)])
            before.pidFile = "\(directory.path)/one"
            var after = before
            after.pidFile = "\(directory.path)/other"
            after.binds = [address(8002)]
            let master = try MasterProcess(in: directory, before, plans: [{ [after] in .changed(after) }])
            try #require(wait { ask(address(8001)) != nil })
            master.signal(SIGHUP)
            try #require(wait { master.log.contains("Reload refused: The pid file \(directory.path)/other") })
            #expect(ask(address(8002)) == nil && ask(address(8001))?.age == 1)
            #expect(directory.files == ["log", "one", "other"])
            #expect(master.stop() == .exited(code: 0))
            #expect(directory.files == ["log", "other"])
        }
    }

    @Test func changesWorkersAndTimesButNotReusePort() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let before = SupervisorConfiguration(workers: 1, binds: [address(8001)])
            var after = before
            after.workers = 1000
            after.gracefulTimeout = 7
            after.reusePort = true
            var less = after
            less.workers = 2
            let journal = Journal("\(directory.path)/journal")
            let master = try MasterProcess(
                in: directory, before,
                hooks: SupervisorHooks(workersChanged: { journal.add("workers \($0) \($1 ?? 0)") }),
                plans: [{ [after] in .changed(after) }, { [less] in .changed(less) }])
            try #require(wait { ask(address(8001)) != nil })
            master.signal(SIGHUP)
            try #require(wait { master.log.contains("Reloaded") })
            #expect(master.log.contains("warning There is room for 32 workers, not for 1000"))
            #expect(master.log.contains("warning --reuse-port takes effect at the next start"))
            try #require(wait { ask(address(8001))?.gracefulTimeout == 7 })
            master.signal(SIGHUP)
            try #require(wait { master.log.lines.count { $0.contains("Reloaded") } == 2 })
            #expect(journal.lines == ["workers 1 0", "workers 32 1", "workers 2 32"])
            #expect(master.stop() == .exited(code: 0))
        }
    }
}

/// Connects as many clients, calls `then`, and returns the ages of the workers that have answered.
private func waitingClients(_ count: Int, at place: BindAddress, then: () -> Void) throws -> [Int] {
    guard count > 0 else {
        then()
        return []
    }
    guard let client = Client(place) else { return [] }
    let others = try waitingClients(count - 1, at: place, then: then)
    return others + [client.read()].compactMap { $0?.age }
}
