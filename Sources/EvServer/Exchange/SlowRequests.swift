// `--slow-request`: finds requests that take too long, while they run and once each. Law: one timer, which looks at
// what runs; a request has no timer of its own, and without the setting nothing looks.

package import EvLoop

@LoopActor
package final class SlowRequests {
    /// How many are named at once; of the others only their number is told.
    package static let most = 10

    private let limit: Double
    private unowned let worker: Worker
    private var timer: TimerWatcher?
    /// Called with the oldest of those that have become slow, and with how many more there are.
    private let report: @LoopActor (_ slow: [Exchange], _ more: Int) -> Void

    /// - Parameter limit: seconds, more than 0.
    package init(
        _ worker: Worker, limit: Double, report: @escaping @LoopActor (_ slow: [Exchange], _ more: Int) -> Void
    ) {
        self.worker = worker
        self.limit = limit
        self.report = report
        let timer = TimerWatcher(worker.loop) { [unowned self] in self.look() }
        self.timer = timer
        let period = min(1, max(0.05, limit / 2))
        timer.start(after: period, every: period)
    }

    package func stop() { timer?.stop() }

    private func look() {
        let due = EventLoop.monotonicNow() - limit
        // Not WebSockets, which stand in other lists.
        var slow = worker.exchanges(in: [.active, .body, .halfClose]).filter { $0.startedAt <= due && $0.mayBeSlow }
        guard !slow.isEmpty else { return }
        for exchange in slow { exchange.isReportedSlow = true }
        slow.sort { $0.startedAt < $1.startedAt }
        report(Array(slow.prefix(Self.most)), max(0, slow.count - Self.most))
    }
}

extension Exchange {
    /// A request that is parked waits on purpose, and no code runs for it.
    fileprivate var mayBeSlow: Bool { !isReportedSlow && !isGone && !hasUpgraded && app != .parked }
}
