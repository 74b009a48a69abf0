// What the admin process asks of the master. A command begins between two events; what it comes to is told when it is
// known, step by step.
import EvLoop
import Glibc
import Logging

extension Supervisor {
    func enqueue(_ request: AdminRequest) {
        requests.append(request)
        loop?.stop()
    }

    /// Begins what has been asked, and ends what is over. Called between two events.
    func obeyRequests() {
        let due = requests
        requests = []
        for request in due {
            let actions = commands.begin(request, state, at: EventLoop.monotonicNow())
            if actions.contains(.obey(request.command)) { log(.asked(request.command)) }
            perform(actions)
        }
        guard commands.isBusy else { return }
        perform(commands.settle(state, at: EventLoop.monotonicNow(), load: openNow))
    }

    func perform(_ actions: [MasterCommands.Action]) {
        for action in actions {
            switch action {
            case .obey(let command): feed(.command(command))
            case .giveWay: feed(.nextMasterReady)
            case .endNextMaster(let pid): kill(pid, SIGQUIT)
            case .tell(let message): tellAdmin(message)
            }
        }
    }

    func follow(_ notice: Notice) {
        guard commands.isBusy || masters.former != nil || masters.next != nil else { return }
        let failure = notice.pid.flatMap(failure(of:))
        perform(commands.follow(notice, failure: failure, state))
        tellFormerMaster(notice, failure)
        if case .masterEnded = notice {
            masters.next?.close()
            masters.next = nil
        }
    }

    func reopened(_ pid: Int32) {
        guard commands.isBusy else { return }
        commands.reopened(pid)
        loop?.stop()
    }

    /// Connections and requests of all workers.
    private func openNow() -> (connections: Int, requests: Int) {
        var (connections, requests) = (0, 0)
        for child in children.values {
            guard let slot = scoreboard?[child.slotIndex] else { continue }
            connections += Int(slot.open)
            requests += Int(slot.active)
        }
        return (connections, requests)
    }

    // MARK: workers that do not load their app

    /// The worker of this slot has ended; its report is emptied now.
    func keepFailure(of slot: Int) {
        guard let pid = scoreboard?[slot].processIdentifier else { return }
        lastFailure = failure(in: slot).map { (pid, $0) }
    }

    private func failure(of pid: Int32) -> String? {
        if lastFailure?.pid == pid { return lastFailure?.text }
        return children[pid].flatMap { failure(in: $0.slotIndex) }
    }

    private func failure(in slot: Int) -> String? {
        admin.board?[slot].failure.bytes.map { String(decoding: $0, as: UTF8.self) }
    }

    // MARK: stacks

    func answer(_ request: StackRequest) {
        collectStacks(of: request.pid, all: false) { [self] text in tell(request.number, stacks: text) }
    }

    /// In steps that fit into packets, of whole lines.
    private func tell(_ command: UInt64, stacks: String) {
        var step = ""
        for line in stacks.split(separator: "\n", omittingEmptySubsequences: false) {
            if step.utf8.count + line.utf8.count > Self.longestStep {
                tellAdmin(.progress(command: command, step))
                step = ""
            }
            step += line.prefix(Self.longestStep) + "\n"
        }
        let isThere = !stacks.isEmpty
        if isThere { tellAdmin(.progress(command: command, step)) }
        tellAdmin(.done(command: command, succeeded: isThere, isThere ? "" : "There are no stacks to be had"))
    }

    private static let longestStep = 8192
}
