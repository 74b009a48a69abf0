// `--rebalance`: a worker that has held more connections than others for a while gives them some that are idle, and
// where these are not enough, some that are held. Law: nothing moves for a difference that passes; a turn of the loop
// sends one packet, so that nobody waits; and a hold goes to an heir alone (Moves+Holds.swift).

import EvBus
import EvLoop

@LoopActor
final class Rebalance {
    private unowned let worker: Worker
    /// How many heartbeats there has been too much of a difference.
    private var beats = 0
    /// Connections to be given until the next heartbeat.
    private var due = 0
    /// Of holds: the worker that gets every message that this one gets.
    private enum Heir { case none, asked(Int), ready(Int) }
    private var heir = Heir.none
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
    /// Seconds in which every process must have answered before holds go.
    private static let answerLimit = 5.0
    /// How many of those that have waited longest may be such as cannot go.
    private static let slack = 64

    init(_ worker: Worker) { self.worker = worker }

    /// Once a second.
    func beat() {
        due = 0
        guard isTooMany else {
            beats = 0
            return endHandover()
        }
        beats += 1
        guard beats > Self.patience, let (_, mean) = others else { return }
        due = min(worker.openConnections - mean, Self.rate)
        turn()
    }

    private var isTooMany: Bool {
        guard worker.slot.state == .ready, let (least, _) = others else { return false }
        return Double(worker.openConnections) > Self.ratio * Double(least.count) + Double(Self.margin)
    }

    /// Who has the fewest connections, and how many each would have if all had the same number. While holds go to an
    /// heir, it is that one.
    private var others: (receiver: (place: Int, count: Int), mean: Int)? {
        let now = EventLoop.coarseNow()
        var sum = worker.openConnections
        var workers = 1
        var least: (place: Int, count: Int)?
        var chosen: (place: Int, count: Int)?
        for (place, slot) in worker.moves.neighbours
        where slot.state == .ready && slot.isBeating(at: now) {
            let count = Int(slot.open)
            sum += count
            workers += 1
            if case .ready(place) = heir { chosen = (place, count) }
            if least.map({ count < $0.count }) ?? true { least = (place, count) }
        }
        return (chosen ?? least).map { ($0, sum / workers) }
    }

    /// Gives a packet of connections. They count where they go only when they have arrived, so the next one is later.
    private func turn() {
        // From here on Moves decides about the heirs.
        guard worker.slot.state == .ready else { return heir = .none }
        guard due > 0, let (receiver, mean) = others else { return endHandover() }
        let count = min(due, mean - receiver.count, ParcelPacket.most)
        guard count > 0 else {
            due = 0
            return endHandover()
        }
        guard !worker.moves.isOnTheWay(to: receiver.place) else { return timer.start(after: Self.pause) }
        var going = movable(.keepAlive, count)
        if going.count < count {
            let held = movable(.held, count - going.count)
            if case .ready = heir { going += held } else if !held.isEmpty { beginHandover(to: receiver.place) }
        }
        let given = worker.moves.give(going, to: receiver.place)
        due -= given
        if due > 0, given > 0 { return timer.start(after: Self.pause) }
        endHandover()
    }

    /// Those that have waited longest, of which a few may be such as cannot go.
    private func movable(_ wait: Wait, _ count: Int) -> [Connection] {
        let oldest = worker.deadlines.oldest(wait, most: count + Self.slack).compactMap { $0 as? Connection }
        return Array(oldest.filter { $0.parcel != nil }.prefix(count))
    }

    // MARK: holds

    private func beginHandover(to place: Int) {
        guard case .none = heir else { return }
        heir = .asked(place)
        worker.bus.beginHandover(to: place, limit: Self.answerLimit) { [weak self] isComplete in
            self?.answered(place, isComplete)
        }
    }

    private func answered(_ place: Int, _ isComplete: Bool) {
        guard worker.slot.state == .ready else { return heir = .none }
        heir = .ready(place)
        if isComplete { turn() } else { endHandover() }
    }

    private func endHandover() {
        guard case .ready(let place) = heir else { return }
        heir = .none
        worker.bus.endHandover(to: place)
    }
}
