// Time limits: one list for each kind of wait and one timer for all of them. A kind has one length of time for all its
// waiters, so that appending keeps a list sorted, and the oldest of a kind is its first.

package import EvLoop

/// What is waited for. A connection is in exactly one of these lists, and may be in `write` besides.
package enum Wait: Int, CaseIterable {
    case head, body, keepAlive, halfClose, linger
    /// The end of a TLS handshake, from accept on.
    case handshake
    /// A request runs and nothing limits it here.
    case active
    /// A request is held: it has a time limit of its own.
    case held
    /// The peer takes no bytes.
    case write
    /// A WebSocket from which nothing may have come for too long; and one that was asked for a sign of life.
    case ping, pong
    /// Requests run on streams of the connection, which stand in lists of their own.
    case streams
}

/// Whoever stands in one of the lists: a connection, or a stream of one. It leaves the lists before it goes.
@LoopActor
package class Waiter {
    package fileprivate(set) final var wait: Wait?
    fileprivate final var deadline = Double.infinity
    fileprivate unowned(unsafe) final var previous: Waiter?
    fileprivate unowned(unsafe) final var next: Waiter?

    /// A wait has lasted as long as it may; the waiter is in no list now.
    func expired(_ wait: Wait) {}

    /// The request that runs, for the worker's report.
    var exchange: Exchange? { nil }
    /// The request that is held.
    var hold: Hold? { exchange?.hold }
    /// No byte of a request has come yet.
    var isSilent: Bool { false }
    /// The worker leaves, and lets what runs finish.
    func workerLeaves() {}
    /// The time of a worker that leaves is over.
    func endOfDrain() {}
    /// Ends everything at once.
    func abort() {}
    /// Nil for one that is closed.
    func record(_ options: RecordOptions) -> ConnectionRecord? { nil }
}

@LoopActor
final class Deadlines {
    private struct List {
        unowned(unsafe) var first: Waiter?
        unowned(unsafe) var last: Waiter?
        var count = 0
        /// Seconds; infinity for a wait without end.
        var timeout = Double.infinity
    }

    /// Behind a pointer, because every access to a class's own property may be tracked at run time.
    private let lists: UnsafeMutablePointer<List>
    private var timer: TimerWatcher?
    private var timerDue = Double.infinity

    /// The timer fires no more often than this.
    static let granularity = 0.1

    init(_ loop: EventLoop, _ configuration: ServerConfiguration) {
        lists = .allocate(capacity: Wait.allCases.count)
        lists.initialize(repeating: List(), count: Wait.allCases.count)
        for wait in Wait.allCases {
            let seconds =
                switch wait {
                case .head: configuration.headTimeout
                case .body: configuration.bodyTimeout
                case .keepAlive: configuration.keepAliveTimeout
                case .halfClose: configuration.halfCloseGrace
                case .linger: configuration.lingerTimeout
                case .handshake: configuration.handshakeTimeout
                case .active, .held, .streams: 0.0
                case .write: configuration.writeTimeout
                case .ping: configuration.webSocket.pingInterval
                case .pong: configuration.webSocket.pingTimeout
                }
            lists[wait.rawValue].timeout = seconds > 0 ? seconds : .infinity
        }
        timer = TimerWatcher(loop) { [unowned self] in self.expire() }
    }

    isolated deinit { lists.deallocate() }

    func count(of wait: Wait) -> Int { lists[wait.rawValue].count }
    func first(of wait: Wait) -> Waiter? { lists[wait.rawValue].first }

    /// Shortens or lengthens a wait for those who begin it from now on.
    func setTimeout(_ seconds: Double, for wait: Wait) { lists[wait.rawValue].timeout = seconds }

    /// Moves a waiter to the end of a list, its time starting now.
    func begin(_ wait: Wait, _ node: Waiter) {
        remove(node)
        let timeout = lists[wait.rawValue].timeout
        node.deadline = timeout.isFinite ? EventLoop.coarseNow() + timeout : .infinity
        node.wait = wait
        node.previous = lists[wait.rawValue].last
        if let last = lists[wait.rawValue].last { last.next = node } else { lists[wait.rawValue].first = node }
        lists[wait.rawValue].last = node
        lists[wait.rawValue].count += 1
        if node.deadline < timerDue - Self.granularity { arm(for: node.deadline) }
    }

    func remove(_ node: Waiter) {
        guard let wait = node.wait else { return }
        if let previous = node.previous { previous.next = node.next } else { lists[wait.rawValue].first = node.next }
        if let next = node.next { next.previous = node.previous } else { lists[wait.rawValue].last = node.previous }
        lists[wait.rawValue].count -= 1
        node.previous = nil
        node.next = nil
        node.wait = nil
    }

    /// Calls for everyone in a list as it is now; the call may remove the waiter.
    func forEach(_ wait: Wait, _ body: (Waiter) -> Void) {
        var waiters: [Waiter] = []
        waiters.reserveCapacity(lists[wait.rawValue].count)
        var node = lists[wait.rawValue].first
        while let current = node {
            waiters.append(current)
            node = current.next
        }
        waiters.forEach(body)
    }

    /// Those who have waited for longest.
    func oldest(_ wait: Wait, most: Int) -> [Waiter] {
        var waiters: [Waiter] = []
        var node = lists[wait.rawValue].first
        while let current = node, waiters.count < most {
            waiters.append(current)
            node = current.next
        }
        return waiters
    }

    /// Those at both ends of a list, `most` of each at most, the one that has waited longest first.
    func ends(of wait: Wait, most: Int) -> [Waiter] {
        let list = lists[wait.rawValue]
        var waiters: [Waiter] = []
        var node = list.first
        while let current = node, waiters.count < most {
            waiters.append(current)
            node = current.next
        }
        var newest: [Waiter] = []
        node = list.last
        while let current = node, newest.count < min(most, list.count - waiters.count) {
            newest.append(current)
            node = current.previous
        }
        return waiters + newest.reversed()
    }

    /// When a wait has begun, in monotonic seconds, and how long it may last; nil where nothing limits it.
    func period(of node: Waiter) -> (since: Double, seconds: Double)? {
        guard let wait = node.wait, node.deadline.isFinite else { return nil }
        let seconds = lists[wait.rawValue].timeout
        return seconds.isFinite ? (node.deadline - seconds, seconds) : nil
    }

    func stop() { timer?.stop() }

    private func arm(for deadline: Double) {
        timerDue = deadline
        timer?.start(after: max(deadline - EventLoop.coarseNow(), Self.granularity))
    }

    private func expire() {
        timerDue = .infinity
        let now = EventLoop.coarseNow()
        var earliest = Double.infinity
        for wait in Wait.allCases {
            while let node = lists[wait.rawValue].first, node.deadline <= now {
                remove(node)
                node.expired(wait)
            }
            if let deadline = lists[wait.rawValue].first?.deadline { earliest = min(earliest, deadline) }
        }
        if earliest.isFinite, earliest < timerDue { arm(for: earliest) }
    }
}
