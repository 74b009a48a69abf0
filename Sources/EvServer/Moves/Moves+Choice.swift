// To whom connections go.

import EvBus
import EvLoop

extension Moves {
    enum Choice {
        /// `share`: how many it should get at most before another is looked for.
        case worker(place: Int, share: Int)
        /// Those that may take some are not ready yet, or slow, or have not taken yet what they were sent.
        case later
        /// Nobody is there, or all have as many as they may.
        case nobody
    }

    /// Packets on their way to one worker.
    private static let window = 4
    /// Descriptors that are left to a receiver for its app and for those who connect to it.
    private static let reserve = 192

    /// The workers that may take connections: the younger ones where there are any, since the others may be about to
    /// leave as well.
    var candidates: [Int] {
        let (younger, elder) = takers
        return (younger.isEmpty ? elder : younger).map(\.place)
    }

    private typealias Taker = (place: Int, slot: ScoreboardSlot)

    /// Those of this master, as long as any of them stays.
    private var others: [Taker] {
        receiving == .all && neighbours.contains { $0.slot.state == .ready } ? neighbours : strangers
    }

    private func isYounger(_ place: Int) -> Bool {
        worker.bus.seat.map { $0.ground.age(of: place) > $0.age } ?? false
    }

    private var takers: (younger: [Taker], elder: [Taker]) {
        guard let seat = worker.bus.seat else { return ([], []) }
        var (younger, elder): ([Taker], [Taker]) = ([], [])
        for (place, slot) in others where slot.state == .ready && seat.ground.isLive(place) {
            if isYounger(place) { younger.append((place, slot)) } else { elder.append((place, slot)) }
        }
        return (younger, elder)
    }

    /// Where nobody listens who takes connections, because the configuration has changed.
    var abandonedAddresses: [[UInt8]] {
        guard let seat = worker.bus.seat else { return [] }
        let places = candidates
        return worker.acceptor.names.filter { name in !places.contains { seat.ground.isListening($0, at: name) } }
    }

    /// The worker with the fewest connections of those that may take some. An elder one only where no younger one can,
    /// or none has taken anything for a while.
    func choose() -> Choice {
        let now = EventLoop.monotonicNow()
        let (younger, elder) = takers
        let choice = choose(of: younger, at: now)
        switch choice {
        case .worker: return choice
        case .later where now - progress < Self.limit: return choice
        case .later, .nobody: break
        }
        let other = choose(of: elder, at: now)
        if case .nobody = other { return isMoreToCome ? .later : choice }
        return other
    }

    /// A worker begins, or is about to become an heir.
    private var isMoreToCome: Bool {
        handover?.asked.isEmpty == false
            || others.contains { $0.slot.state == .booting && isYounger($0.place) }
    }

    private func choose(of takers: [Taker], at now: Double) -> Choice {
        let takers = takers.filter { hasHeir($0.place) }
        guard !takers.isEmpty, let seat = worker.bus.seat else { return .nobody }
        let most = min(worker.configuration.connections, DescriptorLimit.current.soft - Self.reserve)
        // What others give is spread as this worker's is.
        let givenByOthers = seat.ground.given(byOthersThan: seat.place) / takers.count
        var best: (place: Int, load: Int)?
        var count = 0
        var isLater = false
        for (place, slot) in takers {
            let way = ways[place] ?? Way()
            let load = Int(slot.open) + way.connections + givenByOthers
            guard load < most else {
                // What has arrived counts twice for a moment.
                isLater = isLater || way.packets > 0
                continue
            }
            count += 1
            guard slot.isBeating(at: now), way.packets < Self.window, !way.isStuck(at: now) else {
                isLater = true
                continue
            }
            if best.map({ load < $0.load }) ?? true { best = (place, load) }
        }
        guard let best else { return isLater ? .later : .nobody }
        let fair = (waiting + count - 1) / count
        return .worker(place: best.place, share: max(1, min(fair, ParcelPacket.most, most - best.load)))
    }
}
