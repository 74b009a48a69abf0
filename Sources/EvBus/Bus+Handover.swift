// Subscribers that move to another process and miss nothing. The giver makes the other one its heir: the heir begins to
// write down what comes, then its filter wants all that the giver's wants, then everything that was on its way to the
// giver alone is waited for. From there on each message has gone to both, and a position tells which of them a
// subscriber has seen already.

import EvLoop

extension Bus {
    /// Makes the process of this place get what this one gets.
    ///
    /// - Parameters:
    ///   - limit: seconds.
    ///   - done: called later, once. With true, a subscriber that goes to the heir from now on, with the ``position``
    ///     of that moment, misses nothing there. With false the heir has ended, or a process has not answered
    ///     in time, and something may be missed; call ``endHandover(to:)`` all the same.
    package func beginHandover(
        to place: Int, limit: Double, _ done: @escaping @LoopActor (_ isComplete: Bool) -> Void
    ) {
        guard let seat, place != seat.place, seat.ground.isLive(place) else {
            LoopExecutor.shared.later { LoopActor.assumeIsolated { done(false) } }
            return
        }
        let end = EventLoop.monotonicNow() + limit
        ask(.beginJournal, [place], limit: limit) { [self] hasBegun in
            guard hasBegun, seat.ground.isLive(place) else { return done(false) }
            if !heirs.contains(place) { heirs.append(place) }
            seat.ground.join(seat.place, to: place)
            flush(limit: max(0, end - EventLoop.monotonicNow()), done)
        }
    }

    /// Everything has gone to the heir, behind which this call tells it so.
    package func endHandover(to place: Int) {
        heirs.removeAll { $0 == place }
        link(to: place)?.send(PacketHeader(.endJournal, from: sender))
    }

    /// In an heir: what has come of these channels beyond a position since the giver has begun to hand over, in the
    /// order in which it came.
    ///
    /// - Returns: also whether that is all. The journal is bounded.
    package func replay(_ channels: [[UInt8]], after position: BusPosition) -> (messages: [BusMessage], isAll: Bool) {
        guard let journal else { return ([], true) }
        return journal.replay(channels.map { ($0, hash($0)) }, after: position)
    }

    /// In an heir: keeps the journal until ``endJournal()``, also when the giver has ended its part.
    package func keepJournal() { beginJournal(for: sender) }
    package func endJournal() { endJournal(for: sender) }

    func beginJournal(for giver: BusSender) {
        forgetGivers()
        if journal == nil { journal = BusJournal() }
        journal?.givers.insert(giver)
    }

    /// A notice of somebody's end may have found this process's mailbox full.
    func forgetGivers() {
        for giver in journal?.givers ?? [] where age(of: Int(giver.place)) != giver.age { endJournal(for: giver) }
    }

    func endJournal(for giver: BusSender) {
        guard journal?.givers.remove(giver) != nil, journal?.givers.isEmpty == true else { return }
        journal = nil
        // What it has been made to want beyond its own channels.
        if let seat, tap == nil {
            // What a promise needs is not known here: then the filter stays, which brings some messages for nothing.
            _ = promises.ifNone { seat.ground.replaceFilter(seat.place, channels.filter) }
        }
    }
}

/// What has come while others hand over. Bounded: what comes later than the bound is not written down.
struct BusJournal {
    static let bound = 16 << 20

    var givers: Set<BusSender> = []
    private var entries: [UInt64: [(order: Int, message: BusMessage)]] = [:]
    private var count = 0
    private var bytes = 0
    private(set) var isFull = false

    mutating func add(_ message: BusMessage, _ hash: UInt64) {
        count += 1
        bytes += message.channel.count + message.payload.count + 128
        guard bytes <= Self.bound else {
            isFull = true
            return
        }
        entries[hash, default: []].append((count, message))
    }

    func replay(
        _ channels: [(name: [UInt8], hash: UInt64)], after position: BusPosition
    ) -> (messages: [BusMessage], isAll: Bool) {
        guard !entries.isEmpty else { return ([], !isFull) }
        var found: [(order: Int, message: BusMessage)] = []
        for (name, hash) in channels {
            for entry in entries[hash] ?? [] where entry.message.channel == name && !position.includes(entry.message) {
                found.append(entry)
            }
        }
        if channels.count > 1 { found.sort { $0.order < $1.order } }
        return (found.map(\.message), !isFull)
    }
}
