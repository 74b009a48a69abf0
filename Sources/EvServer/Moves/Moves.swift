// A worker that leaves gives its connections to others: those that are idle now, those that become idle later, in
// packets of many, a few in each turn of the loop. Law: a connection is in one process; one that nobody takes stays
// here; and nobody waits for another process.

import EvBus
package import EvLoop
import Logging

/// Who takes the connections of a worker that leaves.
package enum Receivers: Sendable {
    /// Those of the same master that stay, else those of another one.
    case all
    case otherMaster
}

@LoopActor
package final class Moves {
    unowned let worker: Worker
    private let siblings: [ScoreboardSlot]
    private let otherSlots: [ScoreboardSlot]
    private(set) var receiving = Receivers.all
    private var abandoned: [[UInt8]] = []
    private enum State { case staying, leaving, over }
    private var state = State.staying

    /// Those that wait, from `next` on.
    private var queue: [Connection] = []
    private var next = 0
    var waiting: Int { queue.count - next }
    private var isDue = false
    /// All that were idle when the worker began to leave are in the queue.
    private var isCollected = false
    private lazy var timer = TimerWatcher(worker.loop) { [unowned self] in
        isDue = false
        turn()
    }

    /// What is on its way to another worker.
    struct Way {
        var packets = 0
        var connections = 0
        /// Of these, packets and connections for which nobody has asked yet whether they have arrived.
        var unasked = (packets: 0, connections: 0)
        /// When it last took something, or the first of these was sent.
        var since = 0.0

        /// It has taken nothing for too long.
        func isStuck(at now: Double) -> Bool { packets > 0 && now - since > limit }
    }
    /// By the number of the place.
    private(set) var ways: [Int: Way] = [:]
    private(set) var onTheWay = 0 {
        didSet { if let seat = worker.bus.seat { seat.ground.setGiving(seat.place, onTheWay) } }
    }
    private var moved = 0
    private var receivers: Set<Int> = []
    /// Of holds, which move when nothing can be missed: Moves+Holds.swift.
    var handover: Handover?
    var held: [Connection] = []
    private(set) lazy var arrivals = HoldArrivals(worker)

    /// When the next turn was asked for.
    private var scheduled = 0.0
    /// When a worker last took something.
    private(set) var progress = 0.0
    /// Seconds of a turn of the loop in which packets are sent: as many as everything else has taken, within these. One
    /// message to all that are held here may take a second, and the rest must not wait for as many messages.
    private static let (shortestTurn, longestTurn) = (0.002, 0.25)
    /// Seconds after which a worker that takes nothing counts as stuck.
    nonisolated static let limit = 2.0
    /// Seconds between two looks for a worker that is not stuck any more.
    private static let pause = 0.25
    /// Seconds after which it is asked whether connections have arrived that went alone: a question costs as much.
    private static let questionDelay = 0.01
    /// Seconds after which nobody asks any more whether something has been taken.
    private static let confirmationLimit = 60.0
    /// Requests that wait for one that does not.
    private static let mostWaiting = 1000

    init(_ worker: Worker, siblings: [ScoreboardSlot], others: [ScoreboardSlot]) {
        self.worker = worker
        self.siblings = siblings
        otherSlots = others
    }

    /// From now on connections of other workers are served here.
    func open() {
        if let seat = worker.bus.seat {
            for name in worker.acceptor.names { seat.ground.listens(seat.place, at: name) }
        }
        worker.bus.onParcel = { [unowned self] parcel in
            receive(parcel.bytes, parcel.descriptors) { parcel, descriptor, position in
                self.worker.receive(parcel, descriptor, position)
            }
        }
        worker.bus.onParcelReturned = { [unowned self] bytes, descriptors, _ in
            let count = receive(bytes, descriptors) { parcel, descriptor, _ in self.worker.takeBack(parcel, descriptor)
            }
            moved -= count
            for _ in 0..<count { Counted.subtract(at: Counter.movedOut) }
        }
    }

    @discardableResult
    private func receive(
        _ bytes: [UInt8], _ descriptors: [Int32], _ take: (Parcel, Int32, BusPosition) -> Void
    ) -> Int {
        var count = 0
        let lost = bytes.withUnsafeBytes { bytes in
            ParcelPacket.read(bytes, descriptors: descriptors) { parcel, descriptor, position in
                count += 1
                take(parcel, descriptor, position)
            }
        }
        if lost > 0 {
            worker.logger.error(
                "Connections that were moved here are lost: this worker may open no more files",
                metadata: ["connections": "\(lost)"])
        }
        return count
    }

    /// Nil without `--rebalance`.
    private(set) lazy var rebalance = worker.configuration.rebalances ? Rebalance(worker) : nil

    /// The other workers of this master, by the numbers of their places; none without a bus.
    private(set) lazy var neighbours: [(place: Int, slot: ScoreboardSlot)] = {
        guard let seat = worker.bus.seat else { return [] }
        let first = seat.ground.firstPlace
        return siblings.enumerated().map { number, slot in
            (first + (first + number < seat.place ? number : number + 1), slot)
        }
    }()

    /// Those of another master.
    private(set) lazy var strangers: [(place: Int, slot: ScoreboardSlot)] = {
        guard let seat = worker.bus.seat else { return [] }
        return zip(seat.ground.otherPlaces, otherSlots).map { ($0, $1) }
    }()

    // MARK: leaving

    /// Connections go on in other processes.
    var isLeaving: Bool { state == .leaving }

    /// Nothing is on its way to anybody.
    var isDone: Bool {
        guard arrivals.isEmpty else { return false }
        guard onTheWay > 0 else { return true }
        let now = EventLoop.monotonicNow()
        return ways.values.allSatisfy { $0.packets == 0 || $0.isStuck(at: now) }
    }

    /// Whether a connection waits to go, or will when it is idle: then nobody tells its client to close it.
    func keeps(_ connection: Connection) -> Bool {
        guard state == .leaving, !connection.isSpare, case .plain = connection.transport, !isAbandoned(connection)
        else { return false }
        return connection is HTTP1Connection || connection is ProxyPreface || connection is TLSHandshake
    }

    private enum LastLook { case none, waiting, done }
    private var lastLook = LastLook.none
    /// Seconds in which what others have just sent is here.
    private static let lastLookDelay = 0.02

    /// Whether nothing comes any more. Another worker may have sent connections a moment before this one ends; they are
    /// served here, or go on from here. When that is known, the worker is told.
    func hasLookedAgain() -> Bool {
        switch lastLook {
        case .done: return true
        case .waiting: return false
        case .none: break
        }
        guard worker.bus.seat != nil else { return true }
        lastLook = .waiting
        _ = worker.bus.withdraw()
        let last = TimerWatcher(worker.loop) { [unowned self] in
            guard worker.bus.withdraw() else {
                lastTimer?.start(after: 0)
                return
            }
            lastLook = .done
            worker.finishIfDone()
        }
        lastTimer = last
        last.start(after: Self.lastLookDelay)
        return false
    }
    private var lastTimer: TimerWatcher?

    /// The worker leaves. Connections go as soon as this turn of the loop is over.
    ///
    /// - Parameter receivers: nil for none.
    func begin(to receivers: Receivers?) {
        receiving = receivers ?? .all
        guard state == .staying, receivers != nil, worker.loop.canForget, !candidates.isEmpty else { return end() }
        state = .leaving
        abandoned = abandonedAddresses
        progress = EventLoop.monotonicNow()
        askForTurn()
    }

    private func collect() {
        isCollected = true
        for wait in [Wait.keepAlive, .head, .handshake, .held] {
            worker.deadlines.forEach(wait) { if let connection = $0 as? Connection { queue.append(connection) } }
        }
        worker.deadlines.forEach(.active) { $0.exchange?.workerLeaves() }
    }

    /// There is no time left.
    func end() {
        guard state != .over else { return }
        state = .over
        let staying = queue[next...]
        queue = []
        next = 0
        timer.stop()
        endHandover()
        for connection in staying { connection.stays() }
    }

    /// The worker has ended.
    func finish() {
        end()
        guard moved > 0 else { return }
        worker.logger.info(
            "Moved connections to other workers",
            metadata: ["connections": "\(moved)", "workers": "\(receivers.count)"])
    }

    /// To be called for each connection of a worker that leaves, when its request has been answered.
    func becameIdle(_ connection: Connection) {
        guard state == .leaving else { return }
        queue.append(connection)
        schedule()
    }

    private func schedule() {
        guard !isDue, state == .leaving, next < queue.count else { return }
        askForTurn()
    }

    private func askForTurn() {
        isDue = true
        scheduled = EventLoop.monotonicNow()
        timer.start(after: 0)
    }

    private func turn() {
        // What has been sent to a worker that is stuck keeps nobody any more.
        guard state == .leaving else { return worker.finishIfDone() }
        if !isCollected { collect() }
        askForHeirs()
        let start = EventLoop.monotonicNow()
        let end = start + min(max(start - scheduled, Self.shortestTurn), Self.longestTurn)
        while next < queue.count {
            switch choose() {
            case .worker(let place, let share): sendSome(to: place, share)
            // Whoever takes what is on its way makes room, and is heard of; this is for all others.
            case .later: return timer.start(after: Self.pause)
            case .nobody: return giveUp()
            }
            if EventLoop.monotonicNow() > end { break }
        }
        guard next < queue.count else {
            queue = []
            next = 0
            if worker.holds?.count == 0 { endHandover() }
            return worker.finishIfDone()
        }
        schedule()
    }

    /// More wait to go.
    func enqueue(_ connections: [Connection]) {
        queue += connections
        schedule()
    }

    private func sendSome(to place: Int, _ share: Int) {
        var packet = ParcelPacket(worker.bus.position)
        var leaving: [Connection] = []
        while next < queue.count, leaving.count < share {
            let connection = queue[next]
            if !isAbandoned(connection), let parcel = connection.parcel, mayGo(parcel, connection) {
                if packet.add(parcel, connection.transport.fileDescriptor) {
                    leaving.append(connection)
                } else if !packet.isEmpty {
                    break
                }
                // One that no packet can take stays here.
            }
            next += 1
        }
        if !leaving.isEmpty { send(packet, of: leaving, to: place) }
    }

    /// The connections are gone from here on, or are here again.
    ///
    /// - Parameter asksLater: whether they have arrived, which does not matter at once.
    private func send(_ packet: ParcelPacket, of connections: [Connection], to place: Int, asksLater: Bool = false) {
        let count = connections.count
        var way = ways[place] ?? Way()
        if way.packets == 0 { way.since = EventLoop.monotonicNow() }
        way.packets += 1
        way.connections += count
        ways[place] = way
        onTheWay += count
        for connection in connections { connection.departs() }
        guard worker.bus.send(parcel: packet.bytes, descriptors: packet.descriptors, to: place) else {
            // Its process has just ended.
            receive(packet.bytes, packet.descriptors) { parcel, descriptor, _ in
                self.worker.takeBack(parcel, descriptor)
            }
            return arrived(at: place, (1, count))
        }
        moved += count
        receivers.insert(place)
        Counted.add(UInt64(count), at: Counter.movedOut)
        ways[place]?.unasked.packets += 1
        ways[place]?.unasked.connections += count
        if !asksLater { ask(place) } else if !question.isActive { question.start(after: Self.questionDelay) }
        // A worker that ends is done when all of it has arrived, or when nobody takes it.
        if worker.isDraining, !isDue { timer.start(after: Self.limit + 0.1) }
    }

    private lazy var question = TimerWatcher(worker.loop) { [unowned self] in for place in ways.keys { ask(place) } }

    /// Whether all that was sent there has arrived.
    private func ask(_ place: Int) {
        guard let unasked = ways[place]?.unasked, unasked.packets > 0 else { return }
        ways[place]?.unasked = (0, 0)
        worker.bus.confirm(place, limit: Self.confirmationLimit) { [weak self] _ in self?.arrived(at: place, unasked) }
    }

    private func arrived(at place: Int, _ sent: (packets: Int, connections: Int)) {
        let now = EventLoop.monotonicNow()
        progress = now
        ways[place]?.packets -= sent.packets
        ways[place]?.connections -= sent.connections
        ways[place]?.since = now
        onTheWay -= sent.connections
        if state == .leaving, next < queue.count { schedule() } else { worker.finishIfDone() }
    }

    private func giveUp() {
        let waiting = queue[next...].count { $0.parcel != nil }
        end()
        guard waiting > 0 else { return }
        worker.logger.info(
            "No worker takes the connections that are idle: they are closed", metadata: ["connections": "\(waiting)"])
    }

    // MARK: one connection

    /// Gives a connection to the worker of a place. Whether it goes there: then it is gone here.
    package func give(_ connection: Connection, _ parcel: Parcel, to place: Int) -> Bool {
        guard worker.loop.canForget, parcel.hops <= Parcel.mostHops, !connection.isClosed else { return false }
        guard worker.bus.seat?.ground.isLive(place) == true, !isTooSlow(place) else { return false }
        var packet = ParcelPacket(worker.bus.position)
        guard packet.add(parcel, connection.transport.fileDescriptor) else { return false }
        send(packet, of: [connection], to: place, asksLater: true)
        return true
    }

    /// A request may be one that no other worker can answer, so it waits for one that does not take it at once; but not
    /// any number of them.
    private func isTooSlow(_ place: Int) -> Bool {
        ways[place].map {
            $0.connections >= Self.mostWaiting && $0.isStuck(at: EventLoop.monotonicNow())
        } ?? false
    }

    /// Gives connections to another worker while this one goes on: as many of those that can go as a packet takes.
    ///
    /// - Returns: how many have gone.
    func give(_ connections: [Connection], to place: Int) -> Int {
        guard worker.loop.canForget, worker.bus.seat?.ground.isLive(place) == true else { return 0 }
        guard !isOnTheWay(to: place) else { return 0 }
        var packet = ParcelPacket(worker.bus.position)
        var leaving: [Connection] = []
        for connection in connections {
            guard let parcel = connection.parcel else { continue }
            guard packet.add(parcel, connection.transport.fileDescriptor) else { break }
            leaving.append(connection)
        }
        if !leaving.isEmpty { send(packet, of: leaving, to: place) }
        return leaving.count
    }

    /// Something that was sent there has not arrived.
    func isOnTheWay(to place: Int) -> Bool { ways[place].map { $0.packets > 0 } ?? false }

    /// Of an address at which nobody listens any more.
    private func isAbandoned(_ connection: Connection) -> Bool {
        !abandoned.isEmpty && abandoned.contains(connection.listener.name)
    }
}
