// Two masters on the same sockets: USR2 starts the next one, WINCH retires the workers of this one, HUP brings them
// back, and whichever master is left at the end serves alone. A next master that fails leaves everything as it was.
import Glibc

extension SupervisorState {
    /// Whether another master serves on the same sockets.
    package var hasOtherMaster: Bool { otherMaster != .none }
    package var hasFormerMaster: Bool { otherMaster == .former }

    /// As in gunicorn, one upgrade at a time.
    mutating func startMaster() {
        guard !isEnding else { return }
        switch otherMaster {
        case .none: actions.append(.startMaster)
        case .former: log(.masterRefused("the master that has started this one still runs"))
        case .next(let pid): log(.masterRefused("the next master (pid: \(pid)) runs already"))
        }
    }

    mutating func masterStarted(_ pid: Int32) {
        otherMaster = .next(pid: pid)
        log(.masterStarted(pid: pid))
    }

    mutating func nextMasterEnded(_ status: ExitStatus, _ now: Double) {
        guard case .next(let pid) = otherMaster else { return }
        otherMaster = .none
        log(.masterEnded(pid: pid, status))
        // Nobody would serve.
        if isWithdrawn, !isEnding { setTarget(least, now) }
    }

    mutating func formerMasterEnded() {
        guard otherMaster == .former else { return }
        otherMaster = .none
        log(.tookOver)
        actions.append(.takeOver)
    }

    /// A window that changes its size sends WINCH to all that runs in it. Process 1 of a container gets it from whoever
    /// started the container in such a window.
    var obeysWINCH: Bool { hasOtherMaster || !isOnTerminal }

    /// Retires all workers; the master stays, and so do its sockets.
    mutating func withdraw(_ now: Double) {
        guard !isEnding, !isWithdrawn else { return }
        log(.withdrawing)
        giveUpReload()
        setTarget(0, now)
    }
}
