// A worker that leaves gives its connections to others: those that are idle now, those that become idle later, in
// packets of many, a few in each turn of the loop. Law: a connection is here until another process's mailbox has taken
// it, and from then on it is there; nobody waits for another process.

package import EvLoop
import Logging

@LoopActor
package final class Moves {
    private unowned let worker: Worker
    /// Nil where there is no other process.
    package var post: (any ParcelPost)?
    private enum State { case staying, leaving, over }
    private var state = State.staying

    /// Those that wait, from `next` on.
    private var queue: [Connection] = []
    private var next = 0
    private var isDue = false
    private lazy var timer = TimerWatcher(worker.loop) { [unowned self] in
        isDue = false
        turn()
    }
    /// Ends the wait for mailboxes that are full.
    private lazy var patience = TimerWatcher(worker.loop) { [unowned self] in giveUp("no worker takes them in time") }

    /// What this worker has given to each slot, and what that had taken of all before.
    private var given: [Int: (count: UInt32, before: UInt32)] = [:]
    private var full: Set<Int> = []
    private(set) var moved = 0
    private(set) var taken: UInt32 = 0

    /// Packets sent in one turn of the loop.
    private static let batch = 3
    /// Seconds in which a mailbox that is full must take something.
    private static let limit = 2.0
    /// A sibling that has not beaten for so many seconds takes nothing.
    private static let staleness = 2.5
    /// Descriptors that are left to a receiver for its app and for what comes to it from clients.
    private static let reserve = 192

    init(_ worker: Worker) { self.worker = worker }

    /// Connections go on in other processes.
    var isLeaving: Bool { state == .leaving }

    /// Whether a connection waits to go, or will when it is idle: then nobody tells its client to close it.
    func keeps(_ connection: Connection) -> Bool {
        guard state == .leaving, !connection.isSpare, case .plain = connection.transport else { return false }
        return connection is HTTP1Connection || connection is ProxyPreface || connection is TLSHandshake
    }

    // MARK: leaving

    /// The worker leaves, and accepts nothing more. Connections go as soon as this turn of the loop is over.
    func begin() {
        guard state == .staying, worker.loop.canForget, choose() != nil else {
            state = .over
            return
        }
        state = .leaving
        for wait in [Wait.keepAlive, .head, .handshake] {
            worker.deadlines.forEach(wait) { if let connection = $0 as? Connection { queue.append(connection) } }
        }
        schedule()
    }

    /// There is no time left.
    func end() {
        state = .over
        queue = []
        next = 0
        timer.stop()
        patience.stop()
    }

    /// To be called for each connection of a worker that leaves, when its request has been answered.
    func becameIdle(_ connection: Connection) {
        guard state == .leaving else { return }
        queue.append(connection)
        schedule()
    }

    private func schedule() {
        guard !isDue, next < queue.count else { return }
        isDue = true
        timer.start(after: 0)
    }

    private func turn() {
        guard state == .leaving else { return }
        for _ in 0..<Self.batch where next < queue.count {
            guard let receiver = choose() else {
                if full.isEmpty { return giveUp("no worker takes connections") }
                if !patience.isActive { patience.start(after: Self.limit) }
                return
            }
            sendSome(to: receiver)
        }
        guard next < queue.count else {
            queue = []
            next = 0
            return
        }
        schedule()
    }

    private func sendSome(to receiver: (number: Int, share: Int)) {
        var packet = ParcelPacket()
        defer { packet.discard() }
        var leaving: [Connection] = []
        var end = next
        while end < queue.count, leaving.count < receiver.share, !packet.isFull {
            let connection = queue[end]
            if let parcel = connection.parcel {
                guard packet.add(parcel, connection.transport.fileDescriptor) else {
                    // One that no packet can take stays here.
                    if packet.isEmpty { end += 1 }
                    break
                }
                leaving.append(connection)
            }
            end += 1
        }
        guard !leaving.isEmpty else { return next = end }
        guard send(packet, of: leaving, to: receiver.number) else { return }
        next = end
        // Taken out of the way before there are as many again.
        if next > 4096 {
            queue.removeFirst(next)
            next = 0
        }
    }

    /// Whether they are gone.
    private func send(_ packet: ParcelPacket, of connections: [Connection], to number: Int) -> Bool {
        guard let post else { return false }
        switch post.send(packet, to: number) {
        case .taken:
            patience.stop()
            note(connections.count, to: number)
            for connection in connections { connection.departs() }
            return true
        case .full:
            full.insert(number)
            post.whenTaking(number) { [weak self] in
                self?.full.remove(number)
                self?.schedule()
            }
        case .failed(let number):
            giveUp(SystemError.message(number))
        }
        return false
    }

    private func giveUp(_ reason: String) {
        let waiting = queue[next...].count { $0.parcel != nil }
        end()
        guard waiting > 0 else { return }
        worker.logger.info(
            "Connections that cannot be moved are closed when they have been idle",
            metadata: ["connections": "\(waiting)", "reason": "\(reason)"])
    }

    /// - Returns: how many have left, and to how many workers.
    var summary: (connections: Int, workers: Int)? { moved == 0 ? nil : (moved, given.count) }

    // MARK: one connection

    /// Gives a connection to the worker of a slot. Whether that has it: then it is gone here.
    package func give(_ connection: Connection, _ parcel: Parcel, to number: Int) -> Bool {
        guard let post, worker.loop.canForget, parcel.hops <= Parcel.mostHops, !connection.isClosed else {
            return false
        }
        var packet = ParcelPacket()
        defer { packet.discard() }
        guard packet.add(parcel, connection.transport.fileDescriptor), post.send(packet, to: number) == .taken
        else { return false }
        note(1, to: number)
        connection.departs()
        return true
    }

    /// One has come.
    func took() {
        taken &+= 1
        worker.slot.taken = taken
        Counted.add(at: Counter.movedIn)
    }

    // MARK: to whom

    private func note(_ count: Int, to number: Int) {
        moved += count
        Counted.add(UInt64(count), at: Counter.movedOut)
        let before = given[number] ?? (0, post?.siblings.first { $0.number == number }?.slot.taken ?? 0)
        given[number] = (before.count &+ UInt32(clamping: count), before.before)
    }

    /// The worker with the fewest connections of those that may take some: the younger ones where there are any, since
    /// the others may be about to leave as well. `share`: how many it should get at most before another is looked for.
    private func choose() -> (number: Int, share: Int)? {
        guard let post else { return nil }
        let now = EventLoop.coarseNow()
        let most = min(worker.configuration.connections, DescriptorLimit.current.soft - Self.reserve)
        var best: (number: Int, load: Int)?
        var count = 0
        var isYoung = false
        for (number, slot) in post.siblings {
            guard slot.state == .ready, now - slot.heartbeat < Self.staleness, !full.contains(number) else { continue }
            let given = given[number] ?? (0, slot.taken)
            // On their way there.
            let due = Int(given.count) - Int(slot.taken &- given.before)
            let load = Int(slot.open) + max(0, due)
            guard load < most else { continue }
            let isYounger = slot.age > worker.slot.age
            if isYounger, !isYoung { (best, count, isYoung) = (nil, 0, true) }
            guard isYounger == isYoung else { continue }
            count += 1
            if best.map({ load < $0.load }) ?? true { best = (number, load) }
        }
        guard let best else { return nil }
        let fair = (queue.count - next + count - 1) / count
        return (best.number, max(1, min(fair, Packet.mostDescriptors, most - best.load)))
    }
}
