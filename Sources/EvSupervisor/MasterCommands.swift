// The commands that the master has been asked for, as a value: who waits for which, how far it is, and when it is over.
// What is done is decided by `SupervisorState`; this follows what it says. No I/O and no clock.

package struct MasterCommands {
    package enum Action: Equatable {
        /// The state is to do this.
        case obey(MasterCommand)
        /// The workers of this master are to leave, for the next one serves.
        case giveWay
        /// The next master will not serve: it is to end.
        case endNextMaster(pid: Int32)
        /// Whoever waits is to know.
        case tell(AdminMessage)
    }

    struct Running {
        /// By which the admin process knows it; nil if nobody waits any more.
        var number: UInt64?
        var work: Work
        var isOver = false
    }

    enum Work {
        case reload(Reload)
        /// - Parameter toldAt: when it was told last what is still open.
        case stop(toldAt: Double)
        case scale(Scale)
        case upgrade(Upgrade)
        /// - Parameter waiting: workers that have not said that they have opened their logs again.
        case reopenLogs(waiting: Set<Int32>, until: Double)
    }

    var running: [Running] = []
    /// The workers that have been seen since a command runs, by process id.
    private var seen: [Int32: WorkerIdentity] = [:]
    private var actions: [Action] = []

    /// More at once are refused.
    private static let most = 64
    /// How long workers may take to open their logs, in seconds.
    private static let reopening = 5.0

    package init() {}

    package var isBusy: Bool { !running.isEmpty }

    // MARK: events

    /// Somebody asks. Where the answer is not a refusal, the state is to obey next.
    package mutating func begin(_ request: AdminRequest, _ state: SupervisorState, at now: Double) -> [Action] {
        if let reason = refusal(of: request.command, state) {
            return [.tell(.done(command: request.number, succeeded: false, reason))]
        }
        let work: Work =
            switch request.command {
            case .reload: .reload(Reload())
            case .stop: .stop(toldAt: now)
            case .scale(let workers): .scale(Scale(state.room(for: workers)))
            case .upgrade: .upgrade(Upgrade())
            case .reopenLogs:
                .reopenLogs(
                    waiting: Set(state.workers.filter(\.wasReady).compactMap(\.pid)), until: now + Self.reopening)
            }
        note(state)
        running.append(Running(number: request.number, work: work))
        return [.obey(request.command)]
    }

    /// The state has said something.
    ///
    /// - Parameter failure: what the worker that it is about has left behind: why it could not load the app.
    package mutating func follow(_ notice: Notice, failure: String? = nil, _ state: SupervisorState) -> [Action] {
        guard isBusy else { return [] }
        note(state)
        return forEach { commands, command in
            switch command.work {
            case .reload(var reload):
                commands.follow(notice, failure, state, &reload, &command)
                if !command.isOver { command.work = .reload(reload) }
            case .scale(var scale):
                commands.follow(notice, failure, state, &scale, &command)
                if !command.isOver { command.work = .scale(scale) }
            case .upgrade(var upgrade):
                commands.follow(notice, state, &upgrade, &command)
                if !command.isOver { command.work = .upgrade(upgrade) }
            case .stop: commands.say(notice, to: command)
            case .reopenLogs: break
            }
        }
    }

    /// The settings cannot be used, so nothing is reloaded.
    package mutating func reloadRefused(_ reason: String) -> [Action] {
        forEach { commands, command in
            guard case .reload(let reload) = command.work, reload.phase == .asked else { return }
            commands.end(&command, false, "Reload refused: \(reason)")
        }
    }

    /// A worker has opened its logs again.
    package mutating func reopened(_ pid: Int32) {
        for position in running.indices {
            guard case .reopenLogs(var waiting, let until) = running[position].work else { continue }
            waiting.remove(pid)
            running[position].work = .reopenLogs(waiting: waiting, until: until)
        }
    }

    /// Looks at what has come of all that has happened. To be called when it has been handled, and once a second.
    ///
    /// - Parameter load: connections and requests that are open.
    package mutating func settle(
        _ state: SupervisorState, at now: Double, load: () -> (connections: Int, requests: Int)
    ) -> [Action] {
        forEach { commands, command in
            switch command.work {
            case .reload(var reload):
                commands.settle(state, &reload, &command, at: now)
                if !command.isOver { command.work = .reload(reload) }
            case .scale(let scale): commands.settle(state, scale, &command)
            case .upgrade(var upgrade):
                commands.settle(state, &upgrade, &command)
                if !command.isOver { command.work = .upgrade(upgrade) }
            case .stop(let toldAt):
                guard now - toldAt >= 1 else { return }
                let (connections, requests) = load()
                commands.say(
                    "\(state.workers.count.of("worker")) still to end, with \(connections.of("connection")) and "
                        + requests.of("request"), to: command)
                command.work = .stop(toldAt: now)
            case .reopenLogs(var waiting, let until):
                waiting.formIntersection(state.workers.compactMap(\.pid))
                if waiting.isEmpty {
                    commands.end(&command, true, "The logs have been opened again")
                } else if now >= until {
                    let pids = waiting.sorted().map(String.init).joined(separator: ", ")
                    commands.end(
                        &command, false,
                        "The logs have been opened again, but not by \(waiting.count.of("worker")), which will when "
                            + "their loops turn (pid: \(pids))")
                }
            }
        }
    }

    /// The admin process has ended, and with it all who wait. What has begun goes on.
    package mutating func forgetWhoWaits() {
        for position in running.indices { running[position].number = nil }
    }

    /// The master ends: all workers are gone, and so are its files.
    package mutating func end(_ state: SupervisorState) -> [Action] {
        forEach { commands, command in
            switch (command.work, state.otherMaster) {
            case (.stop, .next(let pid)):
                commands.end(
                    &command, true, "This master has ended; the one that it had started goes on serving (pid: \(pid))")
            case (.stop, _): commands.end(&command, true, "The server has stopped")
            case (.upgrade, .next(let pid)):
                // It is known to serve alone when it has taken the place of this one.
                if let number = command.number {
                    commands.actions.append(
                        .tell(.leaves(command: number, "Upgraded: the next master serves alone (pid: \(pid))")))
                }
                command.isOver = true
            default: commands.end(&command, false, "The server has stopped")
            }
        }
    }

    // MARK: parts

    /// Why a command cannot begin now.
    private func refusal(of command: MasterCommand, _ state: SupervisorState) -> String? {
        if running.count >= Self.most { return "\(Self.most) commands are in progress" }
        switch command {
        case .reopenLogs: return nil
        case .stop: return isUpgrading ? "An upgrade is in progress, which is to end first" : nil
        case .reload, .scale, .upgrade:
            if state.isEnding { return "The server stops" }
            if isUpgrading { return "An upgrade is in progress, which is to end first" }
        }
        if command == .upgrade, state.reloadBarrier != nil { return "A reload is in progress, which is to end first" }
        return nil
    }

    mutating func forEach(_ body: (inout MasterCommands, inout Running) -> Void) -> [Action] {
        for position in running.indices where !running[position].isOver {
            var command = running[position]
            body(&self, &command)
            running[position] = command
        }
        running.removeAll(where: \.isOver)
        if running.isEmpty { seen = [:] }
        defer { actions = [] }
        return actions
    }

    private mutating func note(_ state: SupervisorState) {
        for worker in state.workers {
            if let pid = worker.pid { seen[pid] = WorkerIdentity(index: worker.index, age: worker.age, pid: pid) }
        }
    }

    /// The worker with this process id, also if it has just ended.
    func identity(of pid: Int32) -> WorkerIdentity? { seen[pid] }

    mutating func request(_ action: Action) { actions.append(action) }

    mutating func say(_ text: String, to command: Running) {
        if let number = command.number { actions.append(.tell(.progress(command: number, text))) }
    }

    /// What is in the log, but for what the command itself has caused there.
    mutating func say(_ notice: Notice, to command: Running) {
        switch notice {
        case .asked, .handling: break
        default: say(notice.text, to: command)
        }
    }

    mutating func end(_ command: inout Running, _ succeeded: Bool, _ text: String) {
        command.isOver = true
        if let number = command.number {
            actions.append(.tell(.done(command: number, succeeded: succeeded, text)))
        }
    }
}

extension SupervisorState {
    /// Whether each place has a worker that serves.
    var isComplete: Bool {
        (0..<target).allSatisfy { index in workers.contains { $0.index == index && $0.phase == .ready } }
    }

    /// Whether a worker that was told to leave may still accept connections.
    var isClosing: Bool { workers.contains { $0.phase == .retiring && $0.wasReady && !$0.hasClosed } }

    var leaving: Int { workers.count { $0.phase == .retiring } }
}

extension Int {
    /// `1 worker`, `2 workers`.
    func of(_ thing: String) -> String { self == 1 ? "1 \(thing)" : "\(self) \(thing)s" }
}
