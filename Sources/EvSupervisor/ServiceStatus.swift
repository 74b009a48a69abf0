// What systemd is told of the master's state, as a value: two statuses give the messages between them.

package struct ServiceStatus: Equatable {
    package enum Phase: Equatable {
        /// No worker has been ready yet.
        case starting
        case serving, reloading, stopping
    }

    package var phase = Phase.starting
    /// Workers that serve, those that finish their last requests not among them.
    package var ready = 0
    package var wanted = 0
    /// The next master, which is the service's main process when this one stops.
    package var nextMaster: Int32?

    package init() {}

    package init(_ state: SupervisorState) {
        ready = state.workers.count { $0.phase == .ready }
        wanted = state.target
        if case .next(let pid) = state.otherMaster { nextMaster = pid }
        if state.stop != nil {
            phase = .stopping
        } else if !state.someoneWasReady {
            phase = .starting
        } else {
            phase = state.reloadBarrier != nil || state.isReloadQueued ? .reloading : .serving
        }
    }

    /// The line for `systemctl status`.
    var text: String {
        switch phase {
        case .starting: "Starting \(wanted) worker(s)"
        case .serving: "\(ready) of \(wanted) worker(s) ready"
        case .reloading: "Reloading, \(ready) of \(wanted) worker(s) ready"
        case .stopping: "Stopping"
        }
    }

    /// What to say after `old` was told.
    package func messages(after old: ServiceStatus) -> [SystemdNotifier.Message] {
        guard self != old, old.phase != .stopping || nextMaster == nil else { return [] }
        var messages: [SystemdNotifier.Message] = []
        switch phase {
        case old.phase, .starting: break
        case .serving: messages.append(.ready)
        case .reloading:
            // A reload that comes before the first worker is ready is a part of the start.
            messages.append(old.phase == .starting ? .ready : .reloadingNow)
        case .stopping:
            // The service goes on, and what else is to be said is the next master's.
            if let nextMaster { return [.mainPID(nextMaster)] }
            messages.append(.stopping)
        }
        if text != old.text { messages.append(.status(text)) }
        return messages
    }
}
