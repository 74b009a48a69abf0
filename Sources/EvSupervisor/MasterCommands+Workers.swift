// The commands whose end depends on workers: reload and scale.

extension MasterCommands {
    struct Reload {
        enum Phase: Equatable {
            /// The settings are being read.
            case asked
            /// Another reload is to end first.
            case queued
            /// Workers below this age are replaced.
            case running(barrier: Int)
            /// All have been replaced; some may not be ready.
            case settling
            /// All serve, and who is told so is to be answered by the new code: the workers of before may accept until
            /// then. One whose loop stands still does not say that it accepts no more, but neither does it accept.
            case closing(by: Double)
        }

        var phase = Phase.asked
        var replaced = 0
        /// Why new workers do not serve the app.
        var failure: String?

        /// In seconds.
        static let longestClosing = 2.0
    }

    struct Scale {
        let wanted: Int
        var failure: String?

        init(_ wanted: Int) { self.wanted = wanted }
    }

    // MARK: reload

    mutating func follow(
        _ notice: Notice, _ failure: String?, _ state: SupervisorState, _ reload: inout Reload,
        _ command: inout Running
    ) {
        switch (notice, reload.phase) {
        case (_, .closing): return
        case (.reloading, .asked), (.reloading, .queued):
            reload.phase = .running(barrier: state.reloadBarrier ?? 0)
        case (.reloadQueued, .asked): reload.phase = .queued
        case (.reloaded, .running): reload.phase = .settling
        case (.reloadAborted, .running):
            let reason = reload.failure.map { "\n\($0)" } ?? ""
            return end(&command, false, notice.text + reason)
        case (.diedBooting(let pid, _), .running), (.diedBooting(let pid, _), .settling):
            if isNew(pid, reload) { reload.failure = failure ?? notice.text }
        case (.ready(let pid), .running), (.ready(let pid), .settling):
            guard isNew(pid, reload) else { break }
            // With --reload, a worker serves without its app and says why.
            if let failure { reload.failure = failure }
            say(notice, to: command)
            reload.replaced += 1
            return say("Worker \(reload.replaced) of \(state.target) replaced", to: command)
        default: break
        }
        say(notice, to: command)
    }

    /// Whether a worker has been started by the reload, or after it has begun.
    private func isNew(_ pid: Int32, _ reload: Reload) -> Bool {
        guard case .running(let barrier) = reload.phase else { return true }
        return identity(of: pid).map { $0.age >= barrier } ?? false
    }

    mutating func settle(
        _ state: SupervisorState, _ reload: inout Reload, _ command: inout Running, at now: Double
    ) {
        if state.isEnding { return end(&command, false, "Not reloaded: the server stops") }
        if state.isWithdrawn { return end(&command, false, "Not reloaded: all workers leave") }
        switch reload.phase {
        case .asked: return
        case .queued: if state.reloadBarrier != nil || state.isReloadQueued { return }
        case .running: if state.reloadBarrier != nil { return }
        case .settling: break
        case .closing(let latest):
            guard now >= latest || !state.isClosing else { return }
            let former = state.leaving
            return end(
                &command, true,
                "Reloaded: \(state.target.of("worker"))"
                    + (former > 0 ? "; \(former) of before still to finish what runs" : ""))
        }
        // A change of files may have ended the reload: all workers are started anew then.
        reload.phase = .settling
        if let failure = reload.failure {
            return end(&command, false, "Reloaded, but a new worker does not serve the app\n\(failure)")
        }
        guard state.isComplete else { return }
        reload.phase = .closing(by: now + Reload.longestClosing)
        settle(state, &reload, &command, at: now)
    }

    // MARK: scale

    mutating func follow(
        _ notice: Notice, _ failure: String?, _ state: SupervisorState, _ scale: inout Scale,
        _ command: inout Running
    ) {
        say(notice, to: command)
        let pid: Int32
        switch notice {
        case .diedBooting(let one, _): pid = one
        case .ready(let one) where failure != nil: pid = one
        default: return
        }
        guard let index = identity(of: pid)?.index, index < state.target else { return }
        // That of a reload has a predecessor, which serves.
        let isServed = state.workers.contains { $0.index == index && $0.phase == .ready && $0.pid != pid }
        if !isServed { scale.failure = failure ?? notice.text }
    }

    mutating func settle(_ state: SupervisorState, _ scale: Scale, _ command: inout Running) {
        if state.isEnding { return end(&command, false, "Not scaled: the server stops") }
        if state.least != scale.wanted {
            return end(
                &command, false,
                "Not scaled: the number of workers has been changed again, to \(state.isWithdrawn ? 0 : state.least)")
        }
        if let failure = scale.failure {
            return end(
                &command, false, "A worker does not boot; the master goes on trying, until there are fewer\n\(failure)")
        }
        guard state.isComplete, !state.workers.contains(where: { $0.index >= state.target }) else { return }
        end(&command, true, "\(state.target.of("worker")) serve\(state.target == 1 ? "s" : "")")
    }
}
