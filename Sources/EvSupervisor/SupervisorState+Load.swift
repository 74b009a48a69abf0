// The number of workers follows the load, between the configured number and `Limits.mostWorkers`: one more when all
// have been busy for a second, one fewer when for `Limits.idleTimeout` seconds the others could have done all the work
// with half of their capacity to spare. TTIN and TTOU change the least number.

extension SupervisorState {
    /// Percent: from here on a worker is busy.
    static let busy = 90

    /// The most workers that the load may ask for.
    var most: Int { max(least, min(limits.mostWorkers, slots / 2)) }

    package var followsLoad: Bool { most > least }

    /// - Parameter loads: of the last second, by the number of the slot; 100 when requests waited for their turn.
    mutating func follow(_ loads: [Int: Int], _ now: Double) {
        guard !isEnding, target > 0, reloadBarrier == nil else { return }
        let serving = workers.filter { $0.phase == .ready }
        // A worker that starts will take its share, so its effect is awaited.
        guard serving.count == target, !workers.contains(where: { $0.phase == .booting }) else {
            idleSince = nil
            return
        }
        let shares = serving.map { loads[$0.slot] ?? 0 }
        if target < most, shares.allSatisfy({ $0 >= Self.busy }) { return setTarget(target + 1, now) }
        guard target > least, shares.reduce(0, +) <= (target - 1) * 50 else {
            idleSince = nil
            return
        }
        let since = idleSince ?? now
        idleSince = since
        if now - since >= limits.idleTimeout { setTarget(target - 1, now) }
    }
}
