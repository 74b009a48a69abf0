// `--rebalance`: a worker that has held more connections than others for a while gives them some that are idle. Law:
// nothing moves for a difference that passes; and a turn of the loop sends one packet, so that nobody waits.

import EvLoop

@LoopActor
final class Rebalance {
    private unowned let worker: Worker
    /// How many heartbeats there has been too much of a difference.
    private var beats = 0
    /// Connections to be given until the next heartbeat.
    private var due = 0
    private lazy var timer = TimerWatcher(worker.loop) { [unowned self] in turn() }

    /// So many times as many as at the worker with the fewest are too many, and so many more do not matter.
    private static let ratio = 1.25
    private static let margin = 8
    /// Seconds for which the difference has lasted.
    private static let patience = 10
    /// Connections that are given within a second.
    private static let rate = 4000
    /// Seconds between two packets.
    private static let pause = 0.01

    init(_ worker: Worker) { self.worker = worker }

    /// Once a second.
    func beat() {
        due = 0
        guard worker.slot.state == .ready, let (least, mean) = others else { return beats = 0 }
        guard Double(worker.openConnections) > Self.ratio * Double(least.count) + Double(Self.margin) else {
            return beats = 0
        }
        beats += 1
        guard beats > Self.patience else { return }
        due = min(worker.openConnections - mean, Self.rate)
        turn()
    }

    /// Who has the fewest connections, and how many each would have if all had the same number.
    private var others: (least: (place: Int, count: Int), mean: Int)? {
        let now = EventLoop.coarseNow()
        var sum = worker.openConnections
        var workers = 1
        var least: (place: Int, count: Int)?
        for (place, slot) in worker.moves.neighbours
        where slot.state == .ready && slot.isBeating(at: now) {
            let count = Int(slot.open)
            sum += count
            workers += 1
            if least.map({ count < $0.count }) ?? true { least = (place, count) }
        }
        return least.map { ($0, sum / workers) }
    }

    /// Gives a packet of connections. They count where they go only when they have arrived, so the next one is later.
    private func turn() {
        guard due > 0, let (least, mean) = others else { return }
        let count = min(due, mean - least.count, ParcelPacket.most)
        guard count > 0 else { return due = 0 }
        // Counted there when it has arrived.
        guard !worker.moves.isOnTheWay(to: least.place) else { return timer.start(after: Self.pause) }
        // Those that have been idle for longest, of which a few may be such as cannot go.
        let idle = worker.deadlines.oldest(.keepAlive, most: count + 64).compactMap { $0 as? Connection }
        let given = worker.moves.give(Array(idle.filter { $0.parcel != nil }.prefix(count)), to: least.place)
        due -= given
        if due > 0, given > 0 { timer.start(after: Self.pause) }
    }
}
