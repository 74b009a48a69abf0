// The documented signals, one case each. Workers end in two ways: a reload replaces them, a stop does not.
import Glibc

extension SupervisorState {
    /// The signals that the master listens to, besides SIGCHLD.
    package static let signals: [Int32] = [
        SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH,
    ]

    mutating func handleSignal(_ number: Int32, _ now: Double) {
        // WINCH comes whenever a terminal is resized, and what these signals mean in gunicorn is not supported.
        guard number != SIGWINCH else { return }
        guard number != SIGUSR2 else { return log(.unsupported(signal: number)) }
        log(.handling(signal: number))
        switch number {
        case SIGTERM, SIGINT, SIGQUIT:
            if stop != nil { return hasten(now) }
            beginStop(quick: number != SIGTERM, code: ExitCode.success, now)
        case SIGHUP: requestReload()
        case SIGTTIN: addWorker()
        case SIGTTOU: removeWorker(now)
        case SIGUSR1: reopenLogs()
        default: break
        }
    }

    // MARK: reload

    private mutating func requestReload() {
        guard stop == nil else { return }
        guard reloadBarrier == nil else {
            isReloadQueued = true
            return log(.reloadQueued)
        }
        beginReload()
    }

    private mutating func beginReload() {
        reloadBarrier = nextAge
        isReloadQueued = false
        // The cause of earlier failures may have been removed, so all pauses end.
        histories = [:]
        log(.reloading)
    }

    /// Ends a reload when all old workers are replaced.
    mutating func finishReload() {
        guard let barrier = reloadBarrier,
            !workers.contains(where: { $0.phase != .retiring && ($0.age < barrier || $0.isSuccessor) })
        else { return }
        reloadBarrier = nil
        log(.reloaded)
        if isReloadQueued { beginReload() }
    }

    /// Workers that this reload has replaced already stay, and so do those that it has not.
    mutating func abortReload(_ now: Double) {
        reloadBarrier = nil
        log(.reloadAborted(kept: workers.count { $0.phase == .ready }))
        if isReloadQueued { beginReload() }
    }

    // MARK: one more, one fewer

    private mutating func addWorker() {
        guard stop == nil else { return }
        // Each worker may have a successor, and both need a slot.
        guard (target + 1) * 2 <= slots else { return log(.workerLimit(target)) }
        histories[target] = nil
        target += 1
        log(.workers(target))
    }

    private mutating func removeWorker(_ now: Double) {
        guard stop == nil, target > 1 else { return }
        target -= 1
        let gone = target
        log(.workers(target))
        retire(now) { $0.index >= gone }
        actions.append(.closeSockets(index: gone))
    }

    private mutating func reopenLogs() {
        actions.append(.reopenLogs)
        for position in workers.indices {
            guard workers[position].wasReady, let pid = workers[position].pid else {
                workers[position].owesReopen = true
                continue
            }
            actions.append(.signal(pid: pid, SIGUSR1))
        }
    }

    // MARK: the end of workers

    /// Retires the workers that match and are not retiring yet.
    mutating func retire(_ now: Double, _ matches: (Worker) -> Bool) {
        for position in workers.indices where workers[position].phase != .retiring && matches(workers[position]) {
            dismiss(position, SIGTERM, killAt: now + limits.gracefulTimeout + limits.gracefulSlack, .gracefulTimeout)
        }
    }

    private mutating func dismiss(_ position: Int, _ number: Int32, killAt: Double, _ reason: KillReason) {
        workers[position].phase = .retiring
        workers[position].isSuccessor = false
        if killAt < workers[position].killAt ?? .infinity, !workers[position].wasKilled {
            workers[position].killAt = killAt
            workers[position].killReason = reason
        }
        if let pid = workers[position].pid { actions.append(.signal(pid: pid, number)) }
    }

    mutating func beginStop(quick: Bool, code: Int32, _ now: Double) {
        stop = Stop(isQuick: quick, code: code)
        reloadBarrier = nil
        isReloadQueued = false
        // When the workers have closed their copies too, new clients are refused and do not wait in the queue.
        actions.append(.closeListeners)
        if quick {
            quitAll(now)
        } else {
            retire(now) { _ in true }
        }
    }

    /// A further signal while stopping: from graceful to quick, from quick to at once.
    private mutating func hasten(_ now: Double) {
        guard let stop, !stop.isOver else { return }
        if stop.isQuick {
            for position in workers.indices {
                workers[position].killAt = now
                workers[position].killReason = .demanded
            }
            killOverdue(now)
        } else {
            self.stop?.isQuick = true
            quitAll(now)
        }
    }

    private mutating func quitAll(_ now: Double) {
        for position in workers.indices {
            // One that is still booting may not listen yet, and the default of SIGQUIT is a core.
            let number = workers[position].wasReady ? SIGQUIT : SIGTERM
            dismiss(position, number, killAt: now + limits.quickTimeout, .quickStop)
        }
    }

    mutating func finishStop() {
        guard let stop, !stop.isOver, workers.isEmpty else { return }
        self.stop?.isOver = true
        actions.append(.halt(code: stop.code))
    }
}
