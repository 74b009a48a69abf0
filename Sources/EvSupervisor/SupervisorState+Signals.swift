// The documented signals, one case each. Workers end in two ways: a reload replaces them, a stop does not.
import Glibc

extension SupervisorState {
    /// The signals that the master listens to, besides SIGCHLD.
    package static let signals: [Int32] = [
        SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH,
    ]

    mutating func handleSignal(_ number: Int32, _ now: Double) {
        guard number != SIGWINCH || obeysWINCH else { return }
        log(.handling(signal: number))
        switch number {
        case SIGTERM, SIGINT, SIGQUIT:
            if stop != nil { return hasten(now) }
            if number == SIGTERM, mayDelay { return beginLeaving(now) }
            beginStop(quick: number != SIGTERM, code: ExitCode.success, now)
        case SIGHUP: reconfigure()
        case SIGTTIN: addWorker(now)
        case SIGTTOU: removeWorker(now)
        case SIGUSR2: startMaster()
        case SIGWINCH: withdraw(now)
        case SIGUSR1: reopenLogs()
        default: break
        }
    }

    mutating func reconfigure() {
        guard !isEnding else { return }
        isReloadAbrupt = false
        actions.append(.reconfigure)
    }

    // MARK: one more, one fewer

    private mutating func addWorker(_ now: Double) {
        guard !isEnding else { return }
        // Each worker may have a successor, and both need a slot.
        guard (target + 1) * 2 <= slots else { return log(.workerLimit(target)) }
        least = isWithdrawn ? 1 : least + 1
        setTarget(target + 1, now)
    }

    private mutating func removeWorker(_ now: Double) {
        guard !isEnding, target > 1 else { return }
        least = max(1, least - 1)
        setTarget(target - 1, now)
    }

    /// Changes the number of workers: new ones are started as soon as the event has been handled, and those that are
    /// too many retire.
    mutating func setTarget(_ number: Int, _ now: Double) {
        guard number != target else { return }
        let old = target
        target = number
        isWithdrawn = number == 0
        idleSince = nil
        log(.workers(number))
        actions.append(.workersChanged(new: number, old: old))
        for index in old..<max(old, number) { histories[index] = nil }
        retire(now) { $0.index >= number }
        // After WINCH, clients wait in the queues, for the next master or for HUP.
        guard number > 0 else { return }
        for index in number..<max(old, number) { actions.append(.closeSockets(index: index)) }
    }

    mutating func reopenLogs() {
        actions.append(.reopenLogs)
        for pid in workers.compactMap(\.pid) { actions.append(.tell(pid: pid, .reopenLogs)) }
    }

    // MARK: the end of workers

    /// Retires the workers that match and are not retiring yet.
    mutating func retire(_ now: Double, _ command: ControlCommand = .retire, _ matches: (Worker) -> Bool) {
        for position in workers.indices where workers[position].phase != .retiring && matches(workers[position]) {
            let killAt = now + workers[position].gracefulTimeout + limits.gracefulSlack
            dismiss(position, command, killAt: killAt, .gracefulTimeout)
        }
    }

    private mutating func dismiss(_ position: Int, _ command: ControlCommand, killAt: Double, _ reason: KillReason) {
        workers[position].phase = .retiring
        workers[position].isSuccessor = false
        if killAt < workers[position].killAt ?? .infinity, !workers[position].wasKilled {
            workers[position].killAt = killAt
            workers[position].killReason = reason
        }
        if let pid = workers[position].pid { actions.append(.tell(pid: pid, command)) }
    }

    mutating func beginStop(quick: Bool, code: Int32, _ now: Double) {
        stop = Stop(isQuick: quick, code: code)
        leavingUntil = nil
        giveUpReload()
        // When the workers have closed their copies too, new clients are refused and do not wait in the queue.
        actions.append(.closeListeners)
        if quick, otherMaster == .none {
            quitAll(now)
        } else if quick {
            for position in workers.indices {
                dismiss(position, .handOver, killAt: now + limits.handOverTimeout, .quickStop)
            }
        } else {
            // Where another master serves, its workers take what waits.
            retire(now, otherMaster == .none ? .stop : .retire) { _ in true }
        }
    }

    /// A further signal while stopping: from graceful to quick, from quick to at once.
    mutating func hasten(_ now: Double) {
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
            dismiss(position, .quit, killAt: now + limits.quickTimeout, .quickStop)
        }
    }

    mutating func finishStop() {
        guard let stop, !stop.isOver, workers.isEmpty else { return }
        self.stop?.isOver = true
        actions.append(.halt(code: stop.code))
    }
}
