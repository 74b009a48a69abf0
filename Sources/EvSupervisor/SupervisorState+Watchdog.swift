// Time: heartbeats that stop, and deadlines that pass. Time in which the master itself did not run does not count, so
// no worker is killed because the machine was suspended or had no CPU time for the server.
import Glibc

extension SupervisorState {
    mutating func tick(_ heartbeats: [Int: Double], _ now: Double) {
        let elapsed = max(0, now - (lastTick ?? now))
        lastTick = now
        let counted = min(elapsed, limits.longestTick)
        let gap = elapsed - counted
        if gap > 0 {
            if gap >= limits.notableGap { log(.stoodStill(seconds: gap)) }
            for position in workers.indices {
                workers[position].killAt = workers[position].killAt.map { $0 + gap }
            }
        }
        if limits.timeout > 0 {
            for position in workers.indices { watch(position, heartbeats, counted, now) }
        }
        killOverdue(now)
        if let leavingUntil, leavingUntil <= now { beginStop(quick: false, code: ExitCode.success, now) }
    }

    private mutating func watch(_ position: Int, _ heartbeats: [Int: Double], _ counted: Double, _ now: Double) {
        var worker = workers[position]
        let beat = heartbeats[worker.slot] ?? worker.lastBeat
        if beat != worker.lastBeat {
            worker.lastBeat = beat
            worker.silence = 0
        } else {
            worker.silence += counted
        }
        let limit =
            worker.wasReady
            ? limits.timeout + limits.heartbeatPeriod : max(limits.timeout, limits.shortestBootLimit)
        if worker.silence >= limit, !worker.isHung, !worker.wasKilled, let pid = worker.pid {
            worker.isHung = true
            if now + limits.abortTimeout < worker.killAt ?? .infinity {
                worker.killAt = now + limits.abortTimeout
                worker.killReason = .hung
            }
            if worker.wasReady {
                actions.append(.reportHang(pid: pid, slot: worker.slot, silence: worker.silence))
            } else {
                log(.neverReady(pid: pid, seconds: worker.silence))
            }
            actions.append(.abort(pid: pid))
        }
        workers[position] = worker
    }

    mutating func killOverdue(_ now: Double) {
        for position in workers.indices {
            guard let pid = workers[position].pid, let killAt = workers[position].killAt, killAt <= now
            else { continue }
            workers[position].killAt = nil
            workers[position].wasKilled = true
            log(.killed(pid: pid, workers[position].killReason))
            actions.append(.signal(pid: pid, SIGKILL))
        }
    }
}
