// A worker's life, from its fork to its end. A worker that dies early is started again after a pause.
import Glibc

extension SupervisorState {
    mutating func spawned(_ age: Int, _ pid: Int32) {
        guard let position = workers.firstIndex(where: { $0.age == age }) else { return }
        workers[position].pid = pid
        tally.count(.boots)
        log(.booting(pid: pid))
    }

    mutating func spawnFailed(_ age: Int, _ reason: String, _ now: Double) {
        guard let position = workers.firstIndex(where: { $0.age == age }) else { return }
        let worker = workers.remove(at: position)
        tally.count(.forkFailed)
        let delay = pause(worker.index, now)
        log(.spawnFailed(reason: reason, delay: delay))
    }

    mutating func workerReady(_ pid: Int32, _ now: Double) {
        guard let position = workers.firstIndex(where: { $0.pid == pid }), !workers[position].wasReady else { return }
        someoneWasReady = true
        workers[position].wasReady = true
        workers[position].silence = 0
        log(.ready(pid: pid))
        guard workers[position].phase == .booting else { return }
        workers[position].phase = .ready
        if leavingUntil != nil { actions.append(.tell(pid: pid, .announce)) }
        guard workers[position].isSuccessor else { return }
        workers[position].isSuccessor = false
        let (age, index) = (workers[position].age, workers[position].index)
        retire(now) { $0.index == index && $0.age != age }
    }

    mutating func childExited(_ pid: Int32, _ status: ExitStatus, _ now: Double) {
        if otherMaster == .next(pid: pid) { return nextMasterEnded(status, now) }
        // An unknown child: as process 1 of a container the master inherits every orphan.
        guard let position = workers.firstIndex(where: { $0.pid == pid }) else { return }
        if let cause = cause(ofEnd: pid, status) { tally.count(cause) }
        let worker = workers.remove(at: position)
        actions.append(.releaseSlot(worker.slot))
        if worker.phase == .retiring {
            retiredWorkerExited(worker, pid, status)
        } else if worker.hasFinished, status == .exited(code: 0) {
            // Another process has told the worker to end. The pause limits how often that can happen.
            log(.exiting(pid: pid))
            histories[worker.index, default: History()].pausedUntil = worker.startedAt + limits.shortestPause
        } else if worker.wasReady {
            workerDied(worker, pid, status, now)
        } else {
            workerFailedToBoot(worker, pid, status, now)
        }
    }

    private mutating func retiredWorkerExited(_ worker: Worker, _ pid: Int32, _ status: ExitStatus) {
        switch status {
        // The app that it was importing had restored the signal's default action, which ended the worker.
        case .signaled(SIGTERM, _) where !worker.wasReady: log(.exiting(pid: pid))
        case .signaled(SIGINT, _) where !worker.wasReady: log(.exiting(pid: pid))
        case .exited(code: 0): log(worker.hasFinished ? .exiting(pid: pid) : .leftUnasked(pid: pid))
        case .signaled(SIGKILL, _) where worker.wasKilled: log(.exiting(pid: pid))
        default: log(.died(pid: pid, status))
        }
    }

    private mutating func workerDied(_ worker: Worker, _ pid: Int32, _ status: ExitStatus, _ now: Double) {
        if status == .exited(code: 0) {
            log(.leftUnasked(pid: pid))
        } else if !(worker.wasKilled && worker.isHung) {
            log(.died(pid: pid, status))
        }
        if now - worker.startedAt >= limits.earlyDeath {
            histories[worker.index] = nil
        } else {
            let delay = pause(worker.index, now)
            logPause(worker.index, delay)
        }
    }

    private mutating func workerFailedToBoot(
        _ worker: Worker, _ pid: Int32, _ status: ExitStatus, _ now: Double
    ) {
        log(.diedBooting(pid: pid, status))
        if case .exited(let code) = status,
            code == ExitCode.workerBootFailed || code == ExitCode.appLoadFailed,
            worker.age <= firstGeneration || !someoneWasReady, stop == nil
        {
            // At the start no client is served yet. To end with an error is better than to try for ever.
            log(.haltedByBootFailure(code: code))
            beginStop(quick: true, code: code, now)
            return
        }
        let delay = pause(worker.index, now)
        if worker.isSuccessor, reloadBarrier != nil {
            abortReload(now)
        } else {
            logPause(worker.index, delay)
        }
    }

    /// Delays the next start of this index, each time twice as long, and returns the delay in seconds.
    private mutating func pause(_ index: Int, _ now: Double) -> Double {
        var history = histories[index] ?? History()
        let doublings = min(history.failures, 20)
        history.failures += 1
        let delay = min(limits.longestPause, limits.shortestPause * Double(1 << doublings))
        history.pausedUntil = now + delay
        histories[index] = history
        return delay
    }

    private mutating func logPause(_ index: Int, _ delay: Double) {
        guard stop == nil, index < target else { return }
        log(.nextStart(index: index, delay: delay, failures: histories[index]?.failures ?? 1))
    }
}
