// TERM with a shutdown delay: workers say with each answer that the connection ends, and go on accepting while proxies
// learn that this server leaves. Then they drain. Another signal ends the delay.

extension SupervisorState {
    /// The end is decided: nothing is started any more but what replaces a worker that dies during the delay.
    var isEnding: Bool { stop != nil || leavingUntil != nil }

    /// Where nobody serves, or another master goes on serving, there is nothing to wait for.
    var mayDelay: Bool {
        limits.shutdownDelay > 0 && leavingUntil == nil && !hasOtherMaster && workers.contains { $0.phase == .ready }
    }

    mutating func beginLeaving(_ now: Double) {
        leavingUntil = now + limits.shutdownDelay
        giveUpReload()
        log(.leaving(seconds: limits.shutdownDelay))
        for worker in workers where worker.phase == .ready {
            if let pid = worker.pid { actions.append(.tell(pid: pid, .announce)) }
        }
    }
}
