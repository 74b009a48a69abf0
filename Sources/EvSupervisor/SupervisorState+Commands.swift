// What is asked over the admin socket: as the signals say it, and what they cannot say.
import Glibc

extension SupervisorState {
    mutating func obey(_ command: MasterCommand, _ now: Double) {
        switch command {
        case .reload: reconfigure()
        case .stop(let quick): beginStop(quick: quick, now)
        case .scale(let workers): scale(to: room(for: workers), wanted: workers, now)
        case .upgrade: startMaster()
        case .reopenLogs: reopenLogs()
        }
    }

    /// To say it twice changes nothing, other than with signals: whoever waits for the end may be one of several.
    private mutating func beginStop(quick: Bool, _ now: Double) {
        if let stop {
            if quick, !stop.isQuick { hasten(now) }
        } else if quick {
            beginStop(quick: true, code: ExitCode.success, now)
        } else if mayDelay {
            beginLeaving(now)
        } else if leavingUntil == nil {
            beginStop(quick: false, code: ExitCode.success, now)
        }
    }

    /// As many workers as there is room for: each may have a successor, and both need a slot.
    func room(for workers: Int) -> Int { min(max(1, workers), max(1, slots / 2)) }

    /// As TTIN and TTOU do, for the least number: where it follows the load, there may be more.
    private mutating func scale(to number: Int, wanted: Int, _ now: Double) {
        guard !isEnding else { return }
        if wanted > number { log(.workersClamped(to: number, wanted: wanted)) }
        least = number
        setTarget(number, now)
    }

    /// The next master serves: the workers of this one leave, and would come back if it ended.
    mutating func giveWay(_ now: Double) {
        guard case .next(let pid) = otherMaster else { return }
        log(.nextMasterReady(pid: pid))
        withdraw(now)
    }
}
